//! Sessions that end in every way they can, and nothing of them that stays behind.
//!
//! After the first thousand the relay has what it needs for good; after all the others it has as
//! many descriptors and pipes, and hardly more memory.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use protocol::outer::Decline;
use protocol::refusal::{Refusal, RefusalCode};
use relay_testkit::{Agent, Host, Place, Relay, connect, session, soon, until};
use socket2::SockRef;
use tasuki_relay::data::EndReason;
use tasuki_relay::limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::site;

/// Hosts whose sessions run side by side.
const HOSTS: u16 = 16;

/// After so many sessions the relay has grown as much as it may.
const WARM: u32 = 1_000;

/// What memory may have grown by since then: blocks of a size that was never free before.
const GROWTH_MAX: u64 = 1 << 20;

/// How a session ends, or does not begin.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Fin,
    HalfClose,
    ClientResets,
    HostResets,
    ClientIsKilled,
    HostIsKilled,
    Urgent,
    UnknownHost,
    Declined,
    HungUp,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stays_behind_after_thousands_of_sessions() {
    sessions(2_500, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half an hour; `cargo xtask nightly leaks` runs it"]
async fn nothing_stays_behind_after_100_000_sessions() {
    sessions(100_000, 40).await;
}

/// So many sessions, and so many in each half that stall until the kernel gives them up.
async fn sessions(count: u32, stalling: u32) {
    let seed = seed();
    eprintln!("TASUKI_SEED={seed}");
    let relay = site("").start();
    let mut expected = BTreeMap::new();

    batch(&relay, seed, WARM, stalling, &mut expected).await;
    let warm = Rest::of(&relay).await;
    batch(&relay, seed ^ 1, count - WARM, stalling, &mut expected).await;
    let last = Rest::of(&relay).await;

    eprintln!("{WARM} sessions left {warm:?}, {count} left {last:?}, ended for {expected:?}");
    let metrics = relay.metrics();
    for reason in EndReason::ALL {
        let label = reason.as_str();
        let ended = metrics.get(&format!(
            "tasuki_sessions_ended_total{{reason=\"{label}\"}}"
        ));
        let due = expected.get(label).copied().unwrap_or(0);
        assert_eq!(ended, f64::from(due), "{label}");
    }
    assert_eq!(last.descriptors, warm.descriptors);
    let grown = last.memory.saturating_sub(warm.memory);
    assert!(grown <= GROWTH_MAX, "memory has grown by {grown} bytes");
}

/// Runs `count` calls from as many hosts as there are, side by side, with the stalling ones beside
/// them from the start.
async fn batch(
    relay: &Relay,
    seed: u64,
    count: u32,
    stalling: u32,
    expected: &mut BTreeMap<&'static str, u32>,
) {
    let mut hosts = JoinSet::new();
    for number in 0..HOSTS {
        let random = Random(seed.wrapping_add(u64::from(number) << 32));
        let share = |all: u32| {
            let hosts = u32::from(HOSTS);
            all / hosts + u32::from(u32::from(number) < all % hosts)
        };
        let (calls, stalls) = (share(count), share(stalling));
        hosts.spawn(one_host(
            relay.place().clone(),
            number,
            calls,
            stalls,
            random,
        ));
    }
    for ended in hosts.join_all().await {
        for (reason, times) in ended {
            *expected.entry(reason).or_default() += times;
        }
    }
}

/// Calls one host again and again; gives how often sessions must have ended for which reason.
async fn one_host(
    place: Place,
    number: u16,
    calls: u32,
    stalls: u32,
    mut random: Random,
) -> BTreeMap<&'static str, u32> {
    let id = format!("pc-{number}");
    let host = Host::new(number, &id);
    let (mut link, _) = place.registered(&host).await;
    let mut expected: BTreeMap<&'static str, u32> = BTreeMap::new();
    let mut stalled = JoinSet::new();
    for stall in 0..stalls {
        let (client, at_host) = session(&place, &host, &mut link, &id).await;
        // The one that stalls, the one that floods it, and what the relay must call it.
        let (still, flooding, reason) = if stall % 2 == 0 {
            (client, at_host, EndReason::ClientTimeout)
        } else {
            (at_host, client, EndReason::HostTimeout)
        };
        stalled.spawn(flood(still, flooding));
        *expected.entry(reason.as_str()).or_default() += 1;
    }
    for _ in 0..calls {
        let ending = Ending::any(&mut random);
        if let Some(reason) = call(&place, &host, &mut link, &id, ending, &mut random).await {
            *expected.entry(reason.as_str()).or_default() += 1;
        }
    }
    stalled.join_all().await;
    expected
}

/// One call that ends in this way; gives the reason that the relay must have, if it is a session.
async fn call(
    place: &Place,
    host: &Host,
    link: &mut Agent,
    id: &str,
    ending: Ending,
    random: &mut Random,
) -> Option<EndReason> {
    match ending {
        Ending::UnknownHost => {
            let mut client = place.leg().await;
            client.send(connect("nobody")).await;
            // Beyond some a second the relay does not say why.
            client.refused().await;
            return None;
        }
        Ending::Declined => {
            let mut client = place.leg().await;
            client.send(connect(id)).await;
            let ticket = link.invite().await.ticket;
            let refusal = Refusal::from(RefusalCode::LockedOut);
            link.send(Decline { ticket, refusal }).await;
            assert_eq!(client.refused().await, RefusalCode::LockedOut);
            return None;
        }
        Ending::HungUp => {
            let mut client = place.leg().await;
            client.send(connect(id)).await;
            link.invite().await;
            return None;
        }
        Ending::Fin
        | Ending::HalfClose
        | Ending::ClientResets
        | Ending::HostResets
        | Ending::ClientIsKilled
        | Ending::HostIsKilled
        | Ending::Urgent => {}
    }
    let (mut client, mut at_host) = session(place, host, link, id).await;
    let bytes = vec![random.number().to_le_bytes()[0]; random.below(100_000)];
    pass(&mut client, &mut at_host, &bytes[..bytes.len() / 10]).await;
    pass(&mut at_host, &mut client, &bytes).await;
    Some(end(client, at_host, ending).await)
}

/// Bytes from one end to the other.
async fn pass(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) {
    let mut received = vec![0; bytes.len()];
    let (written, read) = soon("bytes", async {
        tokio::join!(from.write_all(bytes), to.read_exact(&mut received))
    })
    .await;
    written.unwrap();
    read.unwrap();
    assert!(received == bytes, "other bytes came");
}

async fn end(mut client: TcpStream, mut at_host: TcpStream, ending: Ending) -> EndReason {
    match ending {
        Ending::HalfClose => {
            client.shutdown().await.unwrap();
            ended(&mut at_host).await;
            pass(&mut at_host, &mut client, b"good-bye").await;
            at_host.shutdown().await.unwrap();
            ended(&mut client).await;
            EndReason::Finished
        }
        Ending::ClientResets => {
            reset(client);
            broken(at_host).await;
            EndReason::ClientReset
        }
        Ending::HostResets => {
            reset(at_host);
            broken(client).await;
            EndReason::HostReset
        }
        Ending::ClientIsKilled => {
            kill(client, &mut at_host).await;
            broken(at_host).await;
            EndReason::ClientReset
        }
        Ending::HostIsKilled => {
            kill(at_host, &mut client).await;
            broken(client).await;
            EndReason::HostReset
        }
        Ending::Urgent => {
            SockRef::from(&client).send_out_of_band(b"!").unwrap();
            broken(client).await;
            broken(at_host).await;
            EndReason::UrgentData
        }
        Ending::Fin | Ending::UnknownHost | Ending::Declined | Ending::HungUp => {
            client.shutdown().await.unwrap();
            at_host.shutdown().await.unwrap();
            ended(&mut client).await;
            ended(&mut at_host).await;
            EndReason::Finished
        }
    }
}

async fn ended(socket: &mut TcpStream) {
    let end = soon("the FIN", socket.read(&mut [0])).await;
    assert_eq!(end.unwrap(), 0, "a byte too many");
}

/// Waits for the reset.
async fn broken(mut socket: TcpStream) {
    let mut rest = Vec::new();
    let end = soon("the reset", socket.read_to_end(&mut rest)).await;
    assert!(end.is_err(), "an orderly end");
}

fn reset(socket: TcpStream) {
    SockRef::from(&socket)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

/// Gives a socket to another process and kills that one while a byte lies unread.
async fn kill(socket: TcpStream, other: &mut TcpStream) {
    other.write_all(b"!").await.unwrap();
    soon("the byte", socket.peek(&mut [0])).await.unwrap();
    let socket = OwnedFd::from(socket.into_std().unwrap());
    let mut holder = Command::new("sleep")
        .arg("600")
        .stdin(Stdio::from(socket))
        .spawn()
        .unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
}

/// Writes to one that does not read, until the relay's kernel has waited long enough for it.
async fn flood(still: TcpStream, mut flooding: TcpStream) {
    SockRef::from(&still).set_recv_buffer_size(4_096).unwrap();
    let chunk = vec![5; 64 << 10];
    let end = tokio::time::timeout(3 * limits::USER_TIMEOUT, async {
        while flooding.write_all(&chunk).await.is_ok() {}
    });
    end.await.expect("the kernel gives a still reader up");
    drop(still);
}

/// What the relay holds when it has nothing to do.
#[derive(Clone, Copy, Debug)]
struct Rest {
    descriptors: usize,
    memory: u64,
}

impl Rest {
    async fn of(relay: &Relay) -> Self {
        until("an idle relay", || {
            let metrics = relay.metrics();
            [
                "tasuki_sessions",
                "tasuki_hosts_online",
                "tasuki_legs_parked",
                "tasuki_connections_unproven",
                "tasuki_pipes_in_use",
                "tasuki_pipes_idle",
            ]
            .into_iter()
            .all(|name| metrics.get(name) == 0.0)
        })
        .await;
        // The connections that asked go after the answer.
        let mut descriptors = relay.descriptors();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(2) {
            sleep(Duration::from_millis(50)).await;
            descriptors = descriptors.min(relay.descriptors());
        }
        Self {
            descriptors,
            memory: relay.anonymous_memory(),
        }
    }
}

impl Ending {
    /// Starting a process takes longest, so that is rare.
    fn any(random: &mut Random) -> Self {
        match random.below(200) {
            0 => Self::ClientIsKilled,
            1 => Self::HostIsKilled,
            2..40 => Self::HalfClose,
            40..70 => Self::ClientResets,
            70..100 => Self::HostResets,
            100..110 => Self::Urgent,
            110..120 => Self::UnknownHost,
            120..130 => Self::Declined,
            130..140 => Self::HungUp,
            _ => Self::Fin,
        }
    }
}

/// Numbers that follow from a seed: SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u32) -> usize {
        usize::try_from(self.number() % u64::from(bound)).unwrap()
    }
}

/// `TASUKI_SEED`, or the time.
fn seed() -> u64 {
    let given = std::env::var("TASUKI_SEED").ok();
    given.map_or_else(
        || {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.unwrap().as_secs()
        },
        |seed| seed.parse().expect("TASUKI_SEED is a number"),
    )
}
