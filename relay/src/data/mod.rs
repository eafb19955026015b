//! DATA PLANE: joins two sockets in the kernel and moves bytes that nobody here can read.
//!
//! Owns every joined session until it ends. No async, no lock, no allocation and no log line per
//! event; never waits for control, and outlives a control plane that stalls.
//! Control sees [`DataPlane`] and nothing else. The newcomer's path from here:
//! `reactor` (the loop), `session` and `flow` (pure decisions), `forward` (system calls).

mod batching;
pub mod budget;
pub mod flow;
mod forward;
pub mod leg;
mod mailbox;
mod pipe;
mod reactor;
pub mod reason;
mod seats;
pub mod session;
#[cfg(test)]
mod simulation;
mod stats;
mod sweep;
mod table;

use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{Builder, JoinHandle};

use mio::Poll;
use thiserror::Error;

pub use budget::BudgetTooSmall;
pub use flow::DataPath;
pub use leg::{Both, Direction, Leg};
pub use mailbox::NewSession;
pub use reason::EndReason;
pub use stats::Stats;

use crate::limits;
use budget::Budget;
use mailbox::{Mailbox, mailbox};
use reactor::{Share, Worker};
use seats::Seats;

/// How the data plane is made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Threads. A board with four cores wants three: interrupts keep one busy.
    pub workers: usize,
    pub sessions_max: usize,
    /// Kernel memory for socket buffers, pipes and parked legs together.
    pub memory_budget: usize,
    /// Pipes of all workers together; bulk beyond them is copied.
    pub pipes: usize,
    pub data_path: DataPath,
    /// Small messages may wait up to [`limits::BATCH_MAX`] for others while they come thick.
    pub batching: bool,
}

/// One session is over; every session that was joined gives exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionEnd {
    pub id: u64,
    pub reason: EndReason,
    /// Bytes that the kernel took for each leg.
    pub bytes: Both<u64>,
}

/// Why the data plane cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("there must be at least one data worker")]
    NoWorkers,
    #[error(transparent)]
    Budget(#[from] BudgetTooSmall),
    #[error("cannot start a data worker")]
    Worker(#[from] io::Error),
}

/// The running data plane, as control sees it. Every call returns at once, except
/// [`DataPlane::shutdown`].
#[derive(Debug)]
pub struct DataPlane {
    workers: Vec<Mailbox>,
    seats: Arc<Seats>,
    /// Shut for good by the shutdown, so that no join is lost in the mailbox of a worker that
    /// stops. Control's lock only: no worker knows it.
    open: RwLock<bool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: 1,
            sessions_max: limits::SESSIONS_MAX,
            memory_budget: limits::MEMORY_BUDGET,
            pipes: limits::PIPES,
            data_path: DataPath::Auto,
            batching: true,
        }
    }
}

impl DataPlane {
    /// Starts the workers.
    ///
    /// `ended` runs on a worker's thread between two sessions' bytes: it must not block.
    ///
    /// # Errors
    /// The settings contradict each other, or the kernel refuses a thread or a poll.
    pub fn start(
        settings: Settings,
        ended: impl Fn(SessionEnd) + Send + Clone + 'static,
    ) -> Result<Self, StartError> {
        if settings.workers == 0 {
            return Err(StartError::NoWorkers);
        }
        let budget = Budget::new(
            settings.memory_budget,
            settings.sessions_max,
            settings.pipes,
        )?;
        let seats = Arc::new(Seats::new(settings.sessions_max));
        let mut plane = Self {
            workers: Vec::with_capacity(settings.workers),
            seats: Arc::clone(&seats),
            open: RwLock::new(true),
            threads: Mutex::new(Vec::with_capacity(settings.workers)),
        };
        for index in 0..settings.workers {
            let poll = Poll::new()?;
            let (mailbox, inbox) = mailbox(poll.registry())?;
            // The first workers get what does not divide evenly.
            let remainder = usize::from(index < settings.pipes % settings.workers);
            let share = Share {
                data_path: settings.data_path,
                batching: settings.batching,
                budget,
                pipes_max: settings.pipes / settings.workers + remainder,
                seats: Arc::clone(&seats),
            };
            let worker = Worker::new(poll, inbox, share, ended.clone());
            let thread = Builder::new()
                .name(format!("data-{index}"))
                .spawn(|| worker.run())?;
            plane.workers.push(mailbox);
            lock(&plane.threads).push(thread);
        }
        Ok(plane)
    }

    /// Joins two sockets: the least loaded worker takes them.
    ///
    /// Whatever already lies in their receive queues belongs to the session.
    ///
    /// # Errors
    /// Gives the session back when `sessions_max` is reached, every mailbox is full, or the data
    /// plane has shut down.
    pub fn join(&self, session: NewSession) -> Result<(), NewSession> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        if !*open || !self.seats.take() {
            return Err(session);
        }
        // A worker that is stuck comes last: a session would stand still there.
        let burden = |worker: &Mailbox| (worker.is_stuck(), worker.load());
        let least_loaded = (0..self.workers.len())
            .min_by_key(|index| self.workers.get(*index).map(burden))
            .unwrap_or(0);
        let mut rest = session;
        let (before, from) = self.workers.split_at(least_loaded);
        for worker in from.iter().chain(before) {
            match worker.join(rest) {
                Ok(()) => return Ok(()),
                Err(given_back) => rest = given_back,
            }
        }
        self.seats.release();
        Err(rest)
    }

    /// Asks for the end of one session; unknown ones are ignored.
    ///
    /// Returns `false` when a mailbox was full: ask again later.
    pub fn end(&self, id: u64, reason: EndReason) -> bool {
        // Every worker is asked, whatever the others answered.
        let refusals = self
            .workers
            .iter()
            .filter(|worker| !worker.end(id, reason))
            .count();
        refusals == 0
    }

    /// Ends every session that was joined before this call.
    pub fn end_all(&self, reason: EndReason) {
        for worker in &self.workers {
            worker.end_all(reason);
        }
    }

    /// The figures of all workers.
    pub fn stats(&self) -> Stats {
        let sessions_now = u64::try_from(self.seats.taken()).unwrap_or(u64::MAX);
        let mut stats = Stats {
            sessions_now,
            ..Stats::default()
        };
        for worker in &self.workers {
            worker.counters().add_to(&mut stats);
            stats.mailbox_refusals += worker.refusals();
        }
        stats
    }

    /// A counter for each worker that never stands still for two [`limits::BEAT`]s, unless that
    /// worker is stuck.
    pub fn beats(&self) -> Vec<u64> {
        self.workers.iter().map(Mailbox::beats).collect()
    }

    /// Finds out who is stuck; to be called every [`limits::WATCH_INTERVAL`].
    pub fn look(&self) {
        self.workers.iter().for_each(Mailbox::look);
    }

    /// The workers that had not moved at the last look.
    pub fn stuck(&self) -> Vec<usize> {
        let workers = self.workers.iter().enumerate();
        workers
            .filter(|(_, worker)| worker.is_stuck())
            .map(|(index, _)| index)
            .collect()
    }

    /// Ends every session and waits for the workers. Joins are refused from now on.
    pub fn shutdown(&self) {
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = false;
        for worker in &self.workers {
            worker.stop();
        }
        for thread in lock(&self.threads).drain(..) {
            if thread.join().is_err() {
                tracing::error!("Data worker had panicked");
            }
        }
    }
}

impl Drop for DataPlane {
    fn drop(&mut self) {
        self.shutdown();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
