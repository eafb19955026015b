//! How much memory a session may hold, so that all of them stalled both ways still fit.
//!
//! Pure arithmetic. Sessions are counted in tiers that double, because caps are changed one socket
//! at a time: within a tier nothing is touched.
//!
//! What a flow pins whose sink takes nothing, by the kernel's way of counting (`ss(8)`, `skmem`):
//!
//! ```text
//!   source's receive queue   2 x receive_buffer + RECEIVE_EXCESS
//!   one read                 read_max, parked or in a pipe
//!   sink's send queue        2 x send_buffer + tail + SEGMENT_HEADER
//! ```
//!
//! The kernel keeps twice what `SO_RCVBUF` and `SO_SNDBUF` say. It looks at the send buffer only
//! when it begins a segment, so the *tail* is how long the last one may grow: [`limits::SEGMENT_MAX`]
//! by splices; by writes the longest run that [`ends_run`] allows, and one write more. (Without
//! ending runs a send buffer of 5 KiB was seen to hold 56 KiB.)
//!
//! How a flow's room is divided depends on what it is good for:
//!
//! - *Bulk* is spliced, and what a byte costs is decided by how many of them a splice moves. Beyond
//!   a receive buffer of [`limits::SPLICED_RECEIVE_BUFFER`] room goes into longer reads, and into a
//!   send buffer that takes them. (Seen over a wire: half of the CPU time of reads of 20 KiB.)
//! - With less room everything is copied, and a flow has two and a half receive buffers for one
//!   read, its tail and the send buffer: a read comes first, because a message that does not fit one
//!   costs every call twice (seen: 23% more calls and 15% more CPU for messages of up to 1,400 bytes
//!   where a read had 1,365), and the send buffer is what is left.

use thiserror::Error;

use crate::limits;

/// Flows of one session.
const FLOWS: usize = 2;

/// What a flow pins whatever its caps are.
const FIXED: usize = limits::RECEIVE_EXCESS + limits::SEGMENT_HEADER;

/// Caps are whole multiples of this.
const STEP: usize = 64;

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
    /// Value for `SO_RCVBUF`.
    pub receive_buffer: usize,
    /// Value for `SO_SNDBUF`.
    pub send_buffer: usize,
    /// Longest single read, and so the most that a stalled sink leaves in a pipe or in user memory.
    /// Below [`limits::SPLICE_ENTER`] nothing is spliced.
    pub read_max: usize,
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
    /// Divides `memory_bytes` between pipes, connections before their join, and sessions.
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
            .saturating_add(limits::BEFORE_JOIN_BYTES);
        let smallest = share(limits::SOCKET_BUFFER_MIN);
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
        let share = (self.bytes / tier.0).min(limits::SESSION_BYTES_MAX);
        let room = share / FLOWS - FIXED;
        Caps::spliced(room).unwrap_or_else(|| Caps::copied(room))
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
    /// Divides a flow's room so that bulk can be spliced, if there is enough for splices that are
    /// worth it.
    fn spliced(room: usize) -> Option<Self> {
        let left = room.checked_sub(2 * limits::SPLICED_RECEIVE_BUFFER + limits::SEGMENT_MAX)?;
        // A read of three parts, and twice a send buffer of one.
        let send_buffer = left / 5 / STEP * STEP;
        (send_buffer >= limits::SPLICE_WORTH).then(|| Self {
            receive_buffer: limits::SPLICED_RECEIVE_BUFFER,
            send_buffer,
            read_max: (3 * send_buffer).min(limits::PIPE_BYTES),
        })
    }

    /// Divides a flow's room for copying.
    fn copied(room: usize) -> Self {
        let receive_buffer = (room * 2 / 9 / STEP * STEP).min(limits::SPLICED_RECEIVE_BUFFER);
        let room = receive_buffer * 5 / 2;
        let longest = (room - 2 * limits::SEND_BUFFER_MIN) * 2 / 5;
        let read_max = (receive_buffer / 2)
            .min(limits::SPLICE_ENTER - 1)
            .min(longest);
        Self {
            receive_buffer,
            send_buffer: (room - read_max - longest_tail(read_max)) / 2,
            read_max,
        }
    }

    /// The most that one session can pin with its reads in user memory; those in pipes take up to
    /// [`limits::PIPE_BYTES`] each.
    pub fn worst_case(self) -> usize {
        let tail = if self.read_max < limits::SPLICE_ENTER {
            longest_tail(self.read_max)
        } else {
            limits::SEGMENT_MAX
        };
        let receive_queue = 2 * self.receive_buffer + limits::RECEIVE_EXCESS;
        let send_queue = 2 * self.send_buffer + tail + limits::SEGMENT_HEADER;
        FLOWS * (receive_queue + self.read_max + send_queue)
    }
}

/// What a session that is copied needs for a receive buffer: for each flow two queues of twice as
/// much, and a read of half as much.
fn share(receive_buffer: usize) -> usize {
    FLOWS * (FIXED + receive_buffer * 9 / 2)
}

/// Whether a write that makes a run so long is the last one of its segment.
pub(super) fn ends_run(run: usize, read_max: usize) -> bool {
    run >= read_max / 2
}

/// The longest segment that writes of at most `read_max` bytes make, but that none is longer than
/// [`limits::SEGMENT_MAX`].
fn longest_tail(read_max: usize) -> usize {
    read_max / 2 + read_max
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn default_budget() -> Budget {
        Budget::new(limits::MEMORY_BUDGET, limits::SESSIONS_MAX, limits::PIPES)
            .expect("the defaults agree with each other")
    }

    fn default_caps(sessions: usize) -> Caps {
        let budget = default_budget();
        budget.caps(budget.next_tier(budget.first_tier(), sessions))
    }

    fn apart(pipes: usize) -> usize {
        pipes * limits::PIPE_BYTES + limits::BEFORE_JOIN_BYTES
    }

    #[test]
    fn few_sessions_get_full_buffers_and_many_get_their_share() {
        for sessions in [1, 32, 64, 128, 256, 512, 1_024, 2_000] {
            println!("{sessions}: {:?}", default_caps(sessions));
        }
        let most = default_caps(1);
        assert_eq!(most.read_max, limits::PIPE_BYTES, "a read fills a pipe");
        assert!(most.worst_case() <= limits::SESSION_BYTES_MAX);
        assert!(most.worst_case() > limits::SESSION_BYTES_MAX - 4 * 1024);
        assert_eq!(default_caps(128), most);
        assert!(default_caps(256).receive_buffer < most.receive_buffer);
        assert!(default_caps(2_000).receive_buffer >= limits::SOCKET_BUFFER_MIN);
    }

    #[test]
    fn a_full_segment_is_one_read_on_a_full_board() {
        let segment = usize::try_from(limits::SEGMENT_BYTES).expect("is small");

        assert!(default_caps(limits::SESSIONS_MAX).read_max >= segment);
    }

    #[test]
    fn bulk_is_spliced_until_the_board_is_crowded() {
        assert!(default_caps(128).read_max >= limits::SPLICE_ENTER);
        assert!(default_caps(129).read_max < limits::SPLICE_ENTER);
    }

    #[test]
    fn a_budget_is_refused_one_byte_below_what_it_needs() {
        let needed = apart(1) + 100 * share(limits::SOCKET_BUFFER_MIN);

        let budget = Budget::new(needed, 100, 1).expect("exactly enough");
        let full = budget.next_tier(budget.first_tier(), 100);
        assert_eq!(budget.caps(full).receive_buffer, limits::SOCKET_BUFFER_MIN);
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
                prop_assert!(sessions * caps.worst_case() + apart(pipes) <= memory);
                let in_pipes = FLOWS * (limits::PIPE_BYTES - caps.read_max);
                prop_assert!(caps.worst_case() + in_pipes <= limits::SESSION_BYTES_MAX);
                prop_assert!(caps.receive_buffer >= limits::SOCKET_BUFFER_MIN);
                prop_assert!(caps.send_buffer >= limits::SEND_BUFFER_MIN);
                prop_assert!(caps.read_max <= limits::COPY_BUFFER);
            }
        }

        #[test]
        fn more_room_makes_nothing_smaller_but_the_send_buffer(
            room in 20_usize << 10..256 << 10,
            more in 0_usize..64 << 10,
        ) {
            let caps = |room| Caps::spliced(room).unwrap_or_else(|| Caps::copied(room));
            let (small, large) = (caps(room), caps(room + more));
            prop_assert!(small.receive_buffer <= large.receive_buffer, "{small:?} {large:?}");
            prop_assert!(small.read_max <= large.read_max, "{small:?} {large:?}");
        }

        #[test]
        fn no_writes_make_a_longer_tail(
            read_max in 512_usize..65_536,
            writes in proptest::collection::vec(1_usize..65_536, 1..50),
        ) {
            let mut run = 0;
            for write in writes.into_iter().map(|bytes| bytes.min(read_max)) {
                run += write;
                prop_assert!(run <= longest_tail(read_max));
                if ends_run(run, read_max) {
                    run = 0;
                }
            }
        }
    }
}
