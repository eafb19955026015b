//! Changes of links, addresses and routes, told by the kernel (rtnetlink(7)).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::unix::AsyncFd;

use crate::platform::burst::{Burst, settle};

/// RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE,
/// from linux/rtnetlink.h.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// Tells when the network has changed.
#[derive(Debug)]
pub struct NetworkChanges {
    netlink: AsyncFd<OwnedFd>,
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
        #[expect(
            deprecated,
            reason = "its successor is unsafe; an `OwnedFd` stays open as long as its owner"
        )]
        let netlink = AsyncFd::new(netlink)?;
        let burst = None;
        Ok(Self { netlink, burst })
    }

    /// Waits for the next change; a burst of messages is one change. Cancel safe.
    pub async fn changed(&mut self) -> io::Result<()> {
        let netlink = &self.netlink;
        settle(&mut self.burst, || message(netlink)).await
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
