//! A descriptor kept for the time when there are none.
//!
//! Whoever accepts an operator gives it up to have room for that one connection, and takes it back
//! afterwards: a relay that is out of descriptors can still be asked what it is short of. It is
//! made at the start, so its number stays below a limit that is lowered later (`prlimit(2)`).

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The place of one descriptor.
#[derive(Debug, Default)]
pub struct Spare(Mutex<Option<OwnedFd>>);

impl Spare {
    /// Takes a place if none is held: a duplicate of `any` stands in it.
    pub fn refill(&self, any: &impl AsFd) {
        let mut place = self.place();
        if place.is_none() {
            // Without one, the next shortage is as bad as if there were no spare.
            *place = any.as_fd().try_clone_to_owned().ok();
        }
    }

    /// Gives the place up; whoever opens a descriptor next has it.
    pub fn release(&self) {
        *self.place() = None;
    }

    fn place(&self) -> MutexGuard<'_, Option<OwnedFd>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
