//! What of this PC the office desktop may use: sound, devices, drives, the clipboard (C2).
//!
//! The office PC may forbid any of it. `mstsc` takes these from its file of settings alone,
//! FreeRDP from arguments.

use std::fmt;
use std::str::FromStr;

use crate::state::Setting;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirection {
    Sound,
    Microphone,
    Camera,
    Printers,
    Drives,
    Clipboard,
}

impl Redirection {
    /// In the order in which they are shown.
    pub const ALL: [Self; 6] = [
        Self::Sound,
        Self::Microphone,
        Self::Camera,
        Self::Printers,
        Self::Drives,
        Self::Clipboard,
    ];

    /// What is typed for it.
    fn name(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Microphone => "microphone",
            Self::Camera => "camera",
            Self::Printers => "printers",
            Self::Drives => "drives",
            Self::Clipboard => "clipboard",
        }
    }

    /// As an .rdp file says it (Microsoft, "Supported RDP properties").
    fn setting(self, is_on: bool) -> Setting {
        let (name, on, off) = match self {
            // 1 would let the sound play at the office.
            Self::Sound => ("audiomode:i", "0", "2"),
            Self::Microphone => ("audiocapturemode:i", "1", "0"),
            Self::Camera => ("camerastoredirect:s", "*", ""),
            Self::Printers => ("redirectprinters:i", "1", "0"),
            Self::Drives => ("drivestoredirect:s", "*", ""),
            Self::Clipboard => ("redirectclipboard:i", "1", "0"),
        };
        Setting {
            name,
            value: if is_on { on } else { off },
        }
    }

    /// As FreeRDP is told, 2 and 3 alike; an error where it cannot do that.
    fn argument(self, is_on: bool) -> Result<Option<&'static str>, NotLent> {
        Ok(match (self, is_on) {
            (Self::Sound, true) => Some("/sound"),
            (Self::Microphone, true) => Some("/microphone"),
            (Self::Camera, true) => return Err(NotLent(self)),
            (Self::Printers, true) => Some("/printer"),
            (Self::Drives, true) => Some("+drives"),
            (Self::Clipboard, true) => Some("+clipboard"),
            (Self::Clipboard, false) => Some("-clipboard"),
            // It does none of these by itself.
            (_, false) => None,
        })
    }
}

impl fmt::Display for Redirection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The viewer has no way to lend this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this viewer cannot lend the {0} to the office PC")]
pub struct NotLent(pub Redirection);

/// Everything that the office desktop may use; the rest it may not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redirections(pub Vec<Redirection>);

impl Redirections {
    /// As lines of an .rdp file.
    pub(super) fn settings(&self) -> [Setting; 6] {
        Redirection::ALL.map(|it| it.setting(self.0.contains(&it)))
    }

    /// As arguments of FreeRDP.
    pub(super) fn arguments(&self) -> Result<Vec<String>, NotLent> {
        let all = Redirection::ALL.into_iter();
        let told = all.map(|it| it.argument(self.0.contains(&it)));
        let told = told.filter_map(Result::transpose);
        told.map(|argument| argument.map(str::to_owned)).collect()
    }
}

/// Names with commas between them, or `none`.
impl FromStr for Redirections {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::default());
        }
        let one = |name: &str| {
            let found = Redirection::ALL.into_iter().find(|it| it.name() == name);
            found.ok_or_else(|| {
                let names = Redirection::ALL.map(Redirection::name).join(", ");
                format!("'{name}' is none of {names}; write none alone for nothing")
            })
        };
        text.split(',').map(one).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_switched_off() {
        let some: Redirections = "sound,drives".parse().expect("is right");

        let lines = some
            .settings()
            .map(|it| format!("{}:{}", it.name, it.value));

        assert_eq!(
            lines,
            [
                "audiomode:i:0",
                "audiocapturemode:i:0",
                "camerastoredirect:s:",
                "redirectprinters:i:0",
                "drivestoredirect:s:*",
                "redirectclipboard:i:0",
            ]
        );
        let told = some.arguments().expect("FreeRDP can");
        assert_eq!(told, ["/sound", "+drives", "-clipboard"]);
    }

    #[test]
    fn everything_and_nothing_can_be_named() {
        let names = Redirection::ALL.map(Redirection::name).join(",");
        let all: Redirections = names.parse().expect("is right");

        assert_eq!(all.0, Redirection::ALL);
        assert_eq!(all.arguments(), Err(NotLent(Redirection::Camera)));
        assert_eq!("none".parse(), Ok(Redirections::default()));
        for wrong in ["", "sound,", "none,sound", "Sound", "sound drives"] {
            assert!(wrong.parse::<Redirections>().is_err(), "{wrong}");
        }
    }
}
