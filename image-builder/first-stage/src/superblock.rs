//! The head of a dm-verity hash device, and whether its tree has a given root hash.
//!
//! The layout is cryptsetup's superblock of version 1 at offset 0, followed by the tree from its
//! top (Documentation/admin-guide/device-mapper/verity.rst). Nothing here is trusted before the
//! top block's hash has been compared; a wrong salt or number of blocks makes that fail.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use crate::command_line::RootHash;

/// Bytes in a block of data and of hashes.
pub const BLOCK: usize = 4096;
/// Bytes of a superblock on the disk.
pub const SIZE: usize = 512;

const MAGIC: [u8; 8] = *b"verity\0\0";
const SALT_MAX: usize = 256;

/// What the superblock says.
#[derive(Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Blocks of data below the tree.
    pub data_blocks: u64,
    pub salt: Vec<u8>,
}

/// Why a partition holds no hash tree that we could use.
#[derive(Debug, thiserror::Error)]
pub enum SuperblockError {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("holds no hash tree")]
    NoTree,
    #[error("holds a hash tree of another kind than ours (SHA-256, blocks of 4096 bytes)")]
    OtherKind,
}

impl Superblock {
    /// Reads the first block of a hash device.
    pub fn parse(block: &[u8; BLOCK]) -> Result<Self, SuperblockError> {
        let mut rest = block.as_slice();
        let mut take = |count: usize| -> &[u8] {
            // INVARIANT: the fields below are fewer bytes than a block has.
            let (field, after) = rest.split_at(count.min(rest.len()));
            rest = after;
            field
        };
        if take(8) != MAGIC {
            return Err(SuperblockError::NoTree);
        }
        let (version, hash_type) = (number(take(4)), number(take(4)));
        let _uuid = take(16);
        let algorithm = take(32);
        let (data_block, hash_block) = (number(take(4)), number(take(4)));
        let data_blocks = number(take(8));
        let salt_size = number(take(2));
        let _padding = take(6);
        let salt = take(SALT_MAX);
        let block_size = u64::try_from(BLOCK).map_err(|_| SuperblockError::OtherKind)?;
        let ours = version == 1
            && hash_type == 1
            && algorithm.strip_prefix(b"sha256\0").is_some()
            && data_block == block_size
            && hash_block == block_size;
        let salt = usize::try_from(salt_size)
            .ok()
            .and_then(|size| salt.get(..size))
            .filter(|_| ours)
            .ok_or(SuperblockError::OtherKind)?;
        Ok(Self {
            data_blocks,
            salt: salt.to_vec(),
        })
    }

    /// Whether `top`, the block after the superblock, is what `root` stands for.
    pub fn has_root(&self, top: &[u8; BLOCK], root: &RootHash) -> bool {
        let hash = Sha256::new()
            .chain_update(&self.salt)
            .chain_update(top)
            .finalize();
        hash.as_slice() == root
    }
}

/// Reads the superblock and the top of the tree behind it.
pub fn read(device: &mut impl Read) -> Result<(Superblock, [u8; BLOCK]), SuperblockError> {
    let mut block = [0; BLOCK];
    device.read_exact(&mut block)?;
    let superblock = Superblock::parse(&block)?;
    device.read_exact(&mut block)?;
    Ok((superblock, block))
}

fn number(field: &[u8]) -> u64 {
    field
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}
