//! Limits by range of IPv6 addresses. A stranger gets a /64 for nothing and a /48 for little, so
//! addresses of one count together.
//!
//! In a network of the test's own, where all of 2001:db8::/32 is on loopback (`ip-route(8)`, local
//! routes).

use std::io::Read;
use std::net::{Ipv6Addr, TcpStream};
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use protocol::refusal::RefusalCode;
use relay_testkit::{Host, Place, Relay, connect, session, until};
use tasuki_relay::limits;
use tokio::time::sleep;

use crate::attack::{Failures, gained};
use crate::fault::is_root;
use crate::ticket::guess;

/// Runs a test in a network of its own, with a relay that listens on IPv6.
fn in_a_network<F: Future<Output = ()>>(more: &str, test: impl FnOnce(Relay) -> F + Send) {
    if !is_root() {
        return;
    }
    let body = || {
        // Of this thread and what it starts; the network vanishes with them.
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        for words in ["link set lo up", "-6 route add local 2001:db8::/32 dev lo"] {
            let status = Command::new("ip").args(words.split(' ')).status();
            assert!(status.unwrap().success());
        }
        std::fs::write("/proc/sys/net/ipv6/ip_nonlocal_bind", "1").unwrap();
        let site = crate::site(more);
        let config = std::fs::read_to_string(site.path("relay.toml")).unwrap();
        let there = config.replace("[\"127.0.0.1:0\"]\nstate", "[\"[::1]:0\"]\nstate");
        assert_ne!(there, config);
        std::fs::write(site.path("relay.toml"), there).unwrap();
        let relay = site.start();
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(test(relay));
    };
    std::thread::scope(|scope| {
        if let Err(trouble) = scope.spawn(body).join() {
            std::panic::resume_unwind(trouble);
        }
    });
}

/// A board as seen from this address.
fn from(relay: &Relay, address: &str) -> Place {
    let address: Ipv6Addr = address.parse().unwrap();
    relay.place().from(address.into())
}

/// A connection that proves nothing, and stays.
async fn silent(relay: &Relay, address: &str) -> TcpStream {
    let socket = from(relay, address)
        .tcp()
        .await
        .unwrap()
        .into_std()
        .unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// Whether the board has left this connection alone.
fn stands(mut socket: &TcpStream) -> bool {
    let read = socket.read(&mut [0]);
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

fn evicted(relay: &Relay) -> f64 {
    relay.metrics().get("tasuki_evicted_total")
}

async fn until_unproven(relay: &Relay, count: f64) {
    until("connections", || {
        relay.metrics().get("tasuki_connections_unproven") == count
    })
    .await;
}

/// A /64 has what an IPv4 address has, a /48 half as much again; beyond it their own oldest make
/// room, and nobody else's.
#[test]
fn connections_of_a_64_and_of_a_48_count_together() {
    in_a_network("[limits]\nunproven_per_address = 8\n", async |relay| {
        let elsewhere = silent(&relay, "2001:db8:2::1").await;
        let mut narrow = Vec::new();
        for last in 1..=8 {
            narrow.push(silent(&relay, &format!("2001:db8:1:1::{last}")).await);
        }
        until_unproven(&relay, 9.0).await;
        sleep(limits::UNPROVEN_GRACE).await;
        assert_eq!(evicted(&relay), 0.0, "at the limit of a /64");

        let one_more = silent(&relay, "2001:db8:1:1:ffff::9").await;
        until("an eviction", || evicted(&relay) == 1.0).await;
        until("its end", || !stands(&narrow[0])).await;
        assert!(narrow[1..].iter().all(stands), "one is enough");

        let mut wide = Vec::new();
        for subnet in 2..=5 {
            wide.push(silent(&relay, &format!("2001:db8:1:{subnet}::1")).await);
        }
        until_unproven(&relay, 13.0).await;
        sleep(limits::UNPROVEN_GRACE).await;
        assert_eq!(evicted(&relay), 1.0, "at the limit of a /48");

        let past = silent(&relay, "2001:db8:1:6::1").await;
        until("another eviction", || evicted(&relay) == 2.0).await;
        until("its end", || !stands(&narrow[1])).await;

        let other = silent(&relay, "2001:db8:3::1").await;
        until_unproven(&relay, 14.0).await;
        assert_eq!(evicted(&relay), 2.0, "another /48 has room of its own");
        let left = narrow[2..].iter().chain(&wide);
        assert!(
            left.chain([&elsewhere, &one_more, &past, &other])
                .all(stands)
        );
    });
}

/// Guesses from all over a /64 use up what one address may fail; its neighbours in the /48 go on.
#[test]
fn failures_of_a_64_count_together_and_those_of_its_neighbours_do_not() {
    in_a_network("", async |relay| {
        let (host, guesser) = (Host::new(1, "pc-1"), Host::new(2, "pc-2"));
        let home = from(&relay, "2001:db8:1:1::1");
        let (mut link, _) = home.registered(&host).await;
        let before = relay.metrics();

        let mut failures = Failures::new(RefusalCode::TicketUnknown);
        for number in 0..limits::WRONG_TICKETS.1 + 40 {
            let place = from(&relay, &format!("2001:db8:1:1:{number:x}::1"));
            failures.count(guess(&place, &guesser, number).await);
        }
        failures.assert_within(limits::WRONG_TICKETS, gained(&before, &relay.metrics()));

        for neighbour in ["2001:db8:1:2::1", "2001:db8:2:1::1"] {
            let told = guess(&from(&relay, neighbour), &guesser, 1_000).await;
            assert_eq!(told, RefusalCode::TicketUnknown, "{neighbour}");
        }
        session(&home, &host, &mut link, "pc-1").await;
    });
}

/// New names count by /56, which is what one household or office has.
#[test]
fn names_of_a_56_are_those_of_a_day() {
    in_a_network("[limits]\nclaims_per_range = 3\n", async |relay| {
        let mut links = Vec::new();
        for number in 1..=3_u16 {
            let place = from(&relay, &format!("2001:db8:1:{number}::1"));
            let host = Host::new(number, &format!("name-{number}"));
            links.push(place.registered(&host).await);
        }

        let late = Host::new(9, "late");
        let mut refused = from(&relay, "2001:db8:1:ff::1").link(&late).await;
        refused.send(late.register(1)).await;
        assert_eq!(refused.refused().await, RefusalCode::ClaimsExhausted);
        from(&relay, "2001:db8:1:100::1").registered(&late).await;

        let mut caller = from(&relay, "2001:db8:1:ff::1").leg().await;
        caller.send(connect("name-1")).await;
        links[0].0.invite().await;
    });
}
