//! Changes of links, addresses and routes, told by the kernel (rtnetlink(7)).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, timeout_at};

/// RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE,
/// from linux/rtnetlink.h.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
/// Joining a wireless network sends dozens of messages; they are one change once this
/// long has passed without another.
const QUIET: Duration = Duration::from_millis(500);
/// A network that never comes to rest is told of all the same.
const BURST_MAX: Duration = Duration::from_secs(3);

/// Tells when the network has changed.
#[derive(Debug)]
pub struct NetworkChanges {
    netlink: AsyncFd<OwnedFd>,
    /// A burst being waited out: its last message came before `quiet`, it ends by `end`.
    burst: Option<Burst>,
}

#[derive(Debug, Clone, Copy)]
struct Burst {
    quiet: Instant,
    end: Instant,
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

/// Waits until a burst of messages has begun and ended. What is known of it stays in `burst`,
/// so that a caller who gives up and comes back loses nothing.
async fn settle<M: Future<Output = io::Result<()>>>(
    burst: &mut Option<Burst>,
    next_message: impl Fn() -> M,
) -> io::Result<()> {
    if burst.is_none() {
        next_message().await?;
        let now = Instant::now();
        *burst = Some(Burst {
            quiet: now + QUIET,
            end: now + BURST_MAX,
        });
    }
    while let Some(now) = *burst {
        match timeout_at(now.quiet.min(now.end), next_message()).await {
            Ok(result) => {
                result?;
                let quiet = Instant::now() + QUIET;
                *burst = Some(Burst { quiet, ..now });
            }
            Err(_elapsed) => *burst = None,
        }
    }
    Ok(())
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

    use tokio::time::sleep;

    use super::*;

    /// A network that sends a message every 100 ms for as long as told, then none.
    async fn messages(start: Instant, lasting: Duration) -> io::Result<()> {
        sleep(Duration::from_millis(100)).await;
        if start.elapsed() > lasting {
            std::future::pending().await
        }
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn burst_is_one_change_once_it_is_over() {
        let (start, lasting) = (Instant::now(), Duration::from_secs(1));
        let mut burst = None;

        settle(&mut burst, || messages(start, lasting))
            .await
            .expect("changes");

        let told = start.elapsed();
        assert!(
            told >= lasting + QUIET && told <= lasting + QUIET * 2,
            "told after {told:?}"
        );
        let again = settle(&mut burst, || messages(start, lasting));
        assert!(
            tokio::time::timeout(BURST_MAX, again).await.is_err(),
            "told of one burst twice"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn network_without_rest_is_told_of_all_the_same() {
        let start = Instant::now();

        let settled = settle(&mut None, || messages(start, Duration::MAX)).await;

        settled.expect("changes");
        let told = start.elapsed();
        assert!(
            told >= BURST_MAX && told <= BURST_MAX + QUIET,
            "told after {told:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn burst_begun_before_a_cancelled_wait_is_not_lost() {
        let (start, lasting) = (Instant::now(), Duration::from_millis(150));
        let mut burst = None;
        let first = settle(&mut burst, || messages(start, lasting));
        assert!(
            tokio::time::timeout(Duration::from_millis(200), first)
                .await
                .is_err()
        );

        let second = settle(&mut burst, || messages(start, lasting));

        let told = tokio::time::timeout(BURST_MAX, second).await;
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
