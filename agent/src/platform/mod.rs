//! The operating system behind functions that mean the same everywhere.
//!
//! A platform supplies: `NetworkChanges` (tells when addresses, links or routes change),
//! `is_peer_allowed` (who holds the other end of a loopback connection), `host_name`, and
//! `tune` (dead peers are noticed). No other module of this crate names an operating system.

mod loopback;

use std::io;
use std::net::SocketAddr;

pub use loopback::bind_loopback;
use protocol::id::ComputerId;
use tokio::net::TcpStream;

/// Tells when the network has changed.
#[derive(Debug)]
pub struct NetworkChanges;

impl NetworkChanges {
    /// Starts listening.
    pub fn watch() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for the next change; a burst of changes is one. Cancel safe.
    pub async fn changed(&mut self) {
        std::future::pending().await
    }
}

/// Who may use a loopback listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// The process with this ID and its descendants.
    ProcessTree(u32),
    /// Every process of the user who runs this program.
    SameUser,
}

/// Whether the process at the other end of an accepted loopback connection may use it.
/// `stream` is the accepted end.
pub fn is_peer_allowed(stream: &TcpStream, allowed: Allowed) -> io::Result<bool> {
    let _ = (stream, allowed);
    unimplemented!()
}

/// A readable computer ID to propose: the beginning of the host's name and six random digits.
pub fn propose_computer_id() -> ComputerId {
    unimplemented!()
}

/// Makes a connection notice a dead peer, and send small writes at once.
pub(crate) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)
}

#[expect(dead_code, reason = "skeleton")]
fn address_of(stream: &TcpStream) -> io::Result<SocketAddr> {
    stream.peer_addr()
}
