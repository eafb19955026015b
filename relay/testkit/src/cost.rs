//! What a relay costs the machine that it runs on.

use std::process::Command;
use std::time::Duration;

use crate::relay::Relay;

/// Ticks a second in `/proc` (`sysconf(3)`, `_SC_CLK_TCK`): the same on every Linux that we run on.
const TICKS: u64 = 100;

impl Relay {
    /// CPU time that its threads have used, in their own code and in the kernel for them
    /// (`proc_pid_stat(5)`, `utime` and `stime`).
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // The name is in parentheses and may hold anything.
        let (_, behind_name) = stat.rsplit_once(") ").unwrap();
        let fields = behind_name.split(' ').skip(11).take(2);
        let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 1_000 / TICKS)
    }

    /// Kernel memory in the buffers of its agents' sockets, in bytes (`ss(8)`, `skmem`). Sockets
    /// that nobody has accepted yet are among them, and those that are closed but not done.
    pub fn socket_memory(&self) -> u64 {
        let port = format!(":{}", self.place().address.port());
        let sockets = Command::new("ss")
            .args(["-tmnHO", "state", "connected", "sport", "=", &port])
            .output()
            .unwrap();
        assert!(sockets.status.success());
        let text = String::from_utf8(sockets.stdout).unwrap();
        text.lines().filter_map(skmem).sum()
    }
}

/// What one socket holds: received and unread, queued for sending and not yet acknowledged, and
/// waiting for the socket's lock. What is on its way out (`t`) is part of the second; what the
/// kernel has set aside (`f`) is a permission and no memory.
fn skmem(line: &str) -> Option<u64> {
    let (_, fields) = line.split_once("skmem:(")?;
    let (fields, _) = fields.split_once(')')?;
    let value = |field: &str, name: &str| field.strip_prefix(name)?.parse::<u64>().ok();
    let held = fields.split(',').filter_map(|field| {
        ["r", "w", "bl"]
            .into_iter()
            .find_map(|name| value(field, name))
    });
    Some(held.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_holds_what_is_not_a_limit() {
        let line = "ESTAB 0 0 a b skmem:(r1,rb1000,t20,tb2000,f300,w4000,o5,bl6,d7)";

        assert_eq!(skmem(line), Some(4_007));
        assert_eq!(skmem("ESTAB 0 0 a b"), None);
    }
}
