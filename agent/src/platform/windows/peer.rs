//! Which process holds the other end of a loopback connection.
//!
//! A loopback listener is open to every user of the PC. Windows knows which process holds
//! each connection, what started it, and who runs it.

use std::io;
use std::net::SocketAddr;

use agent_windows::{process, tcp};
use tokio::net::TcpStream;

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

/// Whether `process` is `root` or was started by it, by one that it has started, and so on.
fn comes_from(process: u32, root: u32) -> io::Result<bool> {
    let all = process::all()?;
    let mut at = process;
    // Each step goes to an older process, so it ends; the number bounds it all the same.
    for _ in 0..all.len() {
        if at == root {
            return Ok(true);
        }
        let find = |id| all.iter().find(|other| other.id == id);
        let Some(parent) = find(at).and_then(|found| find(found.parent)) else {
            // What started it has ended.
            return Ok(false);
        };
        // A younger "parent" has been given the number of one that has ended.
        if process::began(parent.id)? > process::began(at)? {
            return Ok(false);
        }
        at = parent.id;
    }
    Ok(false)
}
