//! Changes of links, addresses and routes, told by the kernel (rtnetlink(7)), and its waking up.
//!
//! A PC that wakes up shows no new address where its network is as before, but the relay has given
//! its link up. The kernel sets its clock then, and tells who waits for that (timerfd_create(2),
//! TFD_TIMER_CANCEL_ON_SET); so it does when a clock that was wrong is set right.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::read;
use tokio::io::unix::AsyncFd;

use crate::platform::burst::{Burst, settle};

/// RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE,
/// from linux/rtnetlink.h.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// A time that does not come, in seconds since 1970.
const NEVER: i64 = 1 << 40;

/// Tells when the network has changed.
#[derive(Debug)]
pub struct NetworkChanges {
    netlink: AsyncFd<OwnedFd>,
    clock: AsyncFd<OwnedFd>,
    /// What is known of the burst that is going on.
    burst: Option<Burst>,
}

impl NetworkChanges {
    /// Starts watching.
    pub fn watch() -> io::Result<Self> {
        let netlink = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkRoute,
        )?;
        bind(netlink.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
        Ok(Self {
            netlink: watched(netlink)?,
            clock: clock()?,
            burst: None,
        })
    }

    /// Waits for the next change; a burst of messages is one change. Cancel safe.
    pub async fn changed(&mut self) -> io::Result<()> {
        let (netlink, clock) = (&self.netlink, &self.clock);
        settle(&mut self.burst, || async {
            tokio::select! {
                told = message(netlink) => told,
                set = clock_set(clock) => set,
            }
        })
        .await
    }
}

/// A timer that never runs out, but is told when somebody sets the clock.
fn clock() -> io::Result<AsyncFd<OwnedFd>> {
    let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
    let timer = TimerFd::new(ClockId::CLOCK_REALTIME, flags)?;
    timer.set(
        Expiration::OneShot(TimeSpec::new(NEVER, 0)),
        TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET,
    )?;
    watched(timer.into())
}

fn watched(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "its successor is unsafe; an `OwnedFd` stays open as long as its owner"
    )]
    AsyncFd::new(fd)
}

/// Waits until somebody sets the clock.
async fn clock_set(clock: &AsyncFd<OwnedFd>) -> io::Result<()> {
    loop {
        let mut ready = clock.readable().await?;
        let set = ready.try_io(|clock| match read(clock, &mut [0; 8]) {
            Ok(_) | Err(Errno::ECANCELED) => Ok(()),
            Err(error) => Err(error.into()),
        });
        match set {
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(result) => return result,
            Err(_would_block) => {}
        }
    }
}

/// Waits for a message. What it says does not matter: names are resolved anew anyway.
async fn message(netlink: &AsyncFd<OwnedFd>) -> io::Result<()> {
    loop {
        let mut ready = netlink.readable().await?;
        let received = ready.try_io(|netlink| {
            match recv(netlink.as_raw_fd(), &mut [0; 4096], MsgFlags::MSG_TRUNC) {
                // ENOBUFS: more messages than the socket holds, so certainly a change.
                Ok(_) | Err(Errno::ENOBUFS) => Ok(()),
                Err(error) => Err(error.into()),
            }
        });
        match received {
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(result) => return result,
            Err(_would_block) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::platform::burst::BURST_MAX;

    #[tokio::test]
    #[ignore = "needs the right to set the clock, which it sets to what it shows"]
    async fn clock_that_is_set_is_told() {
        let mut changes = NetworkChanges::watch().expect("watches");

        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME).expect("is read");
        nix::time::clock_settime(nix::time::ClockId::CLOCK_REALTIME, now).expect("is set");

        let told = tokio::time::timeout(BURST_MAX * 2, changes.changed()).await;
        told.expect("is told").expect("changes");
    }

    #[tokio::test]
    #[ignore = "needs the right to change addresses of the loopback interface"]
    async fn new_address_is_told() {
        let mut changes = NetworkChanges::watch().expect("watches");
        let ip = |verb| {
            let arguments = ["address", verb, "127.99.98.97/32", "dev", "lo"];
            Command::new("ip")
                .args(arguments)
                .status()
                .expect("ip runs")
        };

        assert!(ip("add").success());
        let told = tokio::time::timeout(BURST_MAX * 2, changes.changed()).await;
        assert!(ip("del").success());

        told.expect("is told").expect("changes");
    }
}
