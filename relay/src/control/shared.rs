//! What every connection's task can reach: settings, tables, counters, and the news of the board.
//!
//! All locks here are held for moments only, and never across an await.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::refusal::{Refusal, RefusalCode};
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::{Duration, Instant, sleep};

use super::Settings;
use super::admission::{Admission, Attempt, Bounds, Rates, Verdict};
use super::counters::{Counters, TurnedAway};
use super::invite::Invites;
use super::leg::Answer;
use super::presence::Presence;
use super::refusal;
use super::session::{Forwarding, Sessions};
use crate::config::Bar;
use crate::data::EndReason;
use crate::limits;
use crate::registrar::{Registrar, SignedList};
use crate::tls::OuterTls;

/// The state of the control plane.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) tls: OuterTls,
    pub(super) registrar: Arc<Registrar>,
    pub(super) data: Arc<dyn Forwarding>,
    pub(super) counters: Counters,
    pub(super) presence: Presence,
    pub(super) sessions: Sessions,
    /// Bounds the threads that verify claims.
    pub(super) registrations: Semaphore,
    /// Bounds those who wait for one of them.
    pub(super) registrations_waiting: Semaphore,
    pub(super) bars: watch::Sender<Arc<[Bar]>>,
    /// What links that begin now are told.
    pub(super) ping_interval: watch::Sender<Duration>,
    pub(super) drain: watch::Sender<Option<Drain>>,
    pub(super) board_list: watch::Sender<Arc<SignedList>>,
    pub(super) stop: watch::Sender<bool>,
    admission: Mutex<Admission<AbortHandle>>,
    invites: Mutex<Invites<Answer>>,
}

/// The board is being emptied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drain {
    /// When the sessions that are left are ended.
    pub(super) until: Instant,
}

/// A connection that has proven nothing yet; dropping it takes it off the count.
#[derive(Debug)]
pub(super) struct Unproven {
    number: u64,
    shared: Arc<Shared>,
}

/// What becomes of a new connection.
#[derive(Debug)]
pub(super) enum Entry {
    Enter(Unproven),
    Wait,
}

impl Shared {
    pub(super) fn new(
        settings: Settings,
        tls: OuterTls,
        registrar: Arc<Registrar>,
        data: Arc<dyn Forwarding>,
    ) -> Self {
        let bounds = Bounds {
            unproven_max: limits::UNPROVEN_MAX,
            unproven_per_address: settings.unproven_per_address,
            grace: limits::UNPROVEN_GRACE,
            rates: Rates {
                handshakes: limits::HANDSHAKE_FAILURES,
                lookups: settings.failed_lookups,
                tickets: limits::WRONG_TICKETS,
            },
        };
        Self {
            tls,
            data,
            counters: Counters::new(),
            presence: Presence::new(settings.links_max),
            sessions: Sessions::new(settings.sessions_max),
            registrations: Semaphore::new(limits::REGISTRATIONS_AT_ONCE),
            registrations_waiting: Semaphore::new(limits::REGISTRATIONS_WAITING),
            bars: watch::Sender::new(Arc::from(settings.bars.as_slice())),
            ping_interval: watch::Sender::new(settings.ping_interval),
            drain: watch::Sender::new(None),
            board_list: watch::Sender::new(registrar.board_list()),
            stop: watch::Sender::new(false),
            admission: Mutex::new(Admission::new(bounds, Instant::now().into_std())),
            invites: Mutex::new(Invites::new(settings.parked_max)),
            registrar,
            settings,
        }
    }

    pub(super) fn invites(&self) -> MutexGuard<'_, Invites<Answer>> {
        self.invites.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn bound_unproven(&self, per_address: usize) {
        self.admission().bound_per_address(per_address);
    }

    /// Connections that have proven nothing yet.
    pub(super) fn unproven(&self) -> usize {
        self.admission().unproven()
    }

    /// Whether a new connection is heard at all; `chance` is random. To be asked once for each: who
    /// waits for a place must not be at risk again and again.
    pub(super) fn may_enter(&self, from: IpAddr, chance: u16) -> bool {
        let now = Instant::now().into_std();
        let may_enter = !self.admission().turns_away(from, chance, now);
        if !may_enter {
            self.counters.count_turned_away(TurnedAway::Failures);
        }
        may_enter
    }

    /// Lets a new connection in, or keeps it waiting. Whoever has to make room is ended.
    pub(super) fn enter(self: &Arc<Self>, from: IpAddr) -> Entry {
        let mut admission = self.admission();
        match admission.enter(from, Instant::now().into_std()) {
            Verdict::Enter { number, evict } => {
                if let Some(evicted) = evict {
                    // Under the lock: a connection that has just proven itself is safe from it.
                    evicted.abort();
                    self.counters.count_evicted();
                }
                Entry::Enter(Unproven {
                    number,
                    shared: Arc::clone(self),
                })
            }
            Verdict::Wait => Entry::Wait,
        }
    }

    /// Says which task serves an unproven connection.
    pub(super) fn attach(&self, number: u64, task: AbortHandle) {
        self.admission().attach(number, task);
    }

    /// Notes that an attempt from there failed. Returns `false` when there were so many that the
    /// peer should not even be told why.
    pub(super) fn note_failure(&self, from: IpAddr, attempt: Attempt) -> bool {
        let now = Instant::now().into_std();
        self.admission().failed(from, attempt, now)
    }

    /// Notes that an attempt from there failed, and gives the refusal that the peer may see.
    pub(super) fn failed(
        &self,
        from: IpAddr,
        attempt: Attempt,
        refusal: Box<Refusal>,
    ) -> Box<Refusal> {
        if self.note_failure(from, attempt) {
            refusal
        } else {
            refusal::soon(RefusalCode::TooManyAttempts)
        }
    }

    /// The refusal for an address that the operator bars.
    pub(super) fn bar(&self, address: IpAddr) -> Option<Box<Refusal>> {
        let bars = self.bars.borrow();
        let bar = bars.iter().find(|bar| bar.range.contains(&address))?;
        Some(refusal::barred(bar.contact.clone()))
    }

    /// Ends a session because the operator wants it.
    pub(super) async fn end_session(&self, id: u64) {
        // A mailbox is full while its worker ends others.
        while self.sessions.lives(id) && !self.data.end(id, EndReason::Operator) {
            sleep(limits::ACCEPT_PAUSE).await;
        }
    }

    /// The refusal for new hosts and sessions while the board is being emptied.
    pub(super) fn draining(&self) -> Option<Box<Refusal>> {
        let drain = (*self.drain.borrow())?;
        let rest = drain.rest(Instant::now());
        let refusal = Refusal::from(RefusalCode::Draining);
        Some(Box::new(refusal.retry_after(rest.max(limits::RETRY_SOON))))
    }

    fn admission(&self) -> MutexGuard<'_, Admission<AbortHandle>> {
        self.admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the relay stops.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Without a sender there is no control plane any more, which is a stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

impl Drain {
    /// Time until the end.
    pub(super) fn rest(self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }
}

impl Unproven {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Takes it off the count, because it has proven itself. Returns `false` when it was evicted
    /// this very moment: its task will be ended, and must promise its peer nothing any more.
    pub(super) fn prove(self) -> bool {
        self.shared.admission().leave(self.number)
    }
}

impl Drop for Unproven {
    fn drop(&mut self) {
        self.shared.admission().leave(self.number);
    }
}
