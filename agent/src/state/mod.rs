//! What an agent keeps on disk: identity, claim, board list, pins, tags, history.
//!
//! Every write is atomic (new file, fsync, rename), secrets are 0600, directories 0700.
//! A damaged file that matters is an error which names it and says what to do; it is never
//! replaced silently. Caches (board list, tags, history) are dropped with a warning.
//! One state directory belongs to one deployment.

mod client;
mod host;
mod identity;

use std::path::{Path, PathBuf};

pub use client::{ClientState, Visit};
pub use host::{HostState, RunLock, TagKeys};
pub use identity::Identity;

/// The state on disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("cannot {action} {path}")]
    Io {
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path} is damaged: {reason}")]
    Damaged { path: PathBuf, reason: String },
    #[error("another program already runs with {path}")]
    InUse { path: PathBuf },
    #[error("{path} belongs to another deployment, \"{name}\"")]
    OtherDeployment { path: PathBuf, name: String },
    #[error("the entry file is older than the one in {path}")]
    OldEntry { path: PathBuf },
    #[error("entry file has mistakes:\n{0}")]
    BadEntry(protocol::file::reader::Problems),
}

/// The root of an agent's state.
#[derive(Debug, Clone)]
pub struct StateDir {
    root: PathBuf,
}

impl StateDir {
    /// Opens the given root or the default one, making it if needed.
    pub fn open(root: Option<&Path>) -> Result<Self, StateError> {
        let root = root.map_or_else(Self::default_root, Path::to_owned);
        Ok(Self { root })
    }

    /// /var/lib/tasuki as root, else $XDG_STATE_HOME/tasuki or ~/.local/state/tasuki.
    pub fn default_root() -> PathBuf {
        unimplemented!()
    }

    /// The root itself; `host.toml` and `client.toml` lie here unless said otherwise.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The host's part, DIR/host.
    pub fn host(&self) -> Result<HostState, StateError> {
        unimplemented!()
    }

    /// The client's part, DIR/client.
    pub fn client(&self) -> Result<ClientState, StateError> {
        unimplemented!()
    }
}
