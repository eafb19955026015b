//! The partitions that every board has: numbers, labels and types.

use crate::board::Architecture;
use crate::identity::Uuid;

/// Microsoft's basic data: the only type that Windows gives a drive letter.
const BASIC_DATA: Uuid = Uuid::known(0xebd0a0a2_b9e5_4433_87c0_68b6b72699c7);
/// UEFI's system partition.
const EFI_SYSTEM: Uuid = Uuid::known(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);
/// The extended boot loader partition of the Boot Loader Specification.
const EXTENDED_BOOT: Uuid = Uuid::known(0xbc13c2ff_59e6_4262_a352_b275fd6f7172);

/// Bit 2 of a partition's attributes: where U-Boot looks for its script.
pub const BOOTABLE: u64 = 1 << 2;

/// A partition that an image has; the board makes an eighth, `data`, itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Config,
    BootA,
    BootB,
    RootA,
    VerityA,
    RootB,
    VerityB,
}

impl Part {
    /// In the order of their numbers and places.
    pub const ALL: [Self; 7] = [
        Self::Config,
        Self::BootA,
        Self::BootB,
        Self::RootA,
        Self::VerityA,
        Self::RootB,
        Self::VerityB,
    ];

    /// The partition's number, counted from one.
    pub fn number(self) -> u32 {
        match self {
            Self::Config => 1,
            Self::BootA => 2,
            Self::BootB => 3,
            Self::RootA => 4,
            Self::VerityA => 5,
            Self::RootB => 6,
            Self::VerityB => 7,
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Config => "CONFIG",
            Self::BootA => "BOOT-A",
            Self::BootB => "BOOT-B",
            Self::RootA => "root-a",
            Self::VerityA => "verity-a",
            Self::RootB => "root-b",
            Self::VerityB => "verity-b",
        }
    }

    /// The type, from UEFI and the Discoverable Partitions Specification.
    ///
    /// `uefi`: the board's firmware reads an EFI system partition.
    pub fn kind(self, architecture: Architecture, uefi: bool) -> Uuid {
        match self {
            Self::Config => BASIC_DATA,
            Self::BootA if uefi => EFI_SYSTEM,
            Self::BootA | Self::BootB => EXTENDED_BOOT,
            Self::RootA | Self::RootB => match architecture {
                Architecture::Arm64 => Uuid::known(0xb921b045_1df0_41c3_af44_4c6f280d3fae),
                Architecture::Amd64 => Uuid::known(0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709),
            },
            Self::VerityA | Self::VerityB => match architecture {
                Architecture::Arm64 => Uuid::known(0xdf3300ce_d69f_4c92_978c_9bfb0f38d820),
                Architecture::Amd64 => Uuid::known(0x2c7357ed_ebd2_46d9_aec1_23d437ec2bf5),
            },
        }
    }
}
