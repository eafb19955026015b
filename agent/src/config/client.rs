//! `client.toml`.

use std::path::Path;

use protocol::file::reader::Table;

use super::{ConfigError, Proxy, proxy};
use crate::platform;

/// What a user can set at home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    pub proxy: Proxy,
    /// Sent to an HTTP proxy.
    pub user_agent: String,
    /// The RDP program; `xfreerdp` or `mstsc` if nothing else is said.
    pub viewer: String,
    /// Put before the arguments from the command line.
    pub viewer_arguments: Vec<String>,
    /// Look for newer versions, and tell of them (A21).
    pub updates: bool,
}

impl ClientConfig {
    /// Reads the file; one that is not there means defaults.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        super::load(path, |top, folder| Some(take(top, folder)))
    }
}

fn take(top: &mut Table<'_>, folder: &Path) -> ClientConfig {
    let proxy = proxy::take(top, folder);
    let user_agent = super::take_user_agent(top);
    let viewer: String = top
        .optional("viewer")
        .unwrap_or_else(|| platform::VIEWER.to_owned());
    if viewer.is_empty() {
        top.reject("viewer", "must name a program");
    }
    let viewer_arguments = top.optional("viewer_arguments").unwrap_or_default();
    let updates = top.optional("updates").unwrap_or(true);
    ClientConfig {
        proxy,
        user_agent,
        viewer,
        viewer_arguments,
        updates,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_means_defaults() {
        let config = ClientConfig::load(Path::new("/nonexistent/client.toml")).expect("defaults");

        assert_eq!(config.viewer, platform::VIEWER);
        assert!(config.viewer_arguments.is_empty());
        assert!(config.updates);
    }

    #[test]
    fn reads_every_key_and_refuses_others() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("client.toml");
        let source = "viewer = \"/usr/bin/wlfreerdp\"\nviewer_arguments = [\"/f\"]\n\
                      updates = false\n\
                      [proxy]\nkind = \"socks5\"\naddress = \"127.0.0.1:1080\"\n";
        std::fs::write(&path, source).expect("is written");

        let config = ClientConfig::load(&path).expect("is right");

        assert_eq!(config.viewer_arguments, ["/f"]);
        assert!(!config.updates);
        assert!(matches!(config.proxy, Proxy::Socks5(_)));

        std::fs::write(&path, "target = \"127.0.0.1:1\"\n").expect("is written");
        assert!(ClientConfig::load(&path).is_err());
    }
}
