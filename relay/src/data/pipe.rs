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
    /// The kernel refused a pipe; not asked again before the next beat.
    refused: bool,
    /// The log knows, and none has been made since.
    warned: bool,
    /// Somebody got none since the last beat.
    short: bool,
    /// The fewest idle pipes since the last beat: those that nobody missed.
    surplus: usize,
}

impl PipePool {
    pub(super) fn new(alive_max: usize) -> Self {
        Self {
            idle: Vec::with_capacity(alive_max),
            alive: 0,
            alive_max,
            refused: false,
            warned: false,
            short: false,
            surplus: 0,
        }
    }

    /// Hands out an empty pipe, if the bound and the kernel allow it.
    pub(super) fn take(&mut self) -> Option<Pipe> {
        if let Some(pipe) = self.idle.pop() {
            self.surplus = self.surplus.min(self.idle.len());
            return Some(pipe);
        }
        if self.alive >= self.alive_max || self.refused {
            self.short = true;
            return None;
        }
        match Pipe::new(limits::PIPE_BYTES) {
            Ok(pipe) => {
                self.alive += 1;
                self.warned = false;
                Some(pipe)
            }
            Err(error) => {
                if !self.warned {
                    tracing::warn!(%error, alive = self.alive, "No pipe to be had, bulk is copied");
                }
                self.warned = true;
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

    /// Closes the pipes that nobody has needed since the last beat, and lets the kernel be asked
    /// again after a refusal. Says whether anybody has gone without.
    pub(super) fn beat(&mut self) -> bool {
        self.refused = false;
        self.idle.truncate(self.idle.len() - self.surplus);
        self.alive -= self.surplus;
        self.surplus = self.idle.len();
        std::mem::take(&mut self.short)
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

    #[test]
    fn a_pipe_that_nobody_needs_for_a_beat_is_closed() {
        let mut pool = PipePool::new(2);
        let (first, second) = (pool.take().expect("a pipe"), pool.take().expect("another"));
        assert!(!pool.beat(), "nobody went without");
        assert!(pool.take().is_none());
        pool.give(first);
        pool.give(second);
        assert!(pool.beat(), "somebody went without");
        assert_eq!(pool.idle(), 2, "both were needed");

        let first = pool.take().expect("a pipe");
        pool.give(first);
        assert!(!pool.beat());
        assert_eq!(pool.idle(), 1, "one was enough");
        pool.beat();
        assert_eq!((pool.in_use(), pool.idle()), (0, 0));
    }
}
