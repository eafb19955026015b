//! Makes the load: sets sessions up, carries messages through them, verifies every byte.
//!
//! One thread sets up ([`setup`], tokio), one or more carry the load ([`engine`], mio). What a
//! session does is drawn in [`plan`]; [`flow`] and [`stream`] know what has to arrive, and when it
//! was meant to be sent. All of it but the sockets is pure.

mod crowd;
mod engine;
mod flow;
mod herd;
mod line;
mod plan;
mod session;
mod setup;
mod shared;
mod stream;
mod tally;

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::sync::mpsc;

use self::engine::{Engine, Wiring};
use self::setup::{Gate, Order};
use self::shared::Shared;
use crate::report::Faults;
use crate::scenario::Scenario;
use crate::sys;

pub(crate) use self::crowd::Crowd;
pub(crate) use self::herd::{Attempt, Herd};
pub(crate) use self::setup::PATIENCE;
pub use self::setup::{Passage, Way};
pub(crate) use self::tally::Tally;

/// Sessions that wait for a load thread to take them.
const ARRIVALS: usize = 256;

/// Descriptors of the load side beside those of its sessions.
const DESCRIPTORS_SPARE: u64 = 200;

/// Descriptors of one session: two legs, and the host's link.
const DESCRIPTORS_A_SESSION: u64 = 3;

/// And what a line holds of it: two for each of them.
const DESCRIPTORS_A_LINE: u64 = 2 * DESCRIPTORS_A_SESSION;

/// Where the load side runs.
#[derive(Debug, Clone, Default)]
pub struct Placement {
    /// CPUs of the load side; all without any.
    pub cpus: Vec<usize>,
    /// Load threads.
    pub threads: usize,
}

/// A load that runs.
pub(crate) struct Load {
    shared: Arc<Shared>,
    sessions: u32,
    orders: mpsc::Sender<Order>,
    engines: Vec<JoinHandle<std::io::Result<Tally>>>,
    setup: JoinHandle<anyhow::Result<Faults>>,
}

/// How a load goes, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Going {
    pub(crate) live: u64,
    pub(crate) messages: u64,
    pub(crate) faults: u64,
}

impl Load {
    /// Starts the load side; no session is ordered yet.
    pub(crate) fn start(
        scenario: &Scenario,
        way: Way,
        placement: &Placement,
    ) -> anyhow::Result<Self> {
        let each = match scenario.round_trip_ms {
            Some(_) => DESCRIPTORS_A_SESSION + DESCRIPTORS_A_LINE,
            None => DESCRIPTORS_A_SESSION,
        };
        let needed = DESCRIPTORS_SPARE + each * u64::from(scenario.sessions);
        let allowed = sys::raise_descriptors().context("cannot ask for more descriptors")?;
        anyhow::ensure!(
            needed <= allowed,
            "{} sessions need {needed} descriptors, this process may have {allowed}: raise its \
             limit (ulimit -Hn) or take fewer sessions",
            scenario.sessions
        );
        let shared = Arc::new(Shared::new());
        let scenario = Arc::new(scenario.clone());
        let capacity = usize::try_from(scenario.sessions)?;
        let (orders, ordered) = mpsc::channel(capacity);
        let (mut engines, mut gates) = (Vec::new(), Vec::new());
        for index in 0..placement.threads.max(1) {
            let (arrivals, arrived) = sync_channel(ARRIVALS);
            let (poll, waker) = engine::poll()?;
            gates.push(Gate { arrivals, waker });
            let engine = Engine::new(Wiring {
                scenario: Arc::clone(&scenario),
                shared: Arc::clone(&shared),
                arrivals: arrived,
                orders: orders.clone(),
                poll,
            })?;
            let cpus = placement.cpus.clone();
            let thread = std::thread::Builder::new().name(format!("load-{index}"));
            engines.push(thread.spawn(move || {
                let _pinned = sys::pin(&cpus)?;
                engine.run()
            })?);
        }
        let cpus = placement.cpus.clone();
        let setup = setup::start(
            way,
            scenario.seed,
            ordered,
            gates,
            Arc::clone(&shared),
            cpus,
        )?;
        Ok(Self {
            shared,
            sessions: scenario.sessions,
            orders,
            engines,
            setup,
        })
    }

    /// Orders every session once, evenly over this time.
    pub(crate) fn ramp(&self, time: Duration) -> anyhow::Result<()> {
        let began = std::time::Instant::now();
        for number in 0..self.sessions {
            let due = time.mul_f64(f64::from(number) / f64::from(self.sessions));
            std::thread::sleep(due.saturating_sub(began.elapsed()));
            let order = Order { number, life: 0 };
            self.orders
                .blocking_send(order)
                .map_err(|_| anyhow!("the set-up thread has ended"))?;
        }
        Ok(())
    }

    pub(crate) fn going(&self) -> Going {
        Going {
            live: shared::read(&self.shared.live),
            messages: shared::read(&self.shared.messages),
            faults: shared::read(&self.shared.faults),
        }
    }

    /// Whether every session has been set up, or has failed.
    pub(crate) fn is_up(&self) -> bool {
        let going = self.going();
        going.live + going.faults >= u64::from(self.sessions)
    }

    pub(crate) fn begin(&self) {
        self.shared.begin();
    }

    pub(crate) fn end(&self) {
        self.shared.end();
    }

    /// Ends all sessions in good form, and says what was seen.
    pub(crate) fn finish(self) -> anyhow::Result<Tally> {
        self.shared.close();
        drop(self.orders);
        let mut tally = Tally::default();
        for engine in self.engines {
            let done = engine
                .join()
                .map_err(|_| anyhow!("a load thread has panicked"))?;
            tally.add(done.context("a load thread failed")?);
        }
        let setup = self
            .setup
            .join()
            .map_err(|_| anyhow!("the set-up thread has panicked"))?;
        tally
            .faults
            .add(setup.context("sessions could not be set up")?);
        Ok(tally)
    }
}
