//! Real agents: pairs of `tasuki-host` and `tasuki-client`, each with a tunnel of its own through the
//! relay. What the load side sends into one end it expects at the other, as from any session.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::exec::{self, Interrupt, Program};
use crate::load::Passage;

/// How long a host may take to be linked.
const LINK_LIMIT: Duration = Duration::from_secs(60);

/// Between two questions whether it is.
const ASK: Duration = Duration::from_millis(200);

/// How to start them.
pub(crate) struct Plan<'a> {
    pub(crate) pairs: u32,
    /// The entry file of the deployment.
    pub(crate) entry: &'a Path,
    pub(crate) host: PathBuf,
    pub(crate) client: PathBuf,
    /// Where they keep what is theirs; it lives longer than they do.
    pub(crate) folder: &'a Path,
    pub(crate) cpus: &'a [usize],
}

/// Starts all pairs, and waits until every tunnel stands.
///
/// # Errors
/// What the first agent says that does not get so far.
pub(crate) fn start(
    plan: &Plan<'_>,
    stop: &Interrupt,
) -> anyhow::Result<(Vec<Passage>, Vec<Program>)> {
    let password = plan.folder.join("password");
    // Only for this run: whoever learns a computer ID of it cannot connect.
    fs::write(&password, format!("Aa-{:032x}\n", rand::random::<u128>()))?;
    let mut programs = Vec::new();
    let mut backs = Vec::new();
    for number in 0..plan.pairs {
        let back = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        programs.push(plan.host(number, back.local_addr()?, &password)?);
        backs.push(back);
    }
    let mut clients = Vec::new();
    for number in 0..plan.pairs {
        let id = plan.computer_id(number, stop)?;
        clients.push(plan.client(number, &id, &password)?);
    }
    let mut ends = Vec::new();
    for (client, back) in clients.iter_mut().zip(backs) {
        // The client says where its door is, among what else it has to say.
        let front = client.wait_until("open a tunnel", stop, |log| {
            log.lines().find_map(|line| line.trim().parse().ok())
        })?;
        ends.push(Passage { front, back });
    }
    programs.append(&mut clients);
    Ok((ends, programs))
}

impl Plan<'_> {
    fn host(&self, number: u32, target: SocketAddr, password: &Path) -> anyhow::Result<Program> {
        let state = self.state("host", number)?;
        fs::write(
            Path::new(&state).join("host.toml"),
            format!("target = \"{target}\"\n"),
        )?;
        let entry = self.entry.display().to_string();
        let operate = |words: &[&str], input| {
            let words = [&["--state", &state], words].concat();
            exec::output(&self.host, &words, input)
        };
        operate(&["init", "--entry", &entry], None)?;
        operate(&["set-password", "--password-fd", "0"], Some(password))?;
        let log = self.folder.join(format!("host-{number}.log"));
        Program::start(
            &self.host,
            &["--state", &state, "run"],
            None,
            &log,
            self.cpus,
        )
    }

    fn client(&self, number: u32, id: &str, password: &Path) -> anyhow::Result<Program> {
        let state = self.state("client", number)?;
        let entry = self.entry.display().to_string();
        let words = [
            "--state",
            &state,
            "connect",
            id,
            "--entry",
            &entry,
            "--no-launch",
            "--password-fd",
            "0",
        ];
        let log = self.folder.join(format!("client-{number}.log"));
        Program::start(&self.client, &words, Some(password), &log, self.cpus)
    }

    /// The computer ID of a host, once it is linked.
    fn computer_id(&self, number: u32, stop: &Interrupt) -> anyhow::Result<String> {
        let state = self.state("host", number)?;
        let until = Instant::now() + LINK_LIMIT;
        loop {
            let words = ["--state", &state, "status", "--json"];
            match exec::output(&self.host, &words, None) {
                Ok(said) => {
                    let status: serde_json::Value = serde_json::from_str(&said)?;
                    let id = status["computer_id"].as_str();
                    return Ok(id.context("a linked host has no computer ID")?.to_owned());
                }
                // Not linked yet.
                Err(error) => ensure!(Instant::now() < until, "host {number}: {error:#}"),
            }
            stop.sleep(ASK)?;
        }
    }

    fn state(&self, who: &str, number: u32) -> anyhow::Result<String> {
        let folder = self.folder.join(format!("{who}-{number}"));
        fs::create_dir_all(&folder)?;
        Ok(folder.display().to_string())
    }
}
