//! Why a session ended: exactly one reason for every session.
//!
//! The text of a reason is the metric label and the log field, so it never changes once released.

use super::leg::Leg;
use crate::sys::Fault;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Both flows ended by a FIN and every byte was handed to the kernel.
    Finished,
    /// The client's connection was reset.
    ClientReset,
    /// The host's connection was reset.
    HostReset,
    /// The client stopped answering, or kept its window shut.
    ClientTimeout,
    /// The host stopped answering, or kept its window shut.
    HostTimeout,
    /// A leg sent TCP urgent data, which no tunnel does and no splice survives.
    UrgentData,
    /// The board drains and the session's time to move is over.
    Drained,
    /// An operator ended it.
    Operator,
    /// The relay stops.
    Shutdown,
    /// The kernel had no memory or no descriptor for it, or it held more than its share while the
    /// board filled up.
    Resource,
    /// A socket failed in a way that has no reason of its own.
    Io,
}

impl EndReason {
    /// Every reason, in the order of their counters.
    pub const ALL: [Self; 11] = [
        Self::Finished,
        Self::ClientReset,
        Self::HostReset,
        Self::ClientTimeout,
        Self::HostTimeout,
        Self::UrgentData,
        Self::Drained,
        Self::Operator,
        Self::Shutdown,
        Self::Resource,
        Self::Io,
    ];

    /// The label of this reason in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::ClientReset => "client_reset",
            Self::HostReset => "host_reset",
            Self::ClientTimeout => "client_timeout",
            Self::HostTimeout => "host_timeout",
            Self::UrgentData => "urgent_data",
            Self::Drained => "drained",
            Self::Operator => "operator",
            Self::Shutdown => "shutdown",
            Self::Resource => "resource",
            Self::Io => "io",
        }
    }

    /// The reason for a fault on one leg.
    pub fn of_fault(leg: Leg, fault: Fault) -> Self {
        match (fault, leg) {
            (Fault::Reset, Leg::Client) => Self::ClientReset,
            (Fault::Reset, Leg::Host) => Self::HostReset,
            (Fault::Timeout, Leg::Client) => Self::ClientTimeout,
            (Fault::Timeout, Leg::Host) => Self::HostTimeout,
            (Fault::Resource, _) => Self::Resource,
            (Fault::Io, _) => Self::Io,
        }
    }

    /// Whether both peers already have every byte and the FIN; all others see a reset.
    pub fn is_orderly(self) -> bool {
        self == Self::Finished
    }

    /// Position of this reason in [`EndReason::ALL`].
    pub fn index(self) -> usize {
        Self::ALL
            .iter()
            .position(|reason| *reason == self)
            .expect("every reason is listed in ALL, as a test proves")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_listed_once_with_its_own_label() {
        for (index, reason) in EndReason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index);
            let same_label = EndReason::ALL
                .iter()
                .filter(|r| r.as_str() == reason.as_str());
            assert_eq!(same_label.count(), 1, "{}", reason.as_str());
        }
        // One past the last variant that the compiler knows.
        assert_eq!(EndReason::Io.index() + 1, EndReason::ALL.len());
    }
}
