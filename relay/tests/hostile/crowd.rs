//! An honest crowd behind an address that strangers use for a flood at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use protocol::outer::Frame;
use protocol::secret::Ticket;
use relay_testkit::{Agent, Host, Place, connect, join, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::attack::Hello;
use crate::start;
use crate::witness::Witness;

/// What the crowd is promised to survive.
const ATTEMPTS_PER_SECOND: u64 = 1_000;

/// An office on Monday morning, at full size.
const HOSTS: u16 = 1_000;
const CLIENTS: u16 = 300;

/// How long an agent waits before it tries again after having been turned away. Agents really wait
/// longer, and jitter; here everybody is in a hurry.
const RETRY: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_hosts_and_300_clients_log_on_while_their_address_is_flooded() {
    // All of the default limits. Nobody pings while it waits for the others.
    let (_site, relay) = start("ping_interval = \"5m\"\n");
    let witness = Witness::start(&relay);
    let quiet = witness.watch(Duration::from_secs(1));
    let place = relay.place().from([127, 0, 10, 1].into());
    let flood = Flood::start(&place);
    until("the flood", || flood.made() >= 500).await;

    let began = Instant::now();
    let mut hosts = JoinSet::new();
    for number in 0..HOSTS {
        hosts.spawn(log_on(
            place.clone(),
            Host::new(number, &format!("pc-{number}")),
        ));
    }
    let mut slowest = Duration::ZERO;
    let mut links = Vec::new();
    let mut tries = 0;
    while let Some(linked) = hosts.join_next().await {
        let (link, host, took, tried) = linked.unwrap();
        slowest = slowest.max(took);
        tries += tried;
        links.push((link, host));
    }
    let hosts_took = began.elapsed();
    eprintln!("{HOSTS} hosts in {hosts_took:?}, slowest {slowest:?}, {tries} tries");
    until("all of them to be linked", || {
        relay.metrics().get("tasuki_hosts_online") == 1_004.0
    })
    .await;

    let began = Instant::now();
    let mut clients = JoinSet::new();
    for (link, host) in links.drain(..usize::from(CLIENTS)) {
        clients.spawn(meet(place.clone(), host, link));
    }
    let mut slowest = Duration::ZERO;
    let mut tries = 0;
    let mut sessions = Vec::new();
    while let Some(met) = clients.join_next().await {
        let (session, took, tried) = met.unwrap();
        slowest = slowest.max(took);
        tries += tried;
        sessions.push(session);
    }
    let clients_took = began.elapsed();
    let busy = witness.phase();
    let rate = flood.stop();
    eprintln!("{CLIENTS} clients in {clients_took:?}, slowest {slowest:?}, {tries} tries");
    eprintln!(
        "{rate} attempts a second meanwhile, relay at {:?} of CPU",
        relay.cpu()
    );

    assert_eq!(relay.metrics().get("tasuki_sessions"), 304.0);
    busy.assert_like(quiet, "a flood and a crowd");
    witness.finish();
}

/// Until it is registered: the link, how long it took, and how many tries.
async fn log_on(place: Place, host: Host) -> (Agent, Host, Duration, u32) {
    let began = Instant::now();
    for tries in 1.. {
        if let Some(link) = try_to_log_on(&place, &host, tries).await {
            return (link, host, began.elapsed(), tries);
        }
        sleep(RETRY).await;
    }
    unreachable!("it tries for ever")
}

async fn try_to_log_on(place: &Place, host: &Host, epoch: u32) -> Option<Agent> {
    let mut link = place.dial(protocol::ALPN_LINK, Some(host)).await.ok()?;
    link.try_send(host.register(epoch.into())).await.ok()?;
    match link.answer().await? {
        Frame::Registered(_) => Some(link),
        Frame::Refused(refusal) => panic!("a host was refused: {refusal:?}"),
        other => panic!("{other:?} for a registration"),
    }
}

/// Everything that a session consists of.
type Session = (Agent, Agent, Agent);

/// Until client and host have met.
async fn meet(place: Place, host: Host, mut link: Agent) -> (Session, Duration, u32) {
    let began = Instant::now();
    for tries in 1.. {
        if let Some((client, leg)) = try_to_meet(&place, &host, &mut link).await {
            return ((link, client, leg), began.elapsed(), tries);
        }
        sleep(RETRY).await;
    }
    unreachable!("it tries for ever")
}

async fn try_to_meet(place: &Place, host: &Host, link: &mut Agent) -> Option<(Agent, Agent)> {
    let mut client = place.dial(protocol::ALPN_LEG, None).await.ok()?;
    let id = host.wish.as_ref().unwrap().as_str();
    client.try_send(connect(id)).await.ok()?;
    loop {
        let ticket = tokio::select! {
            frame = link.answer() => match frame {
                Some(Frame::Invite(invite)) => invite.ticket,
                other => panic!("{other:?} on a link"),
            },
            // Refused, or hung up on.
            _ = client.answer() => return None,
        };
        // Of a call that came to nothing there may be a ticket left.
        if let Some(leg) = answer(place, host, &ticket).await {
            let joined = client.answer().await?;
            return matches!(joined, Frame::Joined(_)).then_some((client, leg));
        }
    }
}

/// The host's leg, with as many tries as its ticket has time.
async fn answer(place: &Place, host: &Host, ticket: &Ticket) -> Option<Agent> {
    loop {
        if let Ok(mut leg) = place.dial(protocol::ALPN_LEG, Some(host)).await
            && leg.try_send(join(ticket)).await.is_ok()
        {
            match leg.answer().await {
                Some(Frame::Joined(_)) => return Some(leg),
                Some(Frame::Refused(_)) => return None,
                _ => {}
            }
        }
        sleep(RETRY / 5).await;
    }
}

/// Strangers who try one thing or another, on a thread of their own.
struct Flood {
    made: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    began: Instant,
}

impl Flood {
    fn start(place: &Place) -> Self {
        let made = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (place, made, stop) = (place.clone(), Arc::clone(&made), Arc::clone(&stop));
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(flood(place, made, stop));
            }
        });
        Self {
            made,
            stop,
            thread: Some(thread),
            began: Instant::now(),
        }
    }

    /// Attempts that have reached the board.
    fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Stops it; tells how many attempts there were a second.
    fn stop(mut self) -> u64 {
        let rate = self.made() * 1_000 / u64::try_from(self.began.elapsed().as_millis()).unwrap();
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        rate
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

async fn flood(place: Place, made: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    let mut attempts = JoinSet::new();
    let mut ticks = interval(Duration::from_millis(10));
    // A flood that was held up comes all the denser.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        for _ in 0..ATTEMPTS_PER_SECOND / 100 {
            attempts.spawn(attempt(place.clone(), number, Arc::clone(&made)));
            number += 1;
        }
        while attempts.try_join_next().is_some() {}
    }
}

/// What a board does not want, of one kind or another. Whatever it says is fine.
async fn attempt(place: Place, number: u32, made: Arc<AtomicU64>) {
    let Ok(mut socket) = place.tcp().await else {
        return;
    };
    made.fetch_add(1, Ordering::Relaxed);
    // What a stranger may find is that the board has hung up already.
    let _ = match number % 20 {
        0..10 => Ok(()),
        10..14 => socket.write_all(b"GET / HTTP/1.1\r\n\r\n").await,
        14..18 => socket.write_all(&Hello::of_leg(&place).bytes).await,
        kind => {
            let host = (kind == 19).then(|| Host::new(50_000, "stranger"));
            ask(&place, socket, host, number).await;
            return;
        }
    };
    // For as long as the board likes.
    let _ = timeout(Duration::from_secs(10), socket.read(&mut [0; 4_096])).await;
}

/// A computer that is not there, or a ticket that nobody gave out.
async fn ask(place: &Place, socket: TcpStream, host: Option<Host>, number: u32) {
    let alpn = protocol::ALPN_LEG;
    let Ok(mut leg) = place.shake_hands(socket, alpn, host.as_ref()).await else {
        return;
    };
    let mut bytes = [3; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    let sent = match host {
        None => leg.try_send(connect(&format!("guess-{number}"))).await,
        Some(_) => leg.try_send(join(&Ticket::new(bytes))).await,
    };
    if sent.is_ok() {
        // A refusal, or the end.
        let _ = leg.answer().await;
    }
}
