//! `host.toml` and `client.toml`: what was typed becomes what it means, all mistakes at once.
//!
//! A file that is not there means defaults. Secrets stand in files of their own, named by
//! a path that may be relative to the configuration file.

mod address_rule;
mod client;
mod endpoint;
mod host;
mod proxy;

use std::path::{Path, PathBuf};

pub use address_rule::{AddressRule, AddressRules, Verdict};
pub use client::ClientConfig;
pub use endpoint::{Endpoint, EndpointError};
pub use host::{HostConfig, LogConfig, Program, Target};
use protocol::file::reader::{Problems, Table, read};
pub(crate) use proxy::is_plain;
pub use proxy::{Login, Password, Proxy, ProxyServer};

/// A configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path} has mistakes:\n{problems}")]
    Mistakes { path: PathBuf, problems: Problems },
}

impl ConfigError {
    /// What was found in the file at `path`.
    pub(crate) fn of(path: &Path) -> impl FnOnce(Problems) -> Self {
        let path = path.to_owned();
        move |problems| Self::Mistakes { path, problems }
    }
}

/// Reads the file at `path`, or nothing at all if there is no such file.
/// `take` also gets the folder that relative paths begin at.
fn load<T>(
    path: &Path,
    take: impl FnOnce(&mut Table<'_>, &Path) -> Option<T>,
) -> Result<T, ConfigError> {
    let source = match std::fs::read_to_string(path) {
        Ok(source) => source,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => {
            let path = path.to_owned();
            return Err(ConfigError::Read { path, source });
        }
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    read(&source, |top| take(top, folder)).map_err(ConfigError::of(path))
}

/// What an HTTP proxy gets to see if nothing else is said.
pub(crate) const USER_AGENT: &str = concat!("tasuki/", env!("CARGO_PKG_VERSION"));

/// It becomes a header, so it stays printable ASCII.
pub(crate) fn is_user_agent(text: &str) -> bool {
    let is_printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    (1..=200).contains(&text.len()) && text.bytes().all(is_printable)
}

/// `user_agent`.
fn take_user_agent(top: &mut Table<'_>) -> String {
    let user_agent: String = top
        .optional("user_agent")
        .unwrap_or_else(|| USER_AGENT.to_owned());
    if !is_user_agent(&user_agent) {
        top.reject("user_agent", "must be 1 to 200 printable ASCII characters");
    }
    user_agent
}
