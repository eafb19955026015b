//! Boards as data: what a file in `boards/` says, with everything that it inherits.
//!
//! Owns the meaning of a board; knows nothing of how an image is made from it.
//! `boards/README.md` has the schema for people, [`mod@file`] reads it.

mod file;

use std::fmt;
use std::str::FromStr;

pub use self::file::{BoardError, load, names};

/// A kind of hardware that an image is made for. Sizes and offsets are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// The file's name without `.toml`.
    pub name: String,
    /// What people call the hardware.
    pub title: String,
    pub architecture: Architecture,
    pub boot: Boot,
    pub kernel: Kernel,
    pub disk: Disk,
    pub network: Network,
    pub hardware: Hardware,
    pub relay: Relay,
}

/// From power-on to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    pub chain: Chain,
    /// Debian package of the boot program or firmware, used as data.
    pub package: String,
    /// Files of `package` for the top of a slot's FAT partition.
    pub firmware: Vec<String>,
    /// Files of `package` that lie outside all partitions.
    pub raw: Vec<Raw>,
    /// Paths below the kernel package's folder of device trees; empty where firmware has its own.
    pub device_trees: Vec<String>,
    /// Values of the kernel's `console=`; the last one becomes `/dev/console`.
    pub consoles: Vec<String>,
    /// Further arguments of the kernel.
    pub arguments: Vec<String>,
}

/// Which program chooses the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// UEFI, systemd-boot and unified kernel images, counted by renaming.
    SystemdBoot,
    /// U-Boot with a counter in its script.
    UBoot,
    /// Raspberry Pi firmware with `autoboot.txt` and `tryboot`.
    Tryboot,
}

/// A file at a fixed place of the disk, which the chip's boot code reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// Path in the boot package.
    pub path: String,
    /// Where it begins on the disk.
    pub offset: u64,
}

/// Kernel package and the modules that the board needs; those they depend on come along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    pub package: String,
    /// Names of the modules that find and mount the root.
    pub initramfs_modules: Vec<String>,
    /// Names of the other modules, or folders below `kernel/` that end in `/`.
    pub modules: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    pub scheme: Scheme,
    /// Where the first partition begins.
    pub first: u64,
    /// Size of the operator's FAT partition `CONFIG`.
    pub config: u64,
    /// Size of each slot's FAT partition.
    pub boot: u64,
    /// Size of each slot's root.
    pub root: u64,
    /// Size of each slot's hash tree.
    pub hash: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Gpt,
    /// GPT and an MBR that names the first three partitions.
    Hybrid,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Name of the interface, or a pattern of `systemd.network(5)`.
    pub interface: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardware {
    /// Name in `/sys/class/leds` of the LED that tells the board's state.
    pub led: Option<String>,
    /// Module of the hardware watchdog.
    pub watchdog: Option<String>,
    /// Seconds that the watchdog waits; within what the hardware can count.
    pub watchdog_seconds: u64,
    pub memory: u64,
    pub cpus: usize,
}

/// What the board's hardware asks of the relay; the rest is left to the relay's own defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Threads of the data plane.
    pub workers: usize,
    /// CPUs that receive packets are steered to (RPS); empty where the card has queues enough.
    pub rps_cpus: Vec<usize>,
    /// Sessions at a time.
    pub sessions: usize,
    /// Hosts linked at a time.
    pub hosts: usize,
    /// Largest buffer of one socket (`net.ipv4.tcp_rmem`, `tcp_wmem`).
    pub socket_buffer: u64,
}

/// Debian's name of a machine, and what Rust and UEFI call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Architecture {
    Arm64,
    Amd64,
}

impl Architecture {
    pub const ALL: [Self; 2] = [Self::Arm64, Self::Amd64];

    /// The target of rustc.
    pub fn target(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::Amd64 => "x86_64-unknown-linux-gnu",
        }
    }

    /// The word in UEFI file names, as in `BOOTAA64.EFI` and `systemd-bootaa64.efi`.
    pub fn efi(self) -> &'static str {
        match self {
            Self::Arm64 => "aa64",
            Self::Amd64 => "x64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Arm64 => "arm64",
            Self::Amd64 => "amd64",
        })
    }
}

/// The text is none of the words that may stand here.
#[derive(Debug, thiserror::Error)]
#[error("unknown")]
pub struct UnknownWord;

macro_rules! words {
    ($($type:ident: $($word:literal => $variant:ident),+);+ $(;)?) => {$(
        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord),
                }
            }
        }
    )+};
}

words!(
    Architecture: "arm64" => Arm64, "amd64" => Amd64;
    Chain: "systemd-boot" => SystemdBoot, "u-boot" => UBoot, "tryboot" => Tryboot;
    Scheme: "gpt" => Gpt, "hybrid" => Hybrid;
);

protocol::from_toml_text!(
    Architecture: "\"arm64\" or \"amd64\"",
    Chain: "\"systemd-boot\", \"u-boot\" or \"tryboot\"",
    Scheme: "\"gpt\" or \"hybrid\"",
);
