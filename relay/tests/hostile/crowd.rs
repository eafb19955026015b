//! An honest crowd behind an address that strangers use for a flood at the same time.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use protocol::outer::Frame;
use protocol::refusal::RefusalCode;
use protocol::secret::Ticket;
use relay_testkit::{Agent, Host, Place, connect, join, shake_hands, until};
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::attack::Hello;
use crate::fault::is_root;
use crate::start;
use crate::witness::Witness;

/// What the crowd is promised to survive.
const ATTEMPTS_PER_SECOND: f64 = 1_000.0;

/// Attempts that are begun each second: some more, for those that are under way at a look.
const ATTEMPTS_BEGUN: u32 = 1_250;

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
    until("the flood", || flood.tide().made >= 500).await;

    let before = flood.tide();
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
    let (attempts, rate) = flood.tide().since(before);
    flood.stop();
    eprintln!("{CLIENTS} clients in {clients_took:?}, slowest {slowest:?}, {tries} tries");
    eprintln!(
        "{attempts} attempts meanwhile, {rate:.0} a second, relay at {:?} of CPU",
        relay.cpu()
    );

    assert!(rate >= ATTEMPTS_PER_SECOND, "{rate:.0} attempts a second");
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
        // Evicted in the very moment that it proved itself.
        Frame::Refused(refusal) if refusal.code == RefusalCode::BoardFull => None,
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
}

/// What a flood has done up to a moment.
#[derive(Clone, Copy)]
struct Tide {
    made: u64,
    at: Instant,
}

impl Flood {
    fn start(place: &Place) -> Self {
        let made = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let strangers = Arc::new(Strangers::new(place, Arc::clone(&made)));
            let stop = Arc::clone(&stop);
            move || {
                hurry();
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(flood(strangers, stop));
            }
        });
        Self {
            made,
            stop,
            thread: Some(thread),
        }
    }

    fn tide(&self) -> Tide {
        Tide {
            made: self.made.load(Ordering::Relaxed),
            at: Instant::now(),
        }
    }

    fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Tide {
    /// Attempts since `earlier`, and how many a second.
    fn since(self, earlier: Self) -> (u64, f64) {
        let attempts = self.made - earlier.made;
        let time = self.at.duration_since(earlier.at);
        (
            attempts,
            f64::from(u32::try_from(attempts).unwrap()) / time.as_secs_f64(),
        )
    }
}

/// Strangers have machines of their own: whatever else is busy on this one, it must not hold this
/// thread up. Only root may say so.
fn hurry() {
    let thread = nix::unistd::gettid().to_string();
    let told = Command::new("renice")
        .args(["-n", "-10", "-p", &thread])
        .output();
    assert!(told.unwrap().status.success() || !is_root());
}

/// By the clock, whatever becomes of the attempts before: a flood that was held up comes all the
/// denser.
async fn flood(strangers: Arc<Strangers>, stop: Arc<AtomicBool>) {
    let began = Instant::now();
    let mut attempts = JoinSet::new();
    let mut begun = 0;
    while !stop.load(Ordering::Relaxed) {
        let due = began.elapsed().as_millis() * u128::from(ATTEMPTS_BEGUN) / 1_000;
        while u128::from(begun) < due {
            attempts.spawn(Arc::clone(&strangers).attempt(begun));
            begun += 1;
        }
        while attempts.try_join_next().is_some() {}
        sleep(Duration::from_millis(5)).await;
    }
}

/// What they need, made once: they must not be held up by their own work.
struct Strangers {
    place: Place,
    hello: Vec<u8>,
    client: Arc<ClientConfig>,
    host: Arc<ClientConfig>,
    made: Arc<AtomicU64>,
}

impl Strangers {
    fn new(place: &Place, made: Arc<AtomicU64>) -> Self {
        let stranger = Host::new(50_000, "stranger");
        Self {
            place: place.clone(),
            hello: Hello::of_leg(place).bytes,
            client: place.tls_client(protocol::ALPN_LEG, None),
            host: place.tls_client(protocol::ALPN_LEG, Some(&stranger)),
            made,
        }
    }

    /// What a board does not want, of one kind or another. Whatever it says is fine.
    async fn attempt(self: Arc<Self>, number: u32) {
        let Ok(mut socket) = self.place.tcp().await else {
            return;
        };
        self.made.fetch_add(1, Ordering::Relaxed);
        // What a stranger may find is that the board has hung up already.
        let _ = match number % 20 {
            0..10 => Ok(()),
            10..14 => socket.write_all(b"GET / HTTP/1.1\r\n\r\n").await,
            14..18 => socket.write_all(&self.hello).await,
            18 => return ask(socket, &self.client, connect(&format!("guess-{number}"))).await,
            _ => {
                let mut bytes = [3; 16];
                bytes[..4].copy_from_slice(&number.to_be_bytes());
                return ask(socket, &self.host, join(&Ticket::new(bytes))).await;
            }
        };
        // For as long as the board likes.
        let _ = timeout(Duration::from_secs(10), socket.read(&mut [0; 4_096])).await;
    }
}

/// For a computer that is not there, or with a ticket that nobody gave out.
async fn ask(socket: TcpStream, config: &Arc<ClientConfig>, request: impl Into<Frame>) {
    if let Ok(mut leg) = shake_hands(socket, Arc::clone(config)).await
        && leg.try_send(request).await.is_ok()
    {
        // A refusal, or the end.
        let _ = leg.answer().await;
    }
}
