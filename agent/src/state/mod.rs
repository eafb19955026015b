//! What an agent keeps on disk: identity, claim, board list, pins, tags, history.
//!
//! Every write is atomic, secrets are 0600 in folders of 0700 ([`folder`]). A damaged file
//! that matters is an error which names it; it is never replaced silently. Caches (board
//! list, announcement, tags, history) are dropped with a warning. One state directory belongs to one
//! deployment: what is pinned in one must not be believed in another.

pub(crate) mod announcement_cache;
pub(crate) mod board_list_cache;
mod client;
mod entry;
pub(crate) mod folder;
mod host;
mod identity;
mod rdp_file;
mod sealed;
mod viewer;

use std::path::{Path, PathBuf};

pub use client::{ClientState, Visit};
pub(crate) use entry::beside_executable as entry_beside_executable;
use folder::{Access, Folder};
pub use host::{HostState, RunLock, TagKeys};
pub use identity::Identity;
use protocol::file::reader::Problems;

pub(crate) use rdp_file::Setting;
pub use viewer::{Changed, ViewerSettings};

use crate::platform;

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
    /// Another process runs with this state, or hangs while writing to it.
    #[error("another program uses {path}")]
    InUse { path: PathBuf },
    #[error("{path} belongs to another deployment, '{name}'")]
    OtherDeployment { path: PathBuf, name: String },
    #[error("entry file of generation {offered} is older than the one in use, {kept}")]
    OldEntry { offered: u64, kept: u64 },
    #[error("entry file has mistakes:\n{0}")]
    BadEntry(Problems),
    #[error("neither a home folder nor a state folder is known")]
    NoHome,
}

/// The root of an agent's state.
#[derive(Debug, Clone)]
pub struct StateDir {
    root: PathBuf,
}

impl StateDir {
    /// Opens the given root, or the default one of this platform. Makes nothing yet.
    pub fn open(root: Option<&Path>) -> Result<Self, StateError> {
        let root = match root {
            Some(root) => root.to_owned(),
            None => platform::state_root().ok_or(StateError::NoHome)?,
        };
        Ok(Self { root })
    }

    /// The root itself; `host.toml` and `client.toml` lie here unless said otherwise.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Replaces a settings file in the root by what `change` makes of it; one that is not there is
    /// empty. A secret that the new one names is written before it.
    pub(crate) fn rewrite<E: From<StateError>>(
        &self,
        name: &str,
        secret: Option<(&str, &str)>,
        change: impl FnOnce(&str) -> Result<String, E>,
    ) -> Result<(), E> {
        let folder = Folder::open(self.root.clone())?;
        let writer = folder.writer()?;
        if let Some((name, secret)) = secret {
            writer.write(name, secret.as_bytes(), Access::Owner)?;
        }
        let source = folder.read_text(name)?;
        let source = source.as_ref().map_or("", |source| source.as_str());
        let text = change(source)?;
        if text != source {
            writer.write(name, text.as_bytes(), Access::Owner)?;
        }
        Ok(())
    }

    /// DIR/host, by which a running host is found.
    pub fn host_folder(&self) -> PathBuf {
        self.root.join("host")
    }

    /// The host's part, DIR/host.
    pub fn host(&self) -> Result<HostState, StateError> {
        Folder::open(self.host_folder()).map(HostState::new)
    }

    /// The client's part, DIR/client.
    pub fn client(&self) -> Result<ClientState, StateError> {
        Folder::open(self.root.join("client")).map(ClientState::new)
    }
}
