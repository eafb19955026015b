//! What a load is put on: our relay, a board across the network, or nothing at all.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, anyhow};
use protocol::file::entry::Entry;
use tempfile::TempDir;

use crate::agents;
use crate::callgrind;
use crate::exec::{self, Interrupt, Program};
use crate::load::{Passage, Way};
use crate::report::comparison::{DIRECT, OURS};
use crate::wire::Site;

/// Sessions beside those of the scenario: a new one may come before its predecessor has gone.
const SESSIONS_SPARE: u32 = 64;

/// Sessions that the relay's own memory budget is for, on any machine; more of them need more.
const SESSIONS_A_BUDGET: u32 = 2_000;
const BUDGET_MIB: u32 = 128;

/// Below the relay's place: its own folder, and the entry file of its deployment.
const STATE: &str = "state";
const ENTRY: &str = "entry.toml";

/// A setting of our relay that is measured beside what it has otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    Batching(bool),
    /// In MiB.
    MemoryBudget(u32),
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused =
            || format!("{text:?} is not batching=true, batching=false or memory_budget=NUMBERM");
        match text.split_once('=') {
            Some(("batching", value)) => value.parse().map(Self::Batching).ok(),
            Some(("memory_budget", value)) => value
                .strip_suffix('M')
                .and_then(|number| number.parse().ok())
                .map(Self::MemoryBudget),
            _ => None,
        }
        .ok_or_else(refused)
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batching(batching) => write!(f, "batching={batching}"),
            Self::MemoryBudget(mib) => write!(f, "memory_budget={mib}M"),
        }
    }
}

/// A relay, ready to be loaded.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: String,
    /// Subjects of one family are one program, set up in several ways.
    pub(crate) family: String,
    /// What it was started with.
    pub(crate) settings: String,
    pub(crate) way: Way,
    /// None when there is none, or when it is out of reach. Before the folder with its log.
    pub(crate) program: Option<Program>,
    /// How to start it once more.
    pub(crate) launch: Option<Launch>,
    /// What a peer needs at the other end, and agents; not measured.
    pub(crate) helpers: Vec<Program>,
    pub(crate) folder: Option<TempDir>,
}

impl Subject {
    /// Kills its program, as a board dies.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.program
            .take()
            .context("this relay is out of reach")?
            .kill()
    }

    /// Starts our relay again, with what it has kept.
    pub(crate) fn start_again(&mut self, stop: &Interrupt) -> anyhow::Result<()> {
        let launch = self.launch.as_ref().context("this relay is not ours")?;
        self.program = Some(launch.start(stop)?);
        Ok(())
    }

    /// Makes so many of its sessions, the first, those of real agents. Without an entry file it is our
    /// relay's own deployment that they belong to.
    pub(crate) fn add_agents(
        &mut self,
        pairs: u32,
        entry: Option<&Path>,
        programs: &Path,
        cpus: &[usize],
        stop: &Interrupt,
    ) -> anyhow::Result<()> {
        let Way::Tasuki { agents, .. } = &mut self.way else {
            anyhow::bail!("{} is no relay for agents", self.name);
        };
        if self.folder.is_none() {
            self.folder = Some(place()?);
        }
        let folder = self.folder.as_ref().context("no folder")?.path();
        let plan = agents::Plan {
            pairs,
            entry: &entry.map_or_else(|| folder.join(ENTRY), Path::to_owned),
            host: find(programs, "tasuki-host")?,
            client: find(programs, "tasuki-client")?,
            folder,
            cpus,
        };
        let (ends, mut programs) = agents::start(&plan, stop)?;
        *agents = ends;
        self.helpers.append(&mut programs);
        Ok(())
    }

    /// Where our relay keeps what is its own.
    pub(crate) fn state(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.path().join(STATE))
    }
}

/// The command that starts our relay.
#[derive(Debug)]
pub(crate) struct Launch {
    words: Vec<OsString>,
    log: PathBuf,
    cpus: Vec<usize>,
    address: SocketAddr,
}

impl Launch {
    fn start(&self, stop: &Interrupt) -> anyhow::Result<Program> {
        let (program, arguments) = self.words.split_first().context("no command")?;
        let mut program =
            Program::start(Path::new(program), arguments, None, &self.log, &self.cpus)?;
        program.wait_for(self.address, stop)?;
        Ok(program)
    }
}

/// How our relay is started.
#[derive(Debug, Clone)]
pub struct RelayOptions {
    /// Folder with `tasuki-relay` and `tasuki`, the operator's tool.
    pub programs: PathBuf,
    pub site: Site,
    /// CPUs that it runs on; all without any.
    pub cpus: Vec<usize>,
    /// Threads of its data plane.
    pub workers: usize,
    pub sessions: u32,
    /// Whether small messages may wait for others.
    pub batching: bool,
    /// Memory that its sessions share, in MiB; without it, what it takes by itself, and more for
    /// more sessions than it is made for.
    pub memory_budget: Option<u32>,
    /// Under valgrind, which counts its instructions; without the sandbox, which valgrind does not
    /// know.
    pub counted: bool,
}

impl RelayOptions {
    /// The same but for one setting.
    pub(crate) fn with(self, setting: Setting) -> Self {
        match setting {
            Setting::Batching(batching) => Self { batching, ..self },
            Setting::MemoryBudget(mib) => Self {
                memory_budget: Some(mib),
                ..self
            },
        }
    }
}

impl Subject {
    /// Nothing between the two ends: the ceiling of what the load side can measure.
    pub(crate) fn direct(site: &Site) -> anyhow::Result<Self> {
        let back = site.listen()?;
        Ok(Self {
            name: DIRECT.to_owned(),
            family: DIRECT.to_owned(),
            settings: "no relay between".to_owned(),
            way: Way::Forwarded(Passage {
                front: back.local_addr()?,
                back,
            }),
            program: None,
            launch: None,
            helpers: Vec::new(),
            folder: None,
        })
    }

    /// Boards of somebody's deployment.
    pub(crate) fn board(entry_file: &Path) -> anyhow::Result<Self> {
        let entry = read_entry(entry_file)?;
        Ok(Self {
            name: "board".to_owned(),
            family: OURS.to_owned(),
            settings: format!(
                "deployment {}, at {}",
                entry.name,
                entry.addresses.join(", ")
            ),
            way: Way::tasuki(entry),
            program: None,
            launch: None,
            helpers: Vec::new(),
            folder: None,
        })
    }

    /// Our relay in a deployment of its own, made by the operator's tool.
    pub(crate) fn relay(options: &RelayOptions, stop: &Interrupt) -> anyhow::Result<Self> {
        let folder = place()?;
        let place = folder.path();
        let address = options.site.free_address()?;
        let operate = |words: &[&str]| {
            let tool = find(&options.programs, "tasuki")?;
            let deployment = place.join("deployment").display().to_string();
            let words: Vec<&str> = ["--deployment", &deployment]
                .iter()
                .chain(words)
                .copied()
                .collect();
            exec::output(&tool, &words, None)
        };
        let dialled = address.to_string();
        let (node, entry) = (place.join("node.toml"), place.join(ENTRY));
        operate(&["deployment", "init", "--name", "bench", "--no-passphrase"])?;
        let out = node.display().to_string();
        operate(&[
            "node",
            "add",
            "bench",
            "--lone",
            "--address",
            &dialled,
            "--out",
            &out,
        ])?;
        operate(&["entry", "--out", &entry.display().to_string()])?;
        let settings = relay_toml(address, options, is_roots(place)?);
        let config = place.join("relay.toml");
        fs::write(&config, &settings)?;
        hand_over(place)?;
        let relay = find(&options.programs, "tasuki-relay")?;
        let prefix = options.site.prefix();
        let mut words: Vec<OsString> = prefix.into_iter().map(Into::into).collect();
        if options.counted {
            words.extend(callgrind::command(&place.join(STATE)));
        }
        words.extend([relay.into(), "run".into(), "--config".into(), config.into()]);
        let launch = Launch {
            words,
            log: place.join("relay.log"),
            cpus: options.cpus.clone(),
            address,
        };
        let program = launch.start(stop)?;
        Ok(Self {
            name: OURS.to_owned(),
            family: OURS.to_owned(),
            settings,
            way: Way::tasuki(read_entry(&entry)?),
            program: Some(program),
            launch: Some(launch),
            helpers: Vec::new(),
            folder: Some(folder),
        })
    }
}

fn place() -> std::io::Result<TempDir> {
    tempfile::Builder::new().prefix("tasuki-bench").tempdir()
}

/// Paths are relative to the file. The load comes from one address and enrols thousands of hosts,
/// which no real one does; all other limits are the relay's own.
fn relay_toml(address: SocketAddr, options: &RelayOptions, as_root: bool) -> String {
    let sessions = options.sessions.saturating_add(SESSIONS_SPARE);
    let budgets = options.sessions.div_ceil(SESSIONS_A_BUDGET);
    let more = (budgets > 1).then_some(BUDGET_MIB * budgets);
    let budget = options
        .memory_budget
        .or(more)
        .map_or_else(String::new, |mib| format!("memory_budget = \"{mib}M\"\n"));
    let user = if as_root { "user = \"nobody\"\n" } else { "" };
    format!(
        "{user}node_file = \"node.toml\"\n\
         listen = [\"{address}\"]\n\
         state_dir = \"state\"\n\
         control_socket = \"run/control.sock\"\n\
         metrics_listen = \"127.0.0.1:0\"\n\
         workers = {}\n\
         batching = {}\n\
         sandbox = {}\n\
         \n\
         [limits]\n\
         sessions = {sessions}\n\
         {budget}\
         claims_per_range = 65536\n",
        options.workers, options.batching, !options.counted
    )
}

/// Whether this folder belongs to root: a relay that root starts is told whom to become.
fn is_roots(folder: &Path) -> anyhow::Result<bool> {
    Ok(fs::metadata(folder)?.uid() == 0)
}

/// Gives the relay's files to the user whom it becomes, as an operator does once.
fn hand_over(folder: &Path) -> anyhow::Result<()> {
    for name in [STATE, "run"] {
        fs::create_dir(folder.join(name))?;
    }
    if is_roots(folder)? {
        let mut words = vec!["-R".into(), "nobody:".into()];
        words.extend([STATE, "run", "node.toml"].map(|name| folder.join(name)));
        exec::output(Path::new("chown"), &words, None)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn read_entry(path: &Path) -> anyhow::Result<Entry> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the entry file {}", path.display()))?;
    Entry::parse(&text).map_err(|problems| anyhow!("{}: {problems}", path.display()))
}

/// A program of ours.
fn find(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    anyhow::ensure!(
        path.is_file(),
        "{} is not there; build it (cargo build --release -p agent -p relay -p image-builder --bins), or say \
         --programs FOLDER",
        path.display()
    );
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_read_as_it_is_written() {
        for setting in [Setting::Batching(false), Setting::MemoryBudget(1_024)] {
            assert_eq!(setting.to_string().parse(), Ok(setting));
        }
        for wrong in ["batching", "batching=yes", "memory_budget=1G", "workers=2"] {
            assert!(wrong.parse::<Setting>().is_err(), "{wrong}");
        }
    }
}
