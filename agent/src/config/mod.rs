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
    read(&source, |top| take(top, folder)).map_err(|problems| ConfigError::Mistakes {
        path: path.to_owned(),
        problems,
    })
}

/// `user_agent`: what an HTTP proxy gets to see. It becomes a header, so it stays printable ASCII.
fn take_user_agent(top: &mut Table<'_>) -> String {
    let user_agent: String = top
        .optional("user_agent")
        .unwrap_or_else(|| concat!("tasuki/", env!("CARGO_PKG_VERSION")).to_owned());
    let printable = user_agent
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if user_agent.is_empty() || user_agent.len() > 200 || !printable {
        top.reject("user_agent", "must be 1 to 200 printable ASCII characters");
    }
    user_agent
}
