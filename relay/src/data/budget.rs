//! How much kernel memory a session may hold, so that all of them stalled both ways still fit.
//!
//! Pure arithmetic. Sessions are counted in tiers that double, because caps are changed one socket
//! at a time: within a tier nothing is touched.
//!
//! One session in the worst case: two receive and two send buffers, each twice its `SO_*BUF` value
//! (that is how the kernel counts), and one parked read for each direction.

use thiserror::Error;

use crate::limits;

/// Kernel buffers of one session for each byte of its cap: four buffers, doubled by the kernel.
const BUFFER_SHARE: usize = 8;

/// Parked reads of one session.
const PARKED_READS: usize = 2;

/// Caps are whole multiples of this.
const STEP: usize = 256;

/// Fewer sessions than this are not told apart.
const FIRST_TIER: usize = 32;

/// The memory that all joined sessions share.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    bytes: usize,
    sessions_max: usize,
}

/// A number of sessions that the caps are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tier(usize);

/// What one session may hold in a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Value for `SO_RCVBUF` and `SO_SNDBUF`.
    pub socket_buffer: usize,
    /// Longest plain read, and so the most that a stalled sink leaves in user memory.
    pub copy_max: usize,
}

/// The memory does not suffice for the sessions.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{given} bytes are too few: {sessions} sessions need {needed}")]
pub struct BudgetTooSmall {
    given: usize,
    needed: usize,
    sessions: usize,
}

impl Budget {
    /// Divides `memory_bytes` between pipes, parked legs and `sessions_max` sessions.
    ///
    /// # Errors
    /// Not even [`limits::SOCKET_BUFFER_MIN`] a buffer is left.
    pub fn new(
        memory_bytes: usize,
        sessions_max: usize,
        pipes: usize,
    ) -> Result<Self, BudgetTooSmall> {
        let apart = pipes
            .saturating_mul(limits::PIPE_BYTES)
            .saturating_add(limits::PARKED_LEGS_MAX * limits::PARKED_LEG_BYTES);
        let smallest = (BUFFER_SHARE + PARKED_READS) * limits::SOCKET_BUFFER_MIN;
        let needed = apart.saturating_add(sessions_max.saturating_mul(smallest));
        if memory_bytes < needed {
            return Err(BudgetTooSmall {
                given: memory_bytes,
                needed,
                sessions: sessions_max,
            });
        }
        Ok(Self {
            bytes: memory_bytes - apart,
            sessions_max: sessions_max.max(1),
        })
    }

    /// The tier to start with.
    pub fn first_tier(&self) -> Tier {
        self.smallest_tier(0)
    }

    /// The tier for this many sessions, coming from `current`.
    ///
    /// It rises at once and falls only when a quarter is left, so it does not flap.
    pub fn next_tier(&self, current: Tier, sessions: usize) -> Tier {
        let smallest = self.smallest_tier(sessions);
        if smallest > current || sessions <= current.0 / 4 {
            smallest
        } else {
            current
        }
    }

    /// What each session may hold while there are no more of them than the tier says.
    pub fn caps(&self, tier: Tier) -> Caps {
        let share = self.bytes / tier.0;
        let parked_max = PARKED_READS * limits::COPY_BUFFER;
        // A parked read is as long as the buffer cap, but never longer than the copy buffer.
        let even = share / (BUFFER_SHARE + PARKED_READS);
        let socket_buffer = if even <= limits::COPY_BUFFER {
            even
        } else {
            (share - parked_max) / BUFFER_SHARE
        };
        let socket_buffer = (socket_buffer / STEP * STEP).min(limits::SOCKET_BUFFER_MAX);
        Caps {
            socket_buffer,
            copy_max: socket_buffer.min(limits::COPY_BUFFER),
        }
    }

    fn smallest_tier(&self, sessions: usize) -> Tier {
        Tier(
            sessions
                .max(FIRST_TIER)
                .next_power_of_two()
                .min(self.sessions_max),
        )
    }
}

impl Caps {
    /// The most that one session can pin, by the kernel's way of counting.
    pub fn worst_case(self) -> usize {
        BUFFER_SHARE * self.socket_buffer + PARKED_READS * self.copy_max
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn default_budget() -> Budget {
        Budget::new(limits::MEMORY_BUDGET, limits::SESSIONS_MAX, limits::PIPES)
            .expect("the defaults agree with each other")
    }

    #[test]
    fn few_sessions_get_full_buffers_and_many_get_their_share() {
        let budget = default_budget();
        let caps = |sessions| budget.caps(budget.next_tier(budget.first_tier(), sessions));

        assert_eq!(caps(1).socket_buffer, limits::SOCKET_BUFFER_MAX);
        assert_eq!(caps(1).copy_max, limits::COPY_BUFFER);
        assert_eq!(caps(32), caps(1));
        assert!(caps(33).socket_buffer < caps(32).socket_buffer);
        assert!(caps(2_000).socket_buffer >= limits::SOCKET_BUFFER_MIN);
    }

    #[test]
    fn a_budget_is_refused_one_byte_below_what_it_needs() {
        let apart = limits::PARKED_LEGS_MAX * limits::PARKED_LEG_BYTES + limits::PIPE_BYTES;
        let needed = apart + 100 * 10 * limits::SOCKET_BUFFER_MIN;

        let budget = Budget::new(needed, 100, 1).expect("exactly enough");
        let full = budget.next_tier(budget.first_tier(), 100);
        assert_eq!(budget.caps(full).socket_buffer, limits::SOCKET_BUFFER_MIN);
        assert!(Budget::new(needed - 1, 100, 1).is_err());
    }

    #[test]
    fn a_tier_does_not_flap_around_its_edge() {
        let budget = default_budget();
        let mut tier = budget.next_tier(budget.first_tier(), 65);
        let high = tier;

        for sessions in [64, 65, 33, 40, 128] {
            tier = budget.next_tier(tier, sessions);
            assert_eq!(tier, high, "with {sessions} sessions");
        }

        assert!(budget.next_tier(tier, 32) < high);
        assert!(budget.next_tier(tier, 129) > high);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn all_sessions_stalled_stay_within_the_budget(
            memory in 16_usize << 20..4 << 30,
            sessions_max in 1_usize..20_000,
            pipes in 0_usize..512,
            counts in proptest::collection::vec(any::<prop::sample::Index>(), 1..20),
        ) {
            let Ok(budget) = Budget::new(memory, sessions_max, pipes) else { return Ok(()) };
            let mut tier = budget.first_tier();
            for count in counts {
                let sessions = count.index(sessions_max) + 1;
                tier = budget.next_tier(tier, sessions);
                let caps = budget.caps(tier);
                let fixed = pipes * limits::PIPE_BYTES
                    + limits::PARKED_LEGS_MAX * limits::PARKED_LEG_BYTES;
                prop_assert!(sessions * caps.worst_case() + fixed <= memory);
                prop_assert!(caps.socket_buffer >= limits::SOCKET_BUFFER_MIN);
                prop_assert!(caps.socket_buffer <= limits::SOCKET_BUFFER_MAX);
                prop_assert!(caps.copy_max <= limits::COPY_BUFFER);
            }
        }
    }
}
