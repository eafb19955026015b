//! Which process holds the other end of a loopback connection.
//!
//! A loopback listener is open to every user of the PC. Windows knows which process holds
//! each connection, what started it, and who runs it.

use std::io;
use std::net::SocketAddr;

use agent_windows::{process, tcp};
use tokio::net::TcpStream;

use super::descent::comes_from;
use crate::platform::Allowed;

/// Whether the process at the other end of an accepted connection may use it.
/// `stream` is the accepted end. Asks Windows and does not wait.
pub fn is_peer_allowed(stream: &TcpStream, allowed: Allowed) -> io::Result<bool> {
    let (SocketAddr::V4(ours), SocketAddr::V4(theirs)) =
        (stream.local_addr()?, stream.peer_addr()?)
    else {
        return Ok(false);
    };
    let Some(owner) = tcp::owner(theirs, ours)? else {
        return Ok(false);
    };
    match allowed {
        Allowed::SameUser => Ok(process::user(owner)? == process::user(std::process::id())?),
        Allowed::ProcessTree(root) => comes_from(owner, root),
    }
}
