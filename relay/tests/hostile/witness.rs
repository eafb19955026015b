//! Honest sessions that go on while others misbehave, and notice when they suffer.
//!
//! They run on a thread of their own, so that what they measure is the relay and not the test.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use relay_testkit::{Host, Place, Relay, session, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

/// Sessions of one witness.
const SESSIONS: u16 = 4;

/// A keystroke or a small screen update.
const MESSAGE: usize = 200;

/// Time between two messages of a session: 50 a second, more than anybody types.
const PACE: Duration = Duration::from_millis(20);

/// No message may take longer to come back, however busy the machine is: a third of the time after
/// which an agent gives a silent connection up.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the median of a phase with trouble may be beyond the quiet one. Attackers and relay share
/// two cores here, and the scheduler gives each of some twenty busy threads 3 ms in turn; a
/// relay that lets one connection hold up another takes seconds.
const MEDIAN_SLACK: Duration = Duration::from_millis(250);

/// Where witnesses come from, so that they share no count with an attacker.
const SOURCE: [u8; 4] = [127, 9, 9, 9];

type Latencies = Arc<Mutex<Vec<Duration>>>;

/// Sessions that exchange messages until they are told to stop.
pub(crate) struct Witness {
    stop: Arc<AtomicBool>,
    latencies: Latencies,
    thread: Option<JoinHandle<()>>,
}

/// What one phase was like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phase {
    pub(crate) messages: usize,
    pub(crate) median: Duration,
    pub(crate) worst: Duration,
}

impl Witness {
    /// Begins with its sessions, and returns when each has carried a message.
    pub(crate) fn start(relay: &Relay) -> Self {
        let place = relay.place().from(SOURCE.into());
        let stop = Arc::new(AtomicBool::new(false));
        let latencies = Arc::new(Mutex::new(Vec::new()));
        let thread = std::thread::spawn({
            let (stop, latencies) = (Arc::clone(&stop), Arc::clone(&latencies));
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(exchange(place, stop, latencies));
            }
        });
        let witness = Self {
            stop,
            latencies,
            thread: Some(thread),
        };
        witness.watch(Duration::from_millis(500));
        witness
    }

    /// Looks on for so long, and at least until 100 messages have come back; then begins a new
    /// phase.
    pub(crate) fn watch(&self, time: Duration) -> Phase {
        let began = Instant::now();
        let enough = || self.latencies.lock().unwrap().len() >= 100;
        while began.elapsed() < time || !enough() {
            assert!(!self.is_over(), "a witness saw trouble");
            assert!(began.elapsed() < time + 3 * PATIENCE, "no message comes");
            std::thread::sleep(PACE);
        }
        self.phase()
    }

    /// The phase until now; a new one begins.
    pub(crate) fn phase(&self) -> Phase {
        let mut latencies = std::mem::take(&mut *self.latencies.lock().unwrap());
        latencies.sort_unstable();
        Phase {
            messages: latencies.len(),
            median: latencies[latencies.len() / 2],
            worst: latencies[latencies.len() - 1],
        }
    }

    /// Ends the sessions in good form, having lost nothing.
    pub(crate) fn finish(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Err(trouble) = self.thread.take().unwrap().join() {
            std::panic::resume_unwind(trouble);
        }
    }

    fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Phase {
    /// Insists that nobody suffered compared with a quiet phase of the same witness.
    pub(crate) fn assert_like(self, quiet: Self, what: &str) {
        for (phase, of) in [("quiet", quiet), (what, self)] {
            let (messages, median, worst) = (of.messages, of.median, of.worst);
            eprintln!("{phase}: {messages} messages, median {median:?}, worst {worst:?}");
        }
        assert!(
            self.median <= quiet.median + MEDIAN_SLACK,
            "{what}: messages took {:?}, {:?} before",
            self.median,
            quiet.median
        );
    }
}

async fn exchange(place: Place, stop: Arc<AtomicBool>, latencies: Latencies) {
    let mut links = Vec::new();
    let mut sessions = JoinSet::new();
    for number in 0..SESSIONS {
        let id = format!("witness-{number}");
        let host = Host::new(60_000 + number, &id);
        let (mut link, _) = place.registered(&host).await;
        let (client, at_host) = session(&place, &host, &mut link, &id).await;
        sessions.spawn(ask(client, Arc::clone(&stop), Arc::clone(&latencies)));
        sessions.spawn(echo(at_host));
        links.push(link);
    }
    sessions.join_all().await;
}

/// Sends messages at their pace, and insists that each comes back as it was.
async fn ask(mut socket: TcpStream, stop: Arc<AtomicBool>, latencies: Latencies) {
    let mut due = tokio::time::Instant::now();
    let mut number = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        sleep_until(due).await;
        let message = message(number);
        let mut answer = [0; MESSAGE];
        let exchange = async {
            socket.write_all(&message).await?;
            socket.read_exact(&mut answer).await
        };
        timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| panic!("message {number} waits longer than {PATIENCE:?}"))
            .unwrap_or_else(|error| panic!("session ended at message {number}: {error}"));
        assert!(answer == message, "message {number} came back changed");
        // From when it was due: one that waited for its predecessor has waited.
        latencies.lock().unwrap().push(due.elapsed());
        due += PACE;
        number += 1;
    }
    socket.shutdown().await.unwrap();
    let end = soon("the end of a session", socket.read(&mut [0])).await;
    assert_eq!(end.unwrap(), 0, "a byte too many");
}

async fn echo(mut socket: TcpStream) {
    let (mut reader, mut writer) = socket.split();
    tokio::io::copy(&mut reader, &mut writer).await.unwrap();
    writer.shutdown().await.unwrap();
}

fn message(number: u64) -> [u8; MESSAGE] {
    let bytes = number.to_be_bytes();
    std::array::from_fn(|at| bytes[at % bytes.len()].wrapping_add(u8::try_from(at).unwrap()))
}
