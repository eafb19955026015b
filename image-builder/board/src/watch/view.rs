//! What there is to see of a board: gathered in one place, shown by LED, screen and `status`.

use std::fmt;
use std::fs;
use std::net::IpAddr;

use protocol::file::node::NodeFile;
use tasuki_relay::admin::client;
use tasuki_relay::admin::status::{Phase, Status};

use crate::places::{self, Board, Topic};
use crate::sys::System;

use super::hardware;
use super::led::Pattern;

/// A relay that does not answer is not a fault until then; seconds since the card was looked at.
const STARTING_MAX: u64 = 90;
/// The card is looked at before that, whatever is wrong with it; seconds since the kernel started.
const PROVISIONING_MAX: u64 = 600;

/// What the relay says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relay {
    Serving { sessions: usize, hosts: usize },
    Draining { sessions: usize },
    Starting,
    Down,
}

/// A board at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Name and deployment, if it has a node file.
    pub name: Option<(String, String)>,
    pub title: String,
    pub version: String,
    pub slot: String,
    pub relay: Relay,
    pub addresses: Vec<IpAddr>,
    pub clock_is_synchronised: bool,
    /// Somebody has to do something about the card: its node file, or an update.
    pub bad_card: bool,
    pub locating: bool,
    pub warnings: Vec<String>,
}

impl View {
    /// Looks at everything once.
    pub fn gather(system: &System, board: &Board) -> Self {
        let uptime = uptime(system);
        let status = client::status(&system.at(places::CONTROL_SOCKET)).ok();
        let read = |path| fs::read_to_string(system.at(path)).ok();
        let node = read(places::NODE).and_then(|text| NodeFile::parse(&text).ok());
        let mut warnings = places::warnings(system);
        warnings.extend(hardware::warnings(system));
        warnings.extend(status.iter().flat_map(|status| status.warnings.clone()));
        Self {
            name: node.map(|node| (node.name.to_string(), node.deployment)),
            title: board.title.clone(),
            version: board.version.clone(),
            slot: read(places::SLOT).map_or_else(|| "?".into(), |slot| slot.trim().to_owned()),
            relay: relay(status.as_ref(), uptime, provisioned(system)),
            addresses: system.addresses(),
            clock_is_synchronised: system.at("/run/systemd/timesync/synchronized").exists(),
            bad_card: [Topic::NodeFile, Topic::Update, Topic::Slot]
                .iter()
                .any(|topic| topic.is_set(system)),
            locating: locating_until(system).is_some_and(|until| uptime < until),
            warnings,
        }
    }

    /// What the LED says: first what a person asked for, then the worst.
    pub fn pattern(&self) -> Pattern {
        match self.relay {
            _ if self.locating => Pattern::Locate,
            Relay::Down => Pattern::Failed,
            _ if self.bad_card => Pattern::Card,
            Relay::Starting | Relay::Draining { .. } => Pattern::Waiting,
            Relay::Serving { .. } => Pattern::Healthy,
        }
    }
}

fn relay(status: Option<&Status>, uptime: u64, provisioned: Option<u64>) -> Relay {
    let starting_until = provisioned.map_or(PROVISIONING_MAX, |at| at.saturating_add(STARTING_MAX));
    match status {
        Some(status) => match status.phase {
            Phase::Serving => Relay::Serving {
                sessions: status.sessions.now,
                hosts: status.hosts.online,
            },
            Phase::Draining | Phase::Stopping => Relay::Draining {
                sessions: status.sessions.now,
            },
            Phase::Starting => Relay::Starting,
        },
        None if uptime < starting_until => Relay::Starting,
        None => Relay::Down,
    }
}

/// Seconds since the kernel started (proc(5)): the clock of a board may jump.
pub fn uptime(system: &System) -> u64 {
    let text = fs::read_to_string(system.at("/proc/uptime")).unwrap_or_default();
    let whole = text.split('.').next().unwrap_or_default();
    whole.parse().unwrap_or(u64::MAX)
}

fn locating_until(system: &System) -> Option<u64> {
    seconds(system, places::LOCATE)
}

fn provisioned(system: &System) -> Option<u64> {
    seconds(system, places::PROVISIONED)
}

fn seconds(system: &System, place: &str) -> Option<u64> {
    let text = fs::read_to_string(system.at(place)).ok()?;
    text.trim().parse().ok()
}

impl fmt::Display for View {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.name {
            Some((name, deployment)) => format!("{name} of {deployment}"),
            None => "none yet: there is no good node file".to_owned(),
        };
        let state = match self.relay {
            Relay::Serving { sessions, hosts } => {
                format!("serving, {sessions} sessions, {hosts} hosts")
            }
            Relay::Draining { sessions } => format!("draining, {sessions} sessions left"),
            Relay::Starting => "starting".to_owned(),
            Relay::Down => "NOT SERVING".to_owned(),
        };
        let addresses: Vec<String> = self.addresses.iter().map(IpAddr::to_string).collect();
        let addresses = match addresses.as_slice() {
            [] => "none yet: is the cable in?".to_owned(),
            some => some.join(", "),
        };
        let clock = if self.clock_is_synchronised {
            "synchronised"
        } else {
            "not synchronised yet"
        };
        let image = format!("{} on {}, slot {}", self.version, self.title, self.slot);
        for (key, value) in [
            ("board", name.as_str()),
            ("state", &state),
            ("address", &addresses),
            ("image", &image),
            ("clock", clock),
        ] {
            writeln!(formatter, "{key:<9}{}", plain(value))?;
        }
        for warning in &self.warnings {
            writeln!(formatter, "WARNING  {}", plain(warning))?;
        }
        Ok(())
    }
}

/// A name or a mistake in a file must not move the cursor of whoever looks at it.
fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View {
            name: Some(("tokyo-1".into(), "Example Office".into())),
            title: "Raspberry Pi 4".into(),
            version: "0.1.0".into(),
            slot: "a".into(),
            relay: Relay::Serving {
                sessions: 12,
                hosts: 80,
            },
            addresses: vec!["192.0.2.10".parse().expect("an address")],
            clock_is_synchronised: true,
            bad_card: false,
            locating: false,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn the_screen_says_who_this_is_and_how_it_does() {
        let expected = "board    tokyo-1 of Example Office\n\
                        state    serving, 12 sessions, 80 hosts\n\
                        address  192.0.2.10\n\
                        image    0.1.0 on Raspberry Pi 4, slot a\n\
                        clock    synchronised\n";
        assert_eq!(view().to_string(), expected);

        let bad = View {
            name: None,
            relay: Relay::Down,
            addresses: Vec::new(),
            warnings: vec!["node file: line 3:\u{1b}[2J nonsense".into()],
            ..view()
        };
        let text = bad.to_string();
        assert!(
            text.contains("NOT SERVING") && text.contains("is the cable in?"),
            "{text}"
        );
        assert!(
            text.contains("WARNING  node file: line 3: [2J nonsense\n"),
            "{text}"
        );
    }

    #[test]
    fn the_led_shows_what_was_asked_for_then_the_worst() {
        let pattern = |change: fn(&mut View)| {
            let mut view = view();
            change(&mut view);
            view.pattern()
        };
        assert_eq!(pattern(|_| {}), Pattern::Healthy);
        assert_eq!(
            pattern(|it| it.warnings.push("hot".into())),
            Pattern::Healthy
        );
        assert_eq!(pattern(|it| it.relay = Relay::Starting), Pattern::Waiting);
        assert_eq!(
            pattern(|it| it.relay = Relay::Draining { sessions: 1 }),
            Pattern::Waiting
        );
        assert_eq!(pattern(|it| it.bad_card = true), Pattern::Card);
        assert_eq!(
            pattern(|it| {
                it.bad_card = true;
                it.relay = Relay::Down;
            }),
            Pattern::Failed
        );
        assert_eq!(
            pattern(|it| {
                it.locating = true;
                it.relay = Relay::Down;
            }),
            Pattern::Locate
        );
    }

    #[test]
    fn a_silent_relay_is_down_once_it_had_time_to_start() {
        for (provisioned, limit) in [
            (None, PROVISIONING_MAX),
            (Some(0), STARTING_MAX),
            // The card kept the board waiting.
            (Some(200), 200 + STARTING_MAX),
        ] {
            assert_eq!(relay(None, limit - 1, provisioned), Relay::Starting);
            assert_eq!(relay(None, limit, provisioned), Relay::Down);
        }
    }
}
