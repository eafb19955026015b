//! A worker's pipes: made when first needed, bounded, used again while they are empty.
//!
//! INVARIANT: every idle pipe is empty. A pipe with bytes inside is destroyed, never given back.

use crate::limits;
use crate::sys::pipe::Pipe;

/// The pipes of one worker.
#[derive(Debug)]
pub(super) struct PipePool {
    idle: Vec<Pipe>,
    /// Pipes that exist, idle or not.
    alive: usize,
    alive_max: usize,
    /// The kernel refused a pipe; not asked again before the next [`PipePool::retry`].
    refused: bool,
}

impl PipePool {
    pub(super) fn new(alive_max: usize) -> Self {
        Self {
            idle: Vec::with_capacity(alive_max),
            alive: 0,
            alive_max,
            refused: false,
        }
    }

    /// Hands out an empty pipe, if the bound and the kernel allow it.
    pub(super) fn take(&mut self) -> Option<Pipe> {
        if let Some(pipe) = self.idle.pop() {
            return Some(pipe);
        }
        if self.alive >= self.alive_max || self.refused {
            return None;
        }
        match Pipe::new(limits::PIPE_BYTES) {
            Ok(pipe) => {
                self.alive += 1;
                Some(pipe)
            }
            Err(error) => {
                // At most once a beat, because of `refused`.
                tracing::warn!(%error, alive = self.alive, "No pipe to be had, bulk is copied");
                self.refused = true;
                None
            }
        }
    }

    /// Takes an empty pipe back.
    pub(super) fn give(&mut self, pipe: Pipe) {
        self.idle.push(pipe);
    }

    /// Closes a pipe that may still hold bytes.
    pub(super) fn destroy(&mut self, pipe: Pipe) {
        drop(pipe);
        self.alive -= 1;
    }

    /// Lets the kernel be asked again after a refusal.
    pub(super) fn retry(&mut self) {
        self.refused = false;
    }

    pub(super) fn in_use(&self) -> usize {
        self.alive - self.idle.len()
    }

    pub(super) fn idle(&self) -> usize {
        self.idle.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_counts_pipes_in_use_and_a_destroyed_one_makes_room() {
        let mut pool = PipePool::new(2);
        let first = pool.take().expect("first pipe");
        let second = pool.take().expect("second pipe");
        assert!(pool.take().is_none(), "one past the limit");

        pool.give(first);
        assert_eq!((pool.in_use(), pool.idle()), (1, 1));
        pool.destroy(second);
        assert_eq!((pool.in_use(), pool.idle()), (0, 1));

        assert!(pool.take().is_some() && pool.take().is_some());
        assert_eq!((pool.in_use(), pool.idle()), (2, 0));
    }
}
