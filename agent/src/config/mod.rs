//! `host.toml` and `client.toml`: what was typed becomes what it means, all mistakes at once.
//!
//! A file that is not there means defaults. Secrets stand in files of their own.

mod address_rule;
mod client;
mod host;
mod proxy;

use std::path::{Path, PathBuf};

pub use address_rule::{AddressRule, AddressRules, Verdict};
pub use client::ClientConfig;
pub use host::{HostConfig, LogConfig};
use protocol::file::reader::Problems;
pub use proxy::{Password, Proxy, ProxyServer};

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

/// The file's text; `None` if there is no file.
fn read_file(path: &Path) -> Result<Option<String>, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(source) => Ok(Some(source)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfigError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}
