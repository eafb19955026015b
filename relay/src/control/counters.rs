//! What control counts for metrics: a plain struct of atomics, read at any time.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use protocol::refusal::RefusalCode;

use super::gate::Shortage;

/// Why a connection never came to its first frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// What came is not TLS.
    NotTls,
    /// The peer speaks no TLS 1.3.
    OldTls,
    /// The peer wants neither a link nor a leg.
    WrongPurpose,
    /// A host key is missing, or is not one.
    HostKey,
    /// A handshake or a record larger than any agent sends.
    TooLarge,
    /// The peer does not like what we show: mostly its trust, or its clock.
    Alert,
    /// It took too long.
    Deadline,
    /// The peer went away.
    Closed,
    /// Anything else that TLS does not allow.
    Other,
}

impl HandshakeFailure {
    /// Every cause, in the order of the counters.
    pub const ALL: [Self; 9] = [
        Self::NotTls,
        Self::OldTls,
        Self::WrongPurpose,
        Self::HostKey,
        Self::TooLarge,
        Self::Alert,
        Self::Deadline,
        Self::Closed,
        Self::Other,
    ];

    /// The label in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::NotTls => "not_tls",
            Self::OldTls => "old_tls",
            Self::WrongPurpose => "wrong_purpose",
            Self::HostKey => "host_key",
            Self::TooLarge => "too_large",
            Self::Alert => "alert",
            Self::Deadline => "deadline",
            Self::Closed => "closed",
            Self::Other => "other",
        }
    }
}

/// Why a connection was closed before its handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// Too many failures from there.
    Failures,
    /// Too many wait for a place, most of them from there.
    Crowd,
    /// It has waited for a place long enough.
    NoPlace,
}

impl TurnedAway {
    /// Every cause.
    pub const ALL: [Self; 3] = [Self::Failures, Self::Crowd, Self::NoPlace];

    /// The label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::Crowd => "crowd",
            Self::NoPlace => "no_place",
        }
    }
}

/// Why a host's link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEnd {
    /// The host hung up.
    Closed,
    /// The host said nothing any more.
    Silent,
    /// The network gave the connection up.
    Broken,
    /// More frames than a host has to say.
    Flood,
    BadFrame,
    /// The host has a newer link.
    Replaced,
    /// Its name went to somebody else, who had it before.
    Superseded,
    /// The operator bars its address.
    Barred,
    /// The relay stops.
    Stopping,
}

impl LinkEnd {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Closed,
        Self::Silent,
        Self::Broken,
        Self::Flood,
        Self::BadFrame,
        Self::Replaced,
        Self::Superseded,
        Self::Barred,
        Self::Stopping,
    ];

    /// The label in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Silent => "silent",
            Self::Broken => "broken",
            Self::Flood => "flood",
            Self::BadFrame => "bad_frame",
            Self::Replaced => "replaced",
            Self::Superseded => "superseded",
            Self::Barred => "barred",
            Self::Stopping => "stopping",
        }
    }
}

/// A counter for each of some causes.
#[derive(Debug)]
struct Tally<T>(Vec<(T, &'static str, AtomicU64)>);

impl<T: Copy + PartialEq> Tally<T> {
    fn new(causes: &[T], label: impl Fn(T) -> &'static str) -> Self {
        let entry = |cause: &T| (*cause, label(*cause), AtomicU64::default());
        Self(causes.iter().map(entry).collect())
    }

    fn count(&self, cause: T) {
        if let Some((.., counter)) = self.0.iter().find(|(it, ..)| *it == cause) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let entries = self.0.iter();
        entries.map(|(_, label, counter)| (*label, counter.load(Ordering::Relaxed)))
    }
}

/// Events since the start; only [`Counters::shortage`] goes both ways.
#[derive(Debug)]
pub struct Counters {
    accepted: AtomicU64,
    accept_errors: AtomicU64,
    /// One more than the index of what connections are short of; zero for nothing.
    shortage: AtomicU8,
    evicted: AtomicU64,
    turned_away: Tally<TurnedAway>,
    handshakes_failed: Tally<HandshakeFailure>,
    links_ended: Tally<LinkEnd>,
    /// One for each code of [`RefusalCode::ALL`], in its order, and one for all others.
    refused: Vec<AtomicU64>,
    registered: AtomicU64,
    invited: AtomicU64,
    joined: AtomicU64,
    hung_up: AtomicU64,
}

macro_rules! event_counters {
    ($($(#[$meta:meta])* $count:ident $read:ident $field:ident;)*) => {
        impl Counters {$(
            pub(super) fn $count(&self) {
                self.$field.fetch_add(1, Ordering::Relaxed);
            }

            $(#[$meta])*
            pub fn $read(&self) -> u64 {
                self.$field.load(Ordering::Relaxed)
            }
        )*}
    };
}

event_counters! {
    /// Connections accepted from the kernel.
    count_accepted accepted accepted;
    /// Times that the kernel had no connection to give although one was there.
    count_accept_error accept_errors accept_errors;
    /// Unproven connections closed to make room for newer ones.
    count_evicted evicted evicted;
    /// Links that hosts have registered.
    count_registered registered registered;
    /// Invites sent to hosts.
    count_invited invited invited;
    /// Sessions handed to the data plane.
    count_joined joined joined;
    /// Clients that went away while they waited for their host.
    count_hung_up hung_up hung_up;
}

impl Counters {
    pub(super) fn new() -> Self {
        let codes = RefusalCode::ALL.len() + 1;
        Self {
            accepted: AtomicU64::default(),
            accept_errors: AtomicU64::default(),
            shortage: AtomicU8::default(),
            evicted: AtomicU64::default(),
            turned_away: Tally::new(&TurnedAway::ALL, TurnedAway::label),
            handshakes_failed: Tally::new(&HandshakeFailure::ALL, HandshakeFailure::label),
            links_ended: Tally::new(&LinkEnd::ALL, LinkEnd::label),
            refused: (0..codes).map(|_| AtomicU64::default()).collect(),
            registered: AtomicU64::default(),
            invited: AtomicU64::default(),
            joined: AtomicU64::default(),
            hung_up: AtomicU64::default(),
        }
    }

    pub(super) fn count_turned_away(&self, cause: TurnedAway) {
        self.turned_away.count(cause);
    }

    /// Connections closed before their handshake, by cause.
    pub fn turned_away(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.turned_away.read()
    }

    pub(super) fn count_link_ended(&self, reason: LinkEnd) {
        self.links_ended.count(reason);
    }

    /// Links that ended, by reason.
    pub fn links_ended(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.links_ended.read()
    }

    pub(super) fn count_handshake_failure(&self, cause: HandshakeFailure) {
        self.handshakes_failed.count(cause);
    }

    /// Handshakes that failed, by cause.
    pub fn handshakes_failed(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.handshakes_failed.read()
    }

    /// Handshakes that failed, of all causes.
    pub fn handshakes_failed_total(&self) -> u64 {
        self.handshakes_failed().map(|(_, count)| count).sum()
    }

    pub(super) fn count_refused(&self, code: RefusalCode) {
        let others = RefusalCode::ALL.len();
        let position = RefusalCode::ALL
            .iter()
            .position(|it| *it == code)
            .unwrap_or(others);
        if let Some(counter) = self.refused.get(position) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Refusals sent, by code; those of hosts that were passed on are among them.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let labels = RefusalCode::ALL
            .iter()
            .map(|code| code.label())
            .chain(["other"]);
        labels.zip(
            self.refused
                .iter()
                .map(|count| count.load(Ordering::Relaxed)),
        )
    }

    /// Refusals sent, of all codes.
    pub fn refused_total(&self) -> u64 {
        self.refused().map(|(_, count)| count).sum()
    }

    pub(super) fn set_shortage(&self, shortage: Option<Shortage>) {
        let position = Shortage::ALL.iter().position(|it| Some(*it) == shortage);
        let number = position.map_or(0, |position| position + 1);
        let number = u8::try_from(number).expect("there are few");
        self.shortage.store(number, Ordering::Relaxed);
    }

    /// What new connections are short of, if anything.
    pub fn shortage(&self) -> Option<Shortage> {
        let number = usize::from(self.shortage.load(Ordering::Relaxed));
        Shortage::ALL.get(number.checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_and_each_cause_has_a_counter_of_its_own() {
        let counters = Counters::new();
        for code in RefusalCode::ALL {
            counters.count_refused(*code);
        }
        counters.count_refused(RefusalCode::Other(9_999));
        for cause in HandshakeFailure::ALL {
            counters.count_handshake_failure(cause);
        }
        for cause in TurnedAway::ALL {
            counters.count_turned_away(cause);
        }
        for reason in LinkEnd::ALL {
            counters.count_link_ended(reason);
        }

        assert!(counters.refused().all(|(_, count)| count == 1));
        assert_eq!(counters.refused().count(), RefusalCode::ALL.len() + 1);
        let failed = counters.handshakes_failed();
        let others = counters.turned_away().chain(counters.links_ended());
        assert!(failed.chain(others).all(|(_, count)| count == 1));
    }
}
