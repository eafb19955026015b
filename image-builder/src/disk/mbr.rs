//! The first sector of a disk: a protective MBR (UEFI 2.10, section 5.2.3), or a hybrid one.
//!
//! A hybrid MBR names the first three partitions under their own numbers, for firmware that reads
//! no GPT, and protects the GPT's head in its fourth entry; Linux still takes the GPT.

use crate::board::Scheme;

use super::layout::Part;
use super::plan::{Partition, Plan};
use super::{SECTOR, gpt};

/// FAT, found by sector numbers: what the Raspberry Pi's firmware documents.
const FAT: u8 = 0x0c;
/// Here lies a GPT.
const PROTECTIVE: u8 = 0xee;
/// Cylinder, head and sector where numbers do not fit: look at the sector number.
const NO_CHS: [u8; 3] = [0xfe, 0xff, 0xff];

const VISIBLE: [Part; 3] = [Part::Config, Part::BootA, Part::BootB];

/// The MBR of a plan.
pub fn sector(plan: &Plan) -> [u8; 512] {
    let mut table = Vec::new();
    match plan.scheme {
        Scheme::Gpt => {
            let rest = plan.length / SECTOR - 1;
            table.extend(entry(PROTECTIVE, 1, rest));
        }
        Scheme::Hybrid => {
            for partition in VISIBLE.iter().filter_map(|part| plan.partition(*part)) {
                table.extend(fat(partition));
            }
            table.extend(entry(PROTECTIVE, 1, gpt::HEAD_SECTORS - 1));
        }
    }
    let mut sector = [0; 512];
    if plan.scheme == Scheme::Hybrid {
        sector[440..444].copy_from_slice(&plan.signature.to_le_bytes());
    }
    sector[446..446 + table.len()].copy_from_slice(&table);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

fn fat(partition: &Partition) -> [u8; 16] {
    entry(FAT, partition.offset / SECTOR, partition.length / SECTOR)
}

fn entry(kind: u8, first: u64, sectors: u64) -> [u8; 16] {
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
    let mut entry = [0; 16];
    entry[1..4].copy_from_slice(&if first == 1 { [0, 2, 0] } else { NO_CHS });
    entry[4] = kind;
    entry[5..8].copy_from_slice(&NO_CHS);
    entry[8..12].copy_from_slice(&number(first));
    entry[12..16].copy_from_slice(&number(sectors));
    entry
}
