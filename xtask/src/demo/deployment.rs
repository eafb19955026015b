//! A whole deployment of Tasuki on loopback: operator's files, relay, host, client.
//!
//! Every program is used as a person uses it: by its command line, its files and its status.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::exec::Call;
use crate::sys;
use crate::wine::Wine;

use super::desktop::Screen;
use super::pattern::{HEIGHT, WIDTH};
use super::stage::Stage;
use super::windows::Windows;

/// Also for one that Wine runs on a busy machine.
pub(super) const COMMAND_LIMIT: Duration = Duration::from_secs(300);
/// Also for a relay on an emulated board.
pub(super) const READY_LIMIT: Duration = Duration::from_secs(300);

/// The computer ID of the demo's office PC.
const COMPUTER: &str = "demo-office-pc";

/// The client's part of the stage's folder.
pub(super) const HOME_PC: &str = "home-pc";

/// The relay's control socket, in the stage's folder.
const CONTROL_SOCKET: &str = "relay.sock";

/// Where the product's programs were built.
pub(super) struct Programs<'w> {
    pub(super) folder: PathBuf,
    /// Where host and client are Windows programs.
    pub(super) windows: Option<Windows<'w>>,
}

impl Programs<'_> {
    fn call<'a>(&self, stage: &Stage<'a>, name: &str) -> Call<'a> {
        stage.call(self.folder.join(name))
    }

    fn client<'a>(&self, stage: &Stage<'a>) -> Call<'a> {
        match &self.windows {
            None => self.call(stage, "tasuki-client"),
            Some(windows) => windows.client(stage),
        }
    }

    /// A path as host and client write it.
    pub(super) fn path(&self, path: &Path) -> OsString {
        match &self.windows {
            None => path.into(),
            Some(_) => Wine::path(path).into(),
        }
    }
}

/// The operator's part: what `tasuki` makes before anything runs.
pub(super) struct Deployment<'w> {
    pub(super) programs: Programs<'w>,
    pub(super) relay_port: u16,
    pub(super) node_file: PathBuf,
    pub(super) entry_file: PathBuf,
    pub(super) password: String,
}

impl<'w> Deployment<'w> {
    pub(super) fn make(stage: &mut Stage<'_>, programs: Programs<'w>) -> Result<Self> {
        let this = Self {
            relay_port: stage.free_port()?,
            node_file: stage.path("node.toml"),
            entry_file: stage.path("tasuki-entry.toml"),
            password: password()?,
            programs,
        };
        let tasuki = |command: &str| this.tasuki(stage).args(command.split(' '));
        tasuki("deployment init --no-passphrase --name Demo").output(COMMAND_LIMIT)?;
        tasuki("node add demo-board --lone --address")
            .arg(format!("127.0.0.1:{}", this.relay_port))
            .arg("--out")
            .arg(&this.node_file)
            .output(COMMAND_LIMIT)?;
        tasuki("entry --out")
            .arg(&this.entry_file)
            .output(COMMAND_LIMIT)?;
        Ok(this)
    }

    /// The operator's tool.
    pub(super) fn tasuki<'a>(&self, stage: &Stage<'a>) -> Call<'a> {
        let call = self.programs.call(stage, "tasuki").arg("--deployment");
        call.arg(stage.path("deployment"))
    }

    /// Another entry file, which leads to a port where nobody listens.
    pub(super) fn lost_entry(&self, stage: &mut Stage<'_>) -> Result<PathBuf> {
        let (port, file) = (stage.free_port()?, stage.path("lost-entry.toml"));
        self.tasuki(stage)
            .args(["entry", "--address", &format!("127.0.0.1:{port}"), "--out"])
            .arg(&file)
            .output(COMMAND_LIMIT)?;
        Ok(file)
    }

    pub(super) fn start_relay(&self, stage: &mut Stage<'_>) -> Result<()> {
        let socket = stage.path(CONTROL_SOCKET);
        let state = stage.path("relay");
        fs::create_dir(&state)?;
        let metrics_port = stage.free_port()?;
        let mut settings = toml::Table::new();
        settings.insert("node_file".to_owned(), text(&self.node_file)?);
        let listen = format!("127.0.0.1:{}", self.relay_port);
        settings.insert("listen".to_owned(), vec![listen].into());
        settings.insert("state_dir".to_owned(), text(&state)?);
        settings.insert("control_socket".to_owned(), text(&socket)?);
        settings.insert(
            "metrics_listen".to_owned(),
            format!("127.0.0.1:{metrics_port}").into(),
        );
        if sys::is_root() {
            // The stage is a folder that nobody but root can enter.
            settings.insert("user".to_owned(), "root".into());
        }
        let config = stage.write("relay.toml", &settings.to_string())?;

        self.relay(stage, "check-config")
            .arg("--config")
            .arg(&config)
            .output(COMMAND_LIMIT)?;
        let run = self.relay(stage, "run").arg("--config").arg(&config);
        stage.start("tasuki-relay", run)?;
        stage.wait_for("the relay", READY_LIMIT, |stage| {
            let status = self
                .relay(stage, "status")
                .arg("--json")
                .arg("--socket")
                .arg(&socket);
            Ok(status.finish(COMMAND_LIMIT)?.status.success().then_some(()))
        })
    }

    /// A host that leads to an RDP server on this machine.
    pub(super) fn start_host(&self, stage: &mut Stage<'_>, rdp_port: u16) -> Result<()> {
        let state = stage.path("office-pc");
        let entry_file = self.programs.path(&self.entry_file);
        self.introduce_host(entry_file, || self.host(stage, &state))?;
        let target = format!("target = \"127.0.0.1:{rdp_port}\"\n");
        let settings = state.join("host.toml");
        fs::write(&settings, target)
            .with_context(|| format!("cannot write {}", settings.display()))?;
        let run = self.host(stage, &state).arg("run");
        stage.start("tasuki-host", run)?;
        Self::wait_for_link(stage, |stage| self.host(stage, &state))
    }

    /// Tells a host of the deployment, by the entry file as it names it, and of its password.
    pub(super) fn introduce_host<'a>(
        &self,
        entry_file: OsString,
        host: impl Fn() -> Call<'a>,
    ) -> Result<()> {
        host()
            .args(["init", "--id", COMPUTER, "--entry"])
            .arg(entry_file)
            .output(COMMAND_LIMIT)?;
        host()
            .args(["set-password", "--password-fd", "0"])
            .line_on_stdin(&self.password)
            .output(COMMAND_LIMIT)?;
        Ok(())
    }

    pub(super) fn wait_for_link<'a>(
        stage: &mut Stage<'a>,
        host: impl Fn(&Stage<'a>) -> Call<'a>,
    ) -> Result<()> {
        stage.wait_for("the host's link to the relay", READY_LIMIT, |stage| {
            // It succeeds only while the link stands.
            let status = host(stage).arg("status");
            Ok(status.finish(COMMAND_LIMIT)?.status.success().then_some(()))
        })
    }

    /// Starts the client, which starts FreeRDP on the home PC's screen.
    pub(super) fn start_client(&self, stage: &mut Stage<'_>, screen: &Screen) -> Result<()> {
        let client = self
            .client(stage)
            .env("DISPLAY", &screen.display)
            .args(["--verbose", "--"])
            .args(viewer_arguments());
        stage.start("tasuki-client", client)
    }

    /// A client that connects to the office PC.
    pub(super) fn client<'a>(&self, stage: &Stage<'a>) -> Call<'a> {
        self.programs
            .client(stage)
            .arg("--state")
            .arg(self.programs.path(&stage.path(HOME_PC)))
            .args(["connect", COMPUTER, "--password-fd", "0", "--entry"])
            .arg(self.programs.path(&self.entry_file))
            .line_on_stdin(&self.password)
    }

    /// How many bytes the relay has carried towards the home PC, in the one session it has.
    pub(super) fn carried(&self, stage: &Stage<'_>) -> Result<u64> {
        let status = self
            .relay(stage, "status")
            .args(["--json", "--socket"])
            .arg(stage.path(CONTROL_SOCKET))
            .output(COMMAND_LIMIT)?;
        let status: serde_json::Value = serde_json::from_str(&status)?;
        let number = |place: &str| status.pointer(place).and_then(serde_json::Value::as_u64);
        ensure!(
            number("/sessions/now") == Some(1),
            "the relay has no session: the picture came another way"
        );
        number("/bytes/to_client").context("the relay's status has no bytes")
    }

    fn relay<'a>(&self, stage: &Stage<'a>, command: &str) -> Call<'a> {
        self.programs.call(stage, "tasuki-relay").arg(command)
    }

    fn host<'a>(&self, stage: &Stage<'a>, state: &Path) -> Call<'a> {
        self.programs
            .call(stage, "tasuki-host")
            .arg("--state")
            .arg(state)
    }
}

/// What FreeRDP is told beside the address.
pub(super) fn viewer_arguments() -> impl Iterator<Item = String> {
    let fixed = ["/u:demo", "/p:demo", "/sec:tls", "/cert:ignore"].map(str::to_owned);
    fixed.into_iter().chain([format!("/size:{WIDTH}x{HEIGHT}")])
}

fn text(path: &Path) -> Result<toml::Value> {
    let path = path
        .to_str()
        .context("the temporary folder's name is not Unicode")?;
    Ok(path.into())
}

/// A password for this run only, of the kinds of characters that a host demands.
fn password() -> Result<String> {
    let mut bytes = [0; 12];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("no randomness from the system")?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("Demo-{digits}"))
}
