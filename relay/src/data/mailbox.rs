//! The bounded way from control into a worker, and the few figures that come back.
//!
//! Never waits: a full mailbox is an answer, and control decides what to do with it.
//! Orders that must not be lost (end all, stop) are flags beside the queue.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use mio::{Registry, Waker};

use super::reason::EndReason;
use super::stats::{Counter, Counters};
use super::table::WAKER;
use crate::limits;

/// Two connected sockets that shall be one session.
#[derive(Debug)]
pub struct NewSession {
    /// Chosen by control; unique among the sessions that live.
    pub id: u64,
    pub client: OwnedFd,
    pub host: OwnedFd,
}

#[derive(Debug)]
pub(super) enum Command {
    Join(NewSession),
    End(u64, EndReason),
}

/// Control's end of a mailbox.
#[derive(Debug)]
pub(super) struct Mailbox {
    queue: SyncSender<Command>,
    waker: Waker,
    desk: Arc<Desk>,
    refusals: AtomicU64,
    /// Beats at the last look, and whether there were as many at the look before.
    seen: AtomicU64,
    stuck: AtomicBool,
}

/// The worker's end of a mailbox.
#[derive(Debug)]
pub(super) struct Inbox {
    queue: Receiver<Command>,
    pub(super) desk: Arc<Desk>,
}

/// What both ends see.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// Sessions of this worker, those in the queue included.
    load: AtomicUsize,
    /// One more than the index of the reason to end all sessions with; zero for no such order.
    end_all: AtomicU8,
    stop: AtomicBool,
    beats: Counter,
    pub(super) counters: Counters,
}

pub(super) fn mailbox(registry: &Registry) -> io::Result<(Mailbox, Inbox)> {
    let (sender, receiver) = sync_channel(limits::MAILBOX_LEN);
    let desk = Arc::new(Desk::default());
    let mailbox = Mailbox {
        queue: sender,
        waker: Waker::new(registry, WAKER)?,
        desk: Arc::clone(&desk),
        refusals: AtomicU64::new(0),
        seen: AtomicU64::new(0),
        stuck: AtomicBool::new(false),
    };
    Ok((
        mailbox,
        Inbox {
            queue: receiver,
            desk,
        },
    ))
}

impl Mailbox {
    /// Hands a session over, or back when the mailbox is full or the worker is gone.
    pub(super) fn join(&self, session: NewSession) -> Result<(), NewSession> {
        // Counted before it is sent: the worker may be done with it before we return.
        self.desk.load.fetch_add(1, Ordering::Relaxed);
        self.post(Command::Join(session)).map_err(|command| {
            self.desk.load.fetch_sub(1, Ordering::Relaxed);
            match command {
                Command::Join(session) => session,
                Command::End(..) => unreachable!("a channel gives back what it was given"),
            }
        })
    }

    /// Asks for the end of a session; `false` when the mailbox is full.
    pub(super) fn end(&self, id: u64, reason: EndReason) -> bool {
        self.post(Command::End(id, reason)).is_ok()
    }

    /// Orders the end of every session that was handed over before.
    pub(super) fn end_all(&self, reason: EndReason) {
        let order = u8::try_from(reason.index() + 1).expect("there are eleven reasons");
        self.desk.end_all.store(order, Ordering::Release);
        self.wake();
    }

    pub(super) fn stop(&self) {
        self.desk.stop.store(true, Ordering::Release);
        self.wake();
    }

    pub(super) fn load(&self) -> usize {
        self.desk.load.load(Ordering::Relaxed)
    }

    pub(super) fn beats(&self) -> u64 {
        self.desk.beats.get()
    }

    /// Looks whether the worker has moved since the last look.
    pub(super) fn look(&self) {
        let beats = self.beats();
        let seen = self.seen.swap(beats, Ordering::Relaxed);
        self.stuck.store(beats == seen, Ordering::Relaxed);
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Relaxed)
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.desk.counters
    }

    pub(super) fn refusals(&self) -> u64 {
        self.refusals.load(Ordering::Relaxed)
    }

    fn post(&self, command: Command) -> Result<(), Command> {
        match self.queue.try_send(command) {
            Ok(()) => {
                self.wake();
                Ok(())
            }
            Err(TrySendError::Full(command) | TrySendError::Disconnected(command)) => {
                self.refusals.fetch_add(1, Ordering::Relaxed);
                Err(command)
            }
        }
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            // Not lost, only late: the worker looks into its mailbox at every beat.
            tracing::warn!(%error, "Could not wake a data worker");
        }
    }
}

impl Inbox {
    pub(super) fn next(&self) -> Option<Command> {
        self.queue.try_recv().ok()
    }
}

impl Desk {
    /// Takes the order to end all sessions. What was handed over before it is in the queue by now.
    pub(super) fn take_end_all(&self) -> Option<EndReason> {
        let order = self.end_all.swap(0, Ordering::Acquire);
        let index = usize::from(order).checked_sub(1)?;
        EndReason::ALL.get(index).copied()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(super) fn beat(&self) {
        self.beats.add(1);
    }

    pub(super) fn drop_one(&self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
    }
}
