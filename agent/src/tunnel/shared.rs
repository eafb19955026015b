//! What the driver of a tunnel and the holders of its streams share: the mux and who waits.
//!
//! The lock is held for a copy of at most a frame or a reader's buffer, never across a wait.

use std::sync::{Mutex, MutexGuard};
use std::task::Waker;

use protocol::refusal::RefusalCode;
use tokio::sync::Notify;

use super::Ended;
use super::mux::{Mux, Role, SLOTS, Slot, Touched};

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// A stream waits to be accepted, the wish to leave full screen to be heard, or the tunnel
    /// has ended.
    pub(super) news: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) mux: Mux,
    pub(super) readers: [Option<Waker>; SLOTS],
    pub(super) writers: [Option<Waker>; SLOTS],
    pub(super) driver: Option<Waker>,
    /// The driver will see to acknowledgements that wait for data to ride on.
    pub(super) ack_timer: bool,
    /// Somebody holds the tunnel and may open or accept streams.
    pub(super) held: bool,
    pub(super) ended: Option<Ended>,
}

impl Shared {
    pub(super) fn new(role: Role) -> Self {
        Self {
            state: Mutex::new(State {
                mux: Mux::new(role),
                readers: Default::default(),
                writers: Default::default(),
                driver: None,
                ack_timer: false,
                held: true,
                ended: None,
            }),
            news: Notify::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nobody panics while holding the tunnel's lock")
    }

    /// Marks the tunnel as ended, once.
    pub(super) fn end(&self, ended: Ended) {
        let mut state = self.lock();
        if state.ended.is_none() {
            state.ended = Some(ended);
            state.mux.fail();
            for slot in 0..SLOTS {
                wake(&mut state.readers[slot]);
                wake(&mut state.writers[slot]);
            }
        }
        drop(state);
        self.news.notify_waiters();
    }
}

impl State {
    /// Wakes whom a frame concerned; says whether there is news for the holder of the tunnel.
    pub(super) fn wake_touched(&mut self, touched: &Touched) -> bool {
        if touched.news && !self.held {
            self.refuse_opened();
            return false;
        }
        if let Some(slot) = touched.stream {
            wake(&mut self.readers[slot]);
        }
        if touched.room {
            self.writers.iter_mut().for_each(wake);
        }
        touched.news
    }

    /// Wakes the driver if it has something to do.
    pub(super) fn wake_driver(&mut self) {
        if self.mux.has_frame() || (!self.ack_timer && self.mux.is_unannounced()) || !self.held {
            wake(&mut self.driver);
        }
    }

    /// Resets the streams that nobody will accept any more.
    pub(super) fn refuse_opened(&mut self) {
        while let Some(slot) = self.mux.accept() {
            self.mux.reset(slot, RefusalCode::HostStopping);
            self.mux.release(slot);
        }
    }

    /// Forgets who waited for a stream whose holder lets go.
    pub(super) fn release(&mut self, slot: Slot) {
        self.readers[slot] = None;
        self.writers[slot] = None;
        self.mux.release(slot);
        self.wake_driver();
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
