//! Where everything lies on a board; `docs/BOARD.md` has the same list with reasons.

use std::fs;
use std::io;

use protocol::file::reader::{Problems, read};

use crate::file;
use crate::slot::BootChain;
use crate::sys::System;

pub const BOARD: &str = "/usr/lib/tasuki/board.toml";
pub const SLOT: &str = "/run/tasuki/slot";
pub const CONFIG: &str = "/run/tasuki/config";
pub const DATA: &str = "/var/lib/tasuki";
/// What the board itself keeps there.
pub const KEPT: &str = "/var/lib/tasuki/board";
pub const LAST_GOOD_NODE: &str = "/var/lib/tasuki/board/node.toml";
pub const SAVED_CLOCK: &str = "/var/lib/tasuki/board/clock";
/// Generation of the last update order that was obeyed.
pub const TAKEN: &str = "/var/lib/tasuki/board/update";
/// Why the other slot was given up, as it said itself.
pub const FAILURE: &str = "/var/lib/tasuki/board/failure";
pub const NODE: &str = "/run/tasuki/node.toml";
pub const NETWORK: &str = "/run/systemd/network";
pub const LOG_HOST: &str = "/run/tasuki/log-host";
/// Who may log in.
pub const SSH_KEY: &str = "/run/tasuki/ssh/authorized_keys";
pub const WARNINGS: &str = "/run/tasuki/warnings";
pub const LOCATE: &str = "/run/tasuki/locate";
/// Seconds since the kernel started, when the card was looked at: from then on the relay starts.
pub const PROVISIONED: &str = "/run/tasuki/provisioned";
/// There while this slot has to prove itself.
pub const PROBATION: &str = "/run/tasuki/probation";
/// There when the next thing to do is a reboot into the other slot.
pub const TRY_OTHER: &str = "/run/tasuki/try-other";
/// There once this boot has put a new system on probation: the next boot starts it.
pub const STARTS_NEXT: &str = "/run/tasuki/starts-next";
/// There when the next thing to do is a restart into an update.
pub const RESTART: &str = "/run/tasuki/restart";
pub const CONTROL_SOCKET: &str = "/run/tasuki-relay/control.sock";

/// What an image says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    pub board: String,
    pub title: String,
    pub version: String,
    /// Seconds since 1970.
    pub built: u64,
    pub chain: BootChain,
    pub interface: String,
    pub led: Option<String>,
}

impl Board {
    /// Reads the text of `board.toml`.
    pub fn parse(source: &str) -> Result<Self, Problems> {
        read(source, |top| {
            let board = top.required("board");
            let title = top.required("title");
            let version = top.required("version");
            let built = top.required("built");
            let chain = top.required("chain");
            let interface = top.required("interface");
            let led = top.optional("led");
            Some(Self {
                board: board?,
                title: title?,
                version: version?,
                built: built?,
                chain: chain?,
                interface: interface?,
                led,
            })
        })
    }

    /// Reads the image's own.
    pub fn load(system: &System) -> anyhow::Result<Self> {
        let path = system.at(BOARD);
        let text = fs::read_to_string(&path)
            .map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        Self::parse(&text).map_err(|problems| anyhow::anyhow!("{}: {problems}", path.display()))
    }
}

/// What something is not well is about; one warning each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    NodeFile,
    Data,
    Clock,
    Slot,
    /// A bundle on the card.
    Update,
    /// A bundle at the node file's address.
    Pull,
}

impl Topic {
    fn path(self, system: &System) -> std::path::PathBuf {
        let name = match self {
            Self::NodeFile => "node-file",
            Self::Data => "data",
            Self::Clock => "clock",
            Self::Slot => "slot",
            Self::Update => "update",
            Self::Pull => "update-address",
        };
        system.at(WARNINGS).join(name)
    }

    /// Whether there is a warning.
    pub fn is_set(self, system: &System) -> bool {
        self.path(system).exists()
    }

    /// Tells everybody who looks, in plain words; `None`: all is well again.
    pub fn warn(self, system: &System, text: Option<&str>) -> io::Result<()> {
        let path = self.path(system);
        match text {
            Some(text) => file::replace(&path, text.as_bytes(), 0o644),
            None => file::remove(&path),
        }
    }
}

/// All warnings that were left, in the order of their names.
pub fn warnings(system: &System) -> Vec<String> {
    let Ok(entries) = fs::read_dir(system.at(WARNINGS)) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let texts = paths
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok());
    texts.map(|text| text.trim().to_owned()).collect()
}
