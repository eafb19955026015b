//! `relay.toml` and the node file: what was typed becomes what it means.
//!
//! Owns every check that can be made before anything starts; tells all mistakes at once.
//! While the relay runs it is asked again by a reload only ([`Config::reread`]).
//! Read next: [`mod@file`] for the keys, [`identity`] for the checks of the certificate, [`change`]
//! for what a reload can change.

pub mod change;
mod file;
pub mod identity;
mod value;

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use protocol::file::node::NodeFile;
use protocol::file::reader::{Problem, Problems};
use protocol::refusal::Contact;

use crate::data::DataPath;
pub use identity::Identity;
pub(crate) use value::Span;

/// Where the relay looks for its configuration when the command line does not say.
pub const DEFAULT_PATH: &str = "/etc/tasuki/relay.toml";
/// Where the relay listens for its operator when the configuration does not say.
pub const DEFAULT_CONTROL_SOCKET: &str = "/run/tasuki-relay/control.sock";

/// Settings as the relay uses them: defaults filled in, paths absolute, files read.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where this was read from.
    pub file: PathBuf,
    pub node: NodeFile,
    /// Where `node` was read from; a renewed one appears there.
    pub node_file: PathBuf,
    /// What the board's certificate says.
    pub identity: Identity,
    pub listen: Vec<SocketAddr>,
    /// Whom a relay that is started as root becomes.
    pub user: Option<String>,
    /// Off, all system calls and files that the user may use are open to the process.
    pub sandbox: bool,
    /// Claims and serial numbers.
    pub state_dir: PathBuf,
    /// Unix socket for `status`, `drain` and `registrar export`.
    pub control_socket: PathBuf,
    /// A loopback address, or none.
    pub metrics_listen: Option<SocketAddr>,
    pub bars: Vec<Bar>,
    pub limits: Limits,
    /// Threads of the data plane.
    pub workers: usize,
    pub data_path: DataPath,
    /// Whether small messages may wait for others, for a moment, when they come thick.
    pub batching: bool,
    /// How long a relay that is told to stop waits for its sessions.
    pub drain_deadline: Duration,
    /// Whole seconds; a link that is silent for three of them has ended.
    pub ping_interval: Duration,
}

/// A range of addresses that the operator turns away, and whom they may ask about it (R9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    pub range: IpNet,
    pub contact: Contact,
}

/// What an operator may turn; the other bounds are in [`crate::limits`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub sessions: usize,
    /// Hosts linked at a time.
    pub hosts: usize,
    /// Legs that wait for their partner.
    pub parked_legs: usize,
    /// Kernel memory for sockets and pipes, in bytes.
    pub memory_budget: usize,
    /// Connections at a time from one address that have not proven a host key.
    pub unproven_per_address: usize,
    /// New computer IDs a day from one /24 or /56.
    pub claims_per_range: u32,
}

/// Every mistake in the configuration, one a line; never empty.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Reads `relay.toml` at `path` and the node file that it names.
    ///
    /// # Errors
    /// Every mistake in either file, with file, line and key path.
    pub fn load(path: &Path, now: SystemTime) -> Result<Self, ConfigError> {
        let source = std::fs::read_to_string(path)
            .map_err(|error| ConfigError(vec![format!("{}: {error}", path.display())]))?;
        let absolute = std::path::absolute(path)
            .map_err(|error| ConfigError(vec![format!("{}: {error}", path.display())]))?;
        Self::read(&source, &path.display().to_string(), absolute, now)
    }

    /// Reads the text of a `relay.toml`; relative paths in it begin at `directory`.
    ///
    /// # Errors
    /// Every mistake in it or in the node file.
    pub fn parse(source: &str, directory: &Path, now: SystemTime) -> Result<Self, ConfigError> {
        Self::read(source, "relay.toml", directory.join("relay.toml"), now)
    }

    fn read(source: &str, name: &str, file: PathBuf, now: SystemTime) -> Result<Self, ConfigError> {
        let directory = file.parent().unwrap_or(Path::new("/"));
        let (typed, node_file) = file::parse(source);
        // The node file is looked at even if this file is wrong: all mistakes at once.
        let node_file = node_file.map(|path| directory.join(path));
        let node = node_file.as_deref().map(|path| read_node(path, now));
        let mut mistakes = Vec::new();
        if let Err(problems) = &typed {
            mistakes.extend(
                problems
                    .0
                    .iter()
                    .map(|problem| format!("{name}: {problem}")),
            );
        }
        if let Some(Err(ConfigError(found))) = &node {
            mistakes.extend_from_slice(found);
        }
        match (typed, node_file, node) {
            (Ok(typed), Some(node_file), Some(Ok((node, identity)))) => {
                Ok(typed.resolve(file, node_file, node, identity))
            }
            _ => Err(ConfigError(mistakes)),
        }
    }

    /// The first bar that an address falls under.
    pub fn bar_for(&self, address: IpAddr) -> Option<&Bar> {
        let address = address.to_canonical();
        self.bars.iter().find(|bar| bar.range.contains(&address))
    }
}

fn read_node(path: &Path, now: SystemTime) -> Result<(NodeFile, Identity), ConfigError> {
    let in_file = |message: &dyn Display| format!("{}: {message}", path.display());
    let source =
        std::fs::read_to_string(path).map_err(|error| ConfigError(vec![in_file(&error)]))?;
    check_node(&source, now).map_err(|problems| {
        ConfigError(problems.0.iter().map(|problem| in_file(problem)).collect())
    })
}

/// Checks the text of a node file: what is written in it, and that it makes a board.
///
/// # Errors
/// Every mistake, with line and key path.
pub fn check_node(source: &str, now: SystemTime) -> Result<(NodeFile, Identity), Problems> {
    let node = NodeFile::parse(source)?;
    match identity::check(&node, now) {
        Ok(identity) => Ok((node, identity)),
        Err(mistakes) => {
            let problems = mistakes.iter().map(|mistake| place(source, mistake));
            Err(Problems(problems.collect()))
        }
    }
}

/// Finds the line of a mistake that begins with its key path.
fn place(source: &str, mistake: &str) -> Problem {
    let (path, message) = mistake.split_once(": ").unwrap_or(("", mistake));
    let key = path.rsplit('.').next().unwrap_or_default();
    let names_key = |line: &str| {
        let rest = line.trim_start().strip_prefix(key).map(str::trim_start);
        rest.is_some_and(|rest| rest.starts_with('='))
    };
    Problem {
        line: source.lines().position(names_key).unwrap_or(0) + 1,
        path: path.to_owned(),
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests;
