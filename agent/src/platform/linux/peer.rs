//! Which process holds the other end of a loopback connection (proc(5)).
//!
//! A loopback listener is open to every user of the PC. The kernel knows who holds each
//! socket: /proc/net/tcp has its inode and user, /proc/PID/fd has who holds the inode.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use tokio::net::TcpStream;

use crate::platform::Allowed;

/// Whether the process at the other end of an accepted connection may use it.
/// `stream` is the accepted end. Reads a few files under /proc and does not wait.
pub fn is_peer_allowed(stream: &TcpStream, allowed: Allowed) -> io::Result<bool> {
    let (ours, theirs) = (stream.local_addr()?, stream.peer_addr()?);
    let Some(socket) = find_socket(theirs, ours)? else {
        return Ok(false);
    };
    match allowed {
        Allowed::SameUser => Ok(socket.user == nix::unistd::geteuid().as_raw()),
        Allowed::ProcessTree(root) => {
            let processes = descendants(root)?;
            Ok(processes
                .iter()
                .any(|process| holds(*process, socket.inode)))
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Socket {
    user: u32,
    inode: u64,
}

fn find_socket(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<Socket>> {
    let (IpAddr::V4(_), Some(local), Some(remote)) = (local.ip(), encode(local), encode(remote))
    else {
        return Ok(None);
    };
    let table = std::fs::read_to_string("/proc/net/tcp")?;
    Ok(table
        .lines()
        .find_map(|line| read_line(line, &local, &remote)))
}

/// Fields: number, local, remote, state, queues, timer, retransmits, user, timeout, inode.
/// Any state will do: a program may have shut its writing side by the time we look.
fn read_line(line: &str, local: &str, remote: &str) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let ends = (fields.next()?, fields.next()?);
    if ends != (local, remote) {
        return None;
    }
    let user = fields.nth(4)?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    // A socket that nobody holds any more has no inode.
    (inode != 0).then_some(Socket { user, inode })
}

/// An address as /proc/net/tcp prints it: the bytes as one number of this CPU, in hexadecimal.
fn encode(address: SocketAddr) -> Option<String> {
    match address {
        SocketAddr::V4(address) => {
            let ip = u32::from_ne_bytes(address.ip().octets());
            Some(format!("{ip:08X}:{:04X}", address.port()))
        }
        SocketAddr::V6(_) => None,
    }
}

/// The process and all that come from it, as far as their parents still live.
fn descendants(root: u32) -> io::Result<Vec<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let process = name.to_str().and_then(|name| name.parse().ok());
        // Processes end while we look; those are of no interest.
        let parent = process.and_then(parent_of);
        if let (Some(process), Some(parent)) = (process, parent) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(process) = found.get(next) {
        found.extend(children.remove(process).unwrap_or_default());
        next += 1;
    }
    Ok(found)
}

/// Fourth field of /proc/PID/stat; the second is a name in brackets that may hold anything.
fn parent_of(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn holds(process: u32, inode: u64) -> bool {
    let wanted = OsString::from(format!("socket:[{inode}]"));
    let Ok(entries) = std::fs::read_dir(format!("/proc/{process}/fd")) else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| std::fs::read_link(entry.path()).is_ok_and(|link| link == Path::new(&wanted)))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn own_connection_is_allowed_by_process_and_by_user() {
        let listener = TcpListener::bind("127.9.8.7:0").await.expect("binds");
        let address = listener.local_addr().expect("is bound");
        let _client = TcpStream::connect(address).await.expect("connects");
        let (accepted, _) = listener.accept().await.expect("accepts");

        let me = std::process::id();
        assert!(is_peer_allowed(&accepted, Allowed::ProcessTree(me)).expect("looks"));
        assert!(is_peer_allowed(&accepted, Allowed::SameUser).expect("looks"));
    }

    #[tokio::test]
    async fn only_the_tree_of_the_given_process_is_allowed() {
        let listener = TcpListener::bind("127.9.8.7:0").await.expect("binds");
        let port = listener.local_addr().expect("is bound").port();
        let script =
            format!("exec 3<>/dev/tcp/127.9.8.7/{port}; (read -r line <&3); read -r line <&3");
        let mut caller = Command::new("bash")
            .args(["-c", &script])
            .stdin(Stdio::null())
            .spawn()
            .expect("bash runs");
        let mut stranger = Command::new("bash")
            .args(["-c", "read -r line"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("bash runs");
        let (accepted, _) = listener.accept().await.expect("accepts");

        let allowed = |root| is_peer_allowed(&accepted, Allowed::ProcessTree(root)).expect("looks");
        assert!(allowed(caller.id()));
        assert!(allowed(std::process::id()), "we are the caller's parent");
        assert!(!allowed(stranger.id()));

        caller.kill().expect("is killed");
        caller.wait().expect("ends");
        assert!(
            !allowed(std::process::id()),
            "nobody holds the socket any more"
        );
        drop(stranger.stdin.take());
        stranger.wait().expect("ends");
    }

    #[test]
    fn line_of_this_connection_in_any_state_matches_and_no_other() {
        let line = "  12: 0708097F:D2F0 0708097F:0D3D 01 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 20 4 30 10 -1";
        let (local, remote) = ("0708097F:D2F0", "0708097F:0D3D");

        let found = Some(Socket {
            user: 1000,
            inode: 4711,
        });
        assert_eq!(read_line(line, local, remote), found);
        let half_shut = line.replace(" 01 ", " 05 ");
        assert_eq!(read_line(&half_shut, local, remote), found);
        assert_eq!(read_line(line, remote, local), None);
        assert_eq!(read_line(&line.replace("4711", "0"), local, remote), None);
        assert_eq!(read_line("", local, remote), None);
    }

    #[test]
    fn addresses_are_printed_as_the_kernel_does() {
        let address = "127.9.8.7:3389".parse().expect("is an address");

        let expected = if cfg!(target_endian = "little") {
            "0708097F"
        } else {
            "7F090807"
        };
        assert_eq!(encode(address), Some(format!("{expected}:0D3D")));
    }
}
