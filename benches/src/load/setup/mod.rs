//! Sets sessions up: a thread of its own, so that a slow handshake delays no message.

mod plain;
pub(super) mod tasuki;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use mio::Waker;
use protocol::file::entry::Entry;
use tasuki_agent::outer::OuterError;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::line::Line;
use super::shared::{Shared, count};
use crate::report::Faults;
use crate::scenario::Range;
use crate::sys;

/// Segments as on Ethernet, as our relay asks for from its agents: on loopback they would be 64 KiB.
pub(super) const SEGMENT: u32 = 1_460;

/// Sessions that are set up at the same time.
pub(super) const AT_ONCE: usize = 32;

/// How long one may take: longer than any deadline of a relay.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Pause before a full load thread is asked again.
const FULL: Duration = Duration::from_millis(2);

/// A session that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    /// The host's number, from 0.
    pub(crate) number: u32,
    /// How many sessions this host had before.
    pub(crate) life: u32,
}

/// Both sockets of a session that has begun.
pub(super) struct Arrival {
    pub(super) order: Order,
    pub(super) client: TcpStream,
    pub(super) host: TcpStream,
}

/// How sessions are made.
#[derive(Debug)]
pub enum Way {
    /// By the outer protocol, through boards of this deployment.
    Tasuki {
        entry: Box<Entry>,
        /// Real agents, who make the first sessions; the load side plays all others.
        agents: Vec<Passage>,
    },
    /// Through a forwarder that speaks no protocol of its own.
    Forwarded(Passage),
}

/// A client dials `front`, and who lies between dials `back`.
#[derive(Debug)]
pub struct Passage {
    pub front: SocketAddr,
    pub back: TcpListener,
}

impl Way {
    /// Without agents.
    pub fn tasuki(entry: Entry) -> Self {
        Self::Tasuki {
            entry: Box::new(entry),
            agents: Vec::new(),
        }
    }

    /// Lengthens it by a line, which has to outlive what is made this way. The real agents keep
    /// theirs.
    ///
    /// # Errors
    /// The subject is not on this machine, or there can be no line.
    pub(crate) fn lengthen(
        &mut self,
        round_trip_ms: Range<f64>,
        seed: u64,
        cpus: &[usize],
    ) -> anyhow::Result<Line> {
        match self {
            Self::Tasuki { entry, .. } => {
                let [address] = entry.addresses.as_mut_slice() else {
                    anyhow::bail!("boards have a distance of their own: leave out round_trip_ms");
                };
                let target = address.parse().with_context(|| {
                    format!("{address} has a distance of its own: leave out round_trip_ms")
                })?;
                let line = Line::to(target, round_trip_ms, seed, cpus)?;
                *address = line.address().to_string();
                Ok(line)
            }
            Self::Forwarded(passage) => {
                let line = Line::to(passage.front, round_trip_ms, seed, cpus)?;
                passage.front = line.address();
                Ok(line)
            }
        }
    }
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetupError {
    #[error("{0}")]
    Outer(#[from] OuterError),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Late,
    #[error("expected {expected}, got {found}")]
    Frame {
        expected: &'static str,
        found: &'static str,
    },
    #[error("refused: {code}")]
    Refused {
        code: &'static str,
        retry_after: Option<Duration>,
    },
    #[error("the host's link has ended")]
    LinkEnded,
    #[error("{0}")]
    Unusable(String),
}

/// Where the sessions of one load thread go.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) arrivals: SyncSender<Arrival>,
    pub(super) waker: Arc<Waker>,
}

/// Starts the thread. It ends when nobody can order any more.
pub(super) fn start(
    way: Way,
    seed: u64,
    orders: mpsc::Receiver<Order>,
    gates: Vec<Gate>,
    shared: Arc<Shared>,
    cpus: Vec<usize>,
) -> std::io::Result<JoinHandle<anyhow::Result<Faults>>> {
    std::thread::Builder::new()
        .name("setup".into())
        .spawn(move || {
            let _pinned = sys::pin(&cpus)?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(serve(way, seed, orders, gates, shared))
        })
}

/// Whoever can set up a session.
enum Maker {
    Tasuki {
        offices: Box<tasuki::Offices>,
        agents: Vec<plain::Exchange>,
    },
    Plain(plain::Exchange),
}

impl Maker {
    async fn make(&self, number: u32) -> Result<(TcpStream, TcpStream), SetupError> {
        let made = async {
            match self {
                Self::Tasuki { offices, agents } => {
                    let index = usize::try_from(number).unwrap_or(usize::MAX);
                    match agents.get(index) {
                        Some(agents) => agents.session().await,
                        None => offices.session(number).await,
                    }
                }
                Self::Plain(exchange) => exchange.session().await,
            }
        };
        timeout(PATIENCE, made)
            .await
            .map_err(|_| SetupError::Late)?
    }
}

async fn serve(
    way: Way,
    seed: u64,
    mut orders: mpsc::Receiver<Order>,
    gates: Vec<Gate>,
    shared: Arc<Shared>,
) -> anyhow::Result<Faults> {
    let maker = Arc::new(match way {
        Way::Tasuki { entry, agents } => Maker::Tasuki {
            offices: Box::new(tasuki::Offices::new(*entry, seed)?),
            agents: agents
                .into_iter()
                .map(|ends| plain::Exchange::new(ends, seed))
                .collect::<Result<_, _>>()?,
        },
        Way::Forwarded(ends) => Maker::Plain(plain::Exchange::new(ends, seed)?),
    });
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks: JoinSet<Option<String>> = JoinSet::new();
    let mut faults = Faults::default();
    loop {
        let order = tokio::select! {
            order = orders.recv() => order,
            Some(done) = tasks.join_next() => {
                note(done, &mut faults, &shared);
                continue;
            }
        };
        let Some(order) = order else { break };
        let place = Arc::clone(&places).acquire_owned().await?;
        let (maker, gates, shared) = (Arc::clone(&maker), gates.clone(), Arc::clone(&shared));
        tasks.spawn(async move {
            let made = maker.make(order.number).await;
            drop(place);
            match made {
                Ok((client, host)) => {
                    let arrival = Arrival {
                        order,
                        client,
                        host,
                    };
                    deliver(&gates, arrival, &shared).await;
                    None
                }
                // The end of a run catches some half made.
                Err(_) if shared.is_closing() => None,
                Err(error) => Some(format!("session {}.{}: {error}", order.number, order.life)),
            }
        });
    }
    // What is half made when a run ends is neither a session nor a fault.
    while let Some(done) = tasks.try_join_next() {
        note(done, &mut faults, &shared);
    }
    tasks.shutdown().await;
    Ok(faults)
}

fn note(
    done: Result<Option<String>, tokio::task::JoinError>,
    faults: &mut Faults,
    shared: &Shared,
) {
    let trouble = done.unwrap_or_else(|error| Some(error.to_string()));
    if let Some(trouble) = trouble {
        faults.setup += 1;
        faults.tell(trouble);
        count(&shared.faults, 1);
    }
}

/// Hands a session to its load thread; it is dropped when the load has ended meanwhile.
async fn deliver(gates: &[Gate], mut arrival: Arrival, shared: &Shared) {
    let index = usize::try_from(arrival.order.number).unwrap_or_default() % gates.len();
    let gate = &gates[index];
    while !shared.is_closing() {
        match gate.arrivals.try_send(arrival) {
            Ok(()) => {
                // A thread that cannot be woken looks by itself, a little later.
                let _ = gate.waker.wake();
                return;
            }
            Err(TrySendError::Full(back)) => arrival = back,
            Err(TrySendError::Disconnected(_)) => return,
        }
        sleep(FULL).await;
    }
}
