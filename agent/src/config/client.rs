//! `client.toml`.

use std::path::Path;

use super::{ConfigError, Proxy};

/// What a user can set at home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    pub proxy: Proxy,
    /// Sent to an HTTP proxy.
    pub user_agent: String,
    /// The RDP program; `xfreerdp` if nothing else is said.
    pub viewer: String,
    /// Put before the arguments from the command line.
    pub viewer_arguments: Vec<String>,
}

impl ClientConfig {
    /// Reads the file; one that is not there means defaults.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let _ = super::read_file(path)?;
        unimplemented!()
    }
}
