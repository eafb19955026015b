//! How the host stands now: what `tasuki-host status` shows.
//!
//! Holds times, addresses and counts; never content or secrets.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::platform;
use crate::state::{HostState, StateError};

/// The whole picture.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether `tasuki-host run` runs.
    pub running: bool,
    /// The name that clients type, once a relay has given it.
    pub computer_id: Option<String>,
    /// The name asked for and not yet given.
    pub wish: Option<String>,
    /// The link to a relay, while there is one.
    pub link: Option<Link>,
    /// Why there is no link, or why a wish was refused.
    pub trouble: Option<Trouble>,
    /// Whether a password is set; without one every call is refused.
    pub password_set: bool,
    /// Who is connected.
    pub sessions: Vec<Session>,
    /// What is wrong with `host.toml`; the settings from before hold.
    pub refused_settings: Option<String>,
    /// Keys of `host.toml` that have changed and wait for the next start.
    pub waiting_settings: Vec<String>,
    /// The command that stops it, where the system has started it as a service; otherwise
    /// `tasuki-host stop` does.
    pub stopped_by: Option<String>,
}

/// A link to a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub board: String,
    /// Seconds since 1970.
    pub since: u64,
}

/// Something went wrong, in plain words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Seconds since 1970.
    pub at: u64,
    pub text: String,
    /// The same in Japanese, for the settings tool.
    pub japanese: String,
}

/// A client that has been let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The board's number for it, as in the logs.
    pub number: u64,
    /// Where the client comes from, as the board sees it.
    pub client: String,
    pub user: String,
    /// Seconds since 1970.
    pub since: u64,
    /// Connections to the desktop service open now.
    pub streams: usize,
}

/// The picture that the running host keeps up to date.
#[derive(Debug, Default)]
pub struct Live(watch::Sender<Status>);

impl Live {
    /// Changes the picture.
    pub fn change(&self, change: impl FnOnce(&mut Status)) {
        self.0.send_modify(change);
    }

    /// The picture now.
    pub fn now(&self) -> Status {
        self.0.borrow().clone()
    }

    /// Changes the picture of one session, if it is still there.
    pub(super) fn change_session(&self, number: u64, change: impl FnOnce(&mut Session)) {
        self.change(|status| {
            let mut sessions = status.sessions.iter_mut();
            if let Some(session) = sessions.find(|session| session.number == number) {
                change(session);
            }
        });
    }
}

/// Seconds since 1970.
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

impl Status {
    /// What the disk tells while no host runs.
    pub fn at_rest(state: &HostState) -> Result<Self, StateError> {
        let claim = state.claim()?;
        Ok(Self {
            computer_id: claim.map(|signed| signed.claim.computer_id.to_string()),
            wish: state.wish()?.map(|wish| wish.to_string()),
            password_set: state.password_record()?.is_some(),
            ..Self::default()
        })
    }

    /// The picture in words.
    pub fn to_text(&self) -> String {
        let mut lines = Vec::new();
        match (&self.computer_id, &self.wish) {
            (Some(id), None) => lines.push(format!("Computer ID:  {id}")),
            (Some(id), Some(wish)) => {
                lines.push(format!("Computer ID:  {id} (asking for {wish})"));
            }
            (None, Some(wish)) => lines.push(format!("Computer ID:  none yet (asking for {wish})")),
            (None, None) => lines.push("Computer ID:  none yet".into()),
        }
        lines.push(match &self.link {
            Some(link) => format!(
                "Relay:        linked to {} since {}",
                link.board,
                time(link.since)
            ),
            None if self.running => "Relay:        not linked".into(),
            None => format!(
                "Relay:        not linked, because tasuki-host does not run ({})",
                platform::RUN_HELP
            ),
        });
        if !self.password_set {
            lines.push(
                "Password:     not set: every call is refused (tasuki-host set-password)".into(),
            );
        }
        if let Some(trouble) = &self.trouble {
            lines.push(format!("Trouble:      at {}", time(trouble.at)));
            lines.extend(
                trouble
                    .text
                    .lines()
                    .map(|line| format!("              {line}")),
            );
        }
        if let Some(mistakes) = &self.refused_settings {
            lines.push("Settings:     host.toml has mistakes; those from before hold".into());
            lines.extend(mistakes.lines().map(|line| format!("              {line}")));
        }
        if !self.waiting_settings.is_empty() {
            let keys = self.waiting_settings.join(", ");
            lines.push(format!(
                "Settings:     changed, and waiting for the next start: {keys}"
            ));
        }
        lines.push(match self.sessions.len() {
            0 => "Sessions:     none".into(),
            count => format!("Sessions:     {count}"),
        });
        for session in &self.sessions {
            let user = match session.user.as_str() {
                "" => String::new(),
                user => format!(" as {user}"),
            };
            let (number, client) = (session.number, &session.client);
            let since = time(session.since);
            lines.push(format!(
                "              {client}{user} since {since} (session {number})"
            ));
        }
        lines.join("\n")
    }
}

/// By the clock on the wall.
pub(crate) fn time(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(
            || "an unknown time".into(),
            |time| {
                let local = time.to_zoned(platform::time_zone(time));
                local.strftime("%Y-%m-%d %H:%M:%S").to_string()
            },
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_healthy_host_in_three_lines() {
        let status = Status {
            computer_id: Some("quiet-maple-4071".into()),
            link: Some(Link {
                board: "tokyo-1".into(),
                since: 0,
            }),
            password_set: true,
            ..Status::default()
        };

        let text = status.to_text();

        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("quiet-maple-4071") && text.contains("linked to tokyo-1"));
    }

    #[test]
    fn tells_who_is_connected_and_what_is_wrong() {
        let status = Status {
            trouble: Some(Trouble {
                at: 1,
                text: "The network: no way.\nLook at the cable.".into(),
                japanese: String::new(),
            }),
            refused_settings: Some("line 3: no key".into()),
            waiting_settings: vec!["log".into()],
            sessions: vec![Session {
                number: 7,
                client: "192.0.2.1:5".into(),
                user: "hanako".into(),
                since: 2,
                streams: 1,
            }],
            ..Status::default()
        };

        let text = status.to_text();

        for part in [
            "Look at the cable",
            "192.0.2.1:5 as hanako",
            "not linked",
            "not set",
            "line 3: no key",
            "next start: log",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }
}
