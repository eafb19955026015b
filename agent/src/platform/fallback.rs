//! An operating system of which nothing is known: it compiles, and promises little.
//!
//! Changes of the network are not noticed, loopback listeners let nobody in, and files
//! get the default rights.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::Allowed;

/// Never tells anything.
#[derive(Debug)]
pub struct NetworkChanges;

impl NetworkChanges {
    /// Starts watching.
    pub fn watch() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for ever.
    pub async fn changed(&mut self) -> io::Result<()> {
        std::future::pending().await
    }
}

/// Refuses everybody, because the owner of a socket cannot be known.
pub fn is_peer_allowed(_stream: &TcpStream, _allowed: Allowed) -> io::Result<bool> {
    Ok(false)
}

pub(crate) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(30));
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

pub(crate) fn host_name() -> Option<String> {
    None
}

pub(crate) fn state_root() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join("tasuki"))
}

pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

pub(crate) fn open_public(path: &Path) -> io::Result<File> {
    open_private(path)
}

pub(crate) fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}
