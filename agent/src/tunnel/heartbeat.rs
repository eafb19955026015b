//! When to ask the peer for a sign of life, and when to give its silence up. Pure.
//!
//! Only the client asks: every second of silence while the session is in use, seldom while
//! nobody touches it, so that a thousand idle sessions do not keep a board busy.
//! The host just counts on being asked.

use std::time::Duration;

use super::mux::Role;

/// Silence before a probe, while in use.
const PROBE: Duration = Duration::from_secs(1);
/// Silence before a probe, while idle; keeps the way through NATs open as well.
const PROBE_IDLE: Duration = Duration::from_secs(20);
/// How long after the last byte of a stream the session counts as in use.
const USE: Duration = Duration::from_secs(30);
/// How long an unanswered client goes on asking.
const UNANSWERED: Duration = Duration::from_secs(15);
/// How long a host waits for any sign of a client, which asks every [`PROBE_IDLE`] at least.
const UNASKED: Duration = Duration::from_secs(60);

/// Times are those since any fixed moment.
#[derive(Debug)]
pub(super) struct Heartbeat {
    role: Role,
    heard: Duration,
    used: Duration,
    /// The first and the last probe since the peer was heard.
    asked: Option<(Duration, Duration)>,
    number: u32,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// Ask again at this time.
    Wait(Duration),
    Probe(u32),
    Dead,
}

impl Heartbeat {
    pub(super) fn new(role: Role, now: Duration) -> Self {
        Self {
            role,
            heard: now,
            used: now,
            asked: None,
            number: 0,
        }
    }

    /// Something came from the peer.
    pub(super) fn heard(&mut self, now: Duration) {
        self.heard = now;
        self.asked = None;
    }

    /// Bytes of a stream went or came. Says whether the session was idle before, so that
    /// [`Self::next`] wants to be asked anew.
    pub(super) fn used(&mut self, now: Duration) -> bool {
        let was_idle = now.saturating_sub(self.used) >= USE;
        self.used = now;
        was_idle
    }

    pub(super) fn next(&mut self, now: Duration) -> Beat {
        let dead = match (self.role, self.asked) {
            (Role::Host, _) => self.heard + UNASKED,
            (Role::Client, Some((first, _))) => first + UNANSWERED,
            (Role::Client, None) => Duration::MAX,
        };
        if now >= dead {
            return Beat::Dead;
        }
        if self.role == Role::Host {
            return Beat::Wait(dead);
        }
        let quiet_since = self.asked.map_or(self.heard, |(_, last)| last);
        let in_use = now.saturating_sub(self.used) < USE;
        // An unanswered probe is a doubt: ask quickly, in use or not.
        let interval = if in_use || self.asked.is_some() {
            PROBE
        } else {
            PROBE_IDLE
        };
        let due = quiet_since + interval;
        if now < due {
            return Beat::Wait(due.min(dead));
        }
        let first = self.asked.map_or(now, |(first, _)| first);
        self.asked = Some((first, now));
        self.number = self.number.wrapping_add(1);
        Beat::Probe(self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Runs until something other than waiting comes up.
    fn run(heartbeat: &mut Heartbeat, mut now: Duration) -> (Duration, Beat) {
        loop {
            match heartbeat.next(now) {
                Beat::Wait(until) => {
                    assert!(until > now);
                    now = until;
                }
                beat @ (Beat::Probe(_) | Beat::Dead) => return (now, beat),
            }
        }
    }

    #[test]
    fn a_client_in_use_asks_after_a_second_and_gives_up_after_fifteen_unanswered() {
        let mut client = Heartbeat::new(Role::Client, s(0));

        for second in 1..=15 {
            let expected = u32::try_from(second).unwrap();
            let beat = run(&mut client, s(second - 1));
            assert_eq!(beat, (s(second), Beat::Probe(expected)));
        }

        assert_eq!(run(&mut client, s(15)), (s(16), Beat::Dead));
    }

    #[test]
    fn any_answer_is_a_sign_of_life() {
        let mut client = Heartbeat::new(Role::Client, s(0));
        assert_eq!(run(&mut client, s(0)), (s(1), Beat::Probe(1)));

        client.heard(s(10));

        assert_eq!(run(&mut client, s(10)), (s(11), Beat::Probe(2)));
    }

    #[test]
    fn an_idle_client_asks_seldom() {
        let mut client = Heartbeat::new(Role::Client, s(0));
        client.heard(s(100));

        assert_eq!(run(&mut client, s(100)), (s(120), Beat::Probe(1)));

        client.heard(s(121));
        assert!(client.used(s(121)));
        assert_eq!(run(&mut client, s(121)), (s(122), Beat::Probe(2)));
    }

    #[test]
    fn a_host_never_asks_and_gives_up_after_a_minute() {
        let mut host = Heartbeat::new(Role::Host, s(0));
        host.heard(s(5));

        assert_eq!(run(&mut host, s(5)), (s(65), Beat::Dead));
    }
}
