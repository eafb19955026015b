//! Requests to device-mapper, as bytes: `struct dm_ioctl` and `struct dm_target_spec` of
//! `linux/dm-ioctl.h`.

use crate::command_line::RootHash;
use crate::superblock::{BLOCK, Superblock};

/// Bytes of `struct dm_ioctl`.
pub const HEADER: usize = 312;
/// Bytes of a whole request: the header, one target and its parameters.
pub const REQUEST: usize = 2048;

const VERSION: [u32; 3] = [4, 0, 0];
const READ_ONLY: u32 = 1;
const DEVICE_AT: usize = 40;
const SECTORS_IN_BLOCK: u64 = 8;

/// What is asked of the device named `root`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order<'a> {
    Create,
    /// Gives it a read-only table of one target.
    Load(&'a Target),
    /// Takes the loaded table into use.
    Resume,
}

impl Order<'_> {
    /// The number of the request: `_IOWR(DM_IOCTL, number, struct dm_ioctl)`.
    pub fn number(&self) -> u8 {
        match self {
            Self::Create => 3,
            Self::Load(_) => 9,
            Self::Resume => 6,
        }
    }

    /// The request's bytes; `None` if the parameters do not fit.
    pub fn request(&self) -> Option<[u8; REQUEST]> {
        let (flags, target) = match self {
            Self::Create | Self::Resume => (0, None),
            Self::Load(target) => (READ_ONLY, Some(target)),
        };
        let mut request = Vec::with_capacity(REQUEST);
        let mut word = |value: u32| request.extend(value.to_ne_bytes());
        VERSION.into_iter().for_each(&mut word);
        word(u32::try_from(REQUEST).ok()?);
        word(u32::try_from(HEADER).ok()?);
        word(u32::from(target.is_some()));
        word(0); // open count
        word(flags);
        word(0); // event number
        word(0); // padding
        request.extend(0_u64.to_ne_bytes()); // device number
        request.extend(b"root");
        request.resize(HEADER, 0);
        if let Some(target) = target {
            request.extend(0_u64.to_ne_bytes()); // first sector
            request.extend(target.sectors.to_ne_bytes());
            request.extend([0; 8]); // status, offset of the next target
            request.extend(b"verity\0\0\0\0\0\0\0\0\0\0");
            request.extend(target.parameters.as_bytes());
            request.push(0);
        }
        if request.len() > REQUEST {
            return None;
        }
        request.resize(REQUEST, 0);
        request.try_into().ok()
    }
}

/// One line of a device-mapper table.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    sectors: u64,
    parameters: String,
}

impl Target {
    /// dm-verity over `data`, with the superblock's tree on `hash`.
    ///
    /// A block that is not what the root hash stands for restarts the board at once: an error
    /// would only kill some program, and leave a half-alive board in a bad slot.
    pub fn verity(data: &str, hash: &str, superblock: &Superblock, root: &RootHash) -> Self {
        let digits =
            |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
        let salt = match superblock.salt.as_slice() {
            [] => "-".to_owned(),
            salt => digits(salt),
        };
        let blocks = superblock.data_blocks;
        let root = digits(root);
        Self {
            sectors: blocks.saturating_mul(SECTORS_IN_BLOCK),
            parameters: format!(
                "1 {data} {hash} {BLOCK} {BLOCK} {blocks} 1 sha256 {root} {salt} \
                 1 restart_on_corruption"
            ),
        }
    }
}

/// The minor number of the device that an answered request names.
pub fn minor(answer: &[u8; REQUEST]) -> Option<u64> {
    let bytes = answer.get(DEVICE_AT..DEVICE_AT + 8)?;
    let device = u64::from_ne_bytes(bytes.try_into().ok()?);
    // huge_encode_dev of linux/kdev_t.h.
    Some(device & 0xff | device >> 12 & 0xf_ff00)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock(salt: &[u8]) -> Superblock {
        Superblock {
            data_blocks: 3,
            salt: salt.to_vec(),
        }
    }

    fn at(request: &[u8; REQUEST], offset: usize) -> u32 {
        u32::from_ne_bytes(request[offset..offset + 4].try_into().unwrap())
    }

    #[test]
    fn a_table_is_where_the_kernel_looks_for_it() {
        let target = Target::verity("/dev/a", "/dev/b", &superblock(&[1, 2]), &[0xab; 32]);

        let request = Order::Load(&target).request().unwrap();

        assert_eq!([at(&request, 12), at(&request, 16)], [2048, 312]);
        assert_eq!([at(&request, 20), at(&request, 28)], [1, READ_ONLY]);
        assert_eq!(&request[48..53], b"root\0");
        assert_eq!(at(&request, HEADER + 8), 24);
        assert_eq!(&request[HEADER + 24..HEADER + 31], b"verity\0");
        let text = format!(
            "1 /dev/a /dev/b 4096 4096 3 1 sha256 {} 0102 1 restart_on_corruption\0",
            "ab".repeat(32)
        );
        assert_eq!(
            &request[HEADER + 40..HEADER + 40 + text.len()],
            text.as_bytes()
        );
    }

    #[test]
    fn no_salt_is_a_dash() {
        let target = Target::verity("/dev/a", "/dev/b", &superblock(&[]), &[0; 32]);

        assert!(target.parameters.contains(" - 1 restart"), "{target:?}");
    }

    #[test]
    fn parameters_that_do_not_fit_are_refused() {
        let target = Target::verity(&"x".repeat(REQUEST), "", &superblock(&[]), &[0; 32]);

        assert_eq!(Order::Load(&target).request(), None);
    }

    #[test]
    fn a_minor_number_above_a_byte_is_put_together() {
        let mut answer = Order::Create.request().unwrap();
        answer[DEVICE_AT..DEVICE_AT + 8].copy_from_slice(&0x0010_fd01_u64.to_ne_bytes());

        assert_eq!(minor(&answer), Some(0x101));
    }
}
