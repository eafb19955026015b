//! Slots: which of the two systems on the card is started, and when a new one has proven itself.
//!
//! One state machine over three boot chains: [`sd_boot`] counts in file names, [`u_boot`] in two
//! small files, [`try_boot`] cannot count and is counted for. Whatever the moment of a power cut,
//! the board starts a slot that works; `tests/power_cut` tries every write.
//! Must never write to a slot that is running or good.

pub mod environment;
pub mod mounted;
pub mod sd_boot;
pub mod try_boot;
pub mod u_boot;

use std::fmt;
use std::io;
use std::str::FromStr;

use protocol::from_toml_text;

/// Starts that a new slot has to become healthy.
pub const TRIES: u8 = 3;

/// One of the two places for a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    A,
    B,
}

impl Slot {
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Label of its boot partition.
    pub fn boot_label(self) -> String {
        format!("BOOT-{}", self.to_string().to_uppercase())
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::A => "a",
            Self::B => "b",
        })
    }
}

impl FromStr for Slot {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "a" => Ok(Self::A),
            "b" => Ok(Self::B),
            _ => Err("is neither a nor b"),
        }
    }
}

/// What the boot chain goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// The slot that is started when nothing else is said.
    pub good: Slot,
    /// Tries that the other slot has left; 0: it has failed; none: it is not on probation.
    pub tries_left: Option<u8>,
}

/// Partitions that a boot chain reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volume {
    Config,
    Boot(Slot),
}

/// The files of those partitions. Every change is on the disk when the call returns.
pub trait Volumes {
    fn read(&self, volume: Volume, path: &str) -> io::Result<Vec<u8>>;
    /// Names of the files in a folder that are not empty, in any order.
    fn list(&self, volume: Volume, folder: &str) -> io::Result<Vec<String>>;
    /// Replaces the content by as many bytes, in place: FAT allocates nothing.
    fn overwrite(&mut self, volume: Volume, path: &str, bytes: &[u8]) -> io::Result<()>;
    fn rename(&mut self, volume: Volume, from: &str, to: &str) -> io::Result<()>;
}

/// Who chooses the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootChain {
    SdBoot,
    UBoot,
    TryBoot,
}

impl FromStr for BootChain {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "systemd-boot" => Ok(Self::SdBoot),
            "u-boot" => Ok(Self::UBoot),
            "tryboot" => Ok(Self::TryBoot),
            _ => Err("is not a boot chain"),
        }
    }
}

from_toml_text!(BootChain: "\"systemd-boot\", \"u-boot\" or \"tryboot\"");

/// Why a slot was not changed.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    #[error("slot {running} is on probation itself; wait until it is marked good")]
    OnProbation { running: Slot },
    #[error("slot {0} holds no system")]
    Empty(Slot),
    #[error("the boot partitions do not say which slot is good")]
    Unclear,
    #[error("the boot partitions cannot be read or written")]
    Io(#[from] io::Error),
}

/// The slots of a board.
#[derive(Debug)]
pub struct Slots<V> {
    pub chain: BootChain,
    pub volumes: V,
    /// The slot that this system was started from.
    pub running: Slot,
}

impl<V: Volumes> Slots<V> {
    /// What the boot chain will do next.
    pub fn state(&self) -> Result<State, SlotError> {
        match self.chain {
            BootChain::SdBoot => sd_boot::state(&self.volumes),
            BootChain::UBoot => Ok(u_boot::state(&self.volumes)),
            BootChain::TryBoot => try_boot::state(&self.volumes),
        }
    }

    /// Takes the other slot off probation, so that it can be written to.
    pub fn withdraw(&mut self) -> Result<(), SlotError> {
        let state = self.state_of_a_good_one()?;
        self.set(State {
            tries_left: None,
            ..state
        })
    }

    /// Puts the other slot on probation; the next boot starts it. This is how a new system is
    /// tried, and how an old one comes back.
    pub fn try_other(&mut self) -> Result<(), SlotError> {
        let state = self.state_of_a_good_one()?;
        self.set(State {
            tries_left: Some(TRIES),
            ..state
        })
    }

    /// Makes the running slot the good one. Does nothing if it is.
    pub fn mark_good(&mut self) -> Result<(), SlotError> {
        let state = self.state();
        if matches!(state, Ok(State { good, .. }) if good == self.running) {
            return Ok(());
        }
        self.set(State {
            good: self.running,
            tries_left: None,
        })
    }

    /// Ends the probation of the running slot: the next boot starts the other one, and this one no
    /// more. Does nothing if it is good.
    pub fn give_up(&mut self) -> Result<(), SlotError> {
        let state = self.state()?;
        if state.good == self.running {
            return Ok(());
        }
        self.set(State {
            tries_left: Some(0),
            ..state
        })
    }

    /// Takes one try off for a boot chain that cannot, and returns the argument of the reboot
    /// that starts the other slot. None: this boot is the one to stay with.
    pub fn resume(&mut self) -> Result<Option<&'static str>, SlotError> {
        let state = self.state()?;
        match (self.chain, state.tries_left) {
            (BootChain::TryBoot, Some(left @ 1..)) if state.good == self.running => {
                self.set(State {
                    tries_left: Some(left - 1),
                    ..state
                })?;
                Ok(Some(try_boot::REBOOT_ARGUMENT))
            }
            _ => Ok(None),
        }
    }

    fn state_of_a_good_one(&self) -> Result<State, SlotError> {
        let state = self.state()?;
        if state.good == self.running {
            Ok(state)
        } else {
            Err(SlotError::OnProbation {
                running: self.running,
            })
        }
    }

    fn set(&mut self, state: State) -> Result<(), SlotError> {
        match self.chain {
            BootChain::SdBoot => sd_boot::set(&mut self.volumes, state),
            BootChain::UBoot => Ok(u_boot::set(&mut self.volumes, state)?),
            BootChain::TryBoot => try_boot::set(&mut self.volumes, state),
        }
    }
}
