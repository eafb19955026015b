//! What systemd is told (`sd_notify(3)`).
//!
//! The socket is made once: a relay that is out of descriptors must still be able to say that it
//! lives, or systemd would kill it and every session with it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};

use sd_notify::NotifyState;
use tracing::{info, warn};

/// The way to systemd, if it started us.
#[derive(Debug, Default)]
pub struct Systemd {
    way: Option<(UnixDatagram, SocketAddr)>,
    /// The last message did not arrive.
    deaf: AtomicBool,
}

impl Systemd {
    /// Finds systemd by `$NOTIFY_SOCKET`.
    ///
    /// # Errors
    /// The variable names no socket, or there is no descriptor for ours.
    pub fn find() -> io::Result<Self> {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else {
            return Ok(Self::default());
        };
        let socket = UnixDatagram::unbound()?;
        // A message that cannot be sent now is old news a moment later.
        socket.set_nonblocking(true)?;
        Ok(Self {
            way: Some((socket, address(&name)?)),
            deaf: AtomicBool::new(false),
        })
    }

    /// Tells it, in one message. The log hears of a systemd that does not listen once, until it
    /// listens again: messages go out every few seconds.
    pub fn tell(&self, states: &[NotifyState<'_>]) {
        let Some((socket, address)) = &self.way else {
            return;
        };
        let mut message = String::new();
        for state in states {
            writeln!(message, "{state}").expect("a string takes everything");
        }
        // By address each time: a systemd that was restarted listens on another socket.
        let sent = socket.send_to_addr(message.as_bytes(), address);
        let was_deaf = self.deaf.swap(sent.is_err(), Ordering::Relaxed);
        match sent {
            Err(error) if !was_deaf => warn!(%error, "Cannot tell systemd"),
            Ok(_) if was_deaf => info!("systemd listens again"),
            _ => {}
        }
    }
}

/// A path, or the name of an abstract socket behind an "@".
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    }
}
