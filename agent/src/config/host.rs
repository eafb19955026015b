//! `host.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use protocol::text::Text;

use super::{AddressRules, ConfigError, Proxy};

/// What an administrator can set at a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    /// The desktop service.
    pub target: SocketAddr,
    pub address_rules: AddressRules,
    pub proxy: Proxy,
    /// Sent to an HTTP proxy.
    pub user_agent: String,
    /// From the management, for the user (A16).
    pub message: Text<1000>,
    pub log: LogConfig,
    /// Sessions at once.
    pub max_sessions: u16,
}

/// Where logs go beside the terminal or the journal (A13).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogConfig {
    /// Daily files.
    pub directory: Option<PathBuf>,
    /// `host:port` of a syslog server (UDP).
    pub syslog: Option<String>,
}

impl HostConfig {
    /// Reads the file; one that is not there means defaults.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let _ = super::read_file(path)?;
        unimplemented!()
    }
}
