//! dm-verity's hash tree over a root file system: what `veritysetup format` makes, without it.
//!
//! SHA-256, blocks of 4096 bytes, superblock of version 1 in the first block, then the tree from
//! its top (Documentation/admin-guide/device-mapper/verity.rst of Linux).

use aws_lc_rs::digest::{Context, SHA256};

use crate::identity::{Hash, Uuid};

/// Bytes in a block, of data and of hashes.
pub const BLOCK: usize = 4096;
const HASH: usize = 32;
const HASHES_IN_BLOCK: usize = BLOCK / HASH;

/// A hash tree and what it stands for.
#[derive(Debug, PartialEq, Eq)]
pub struct HashTree {
    /// What the kernel's command line names.
    pub root: Hash,
    /// The hash device: superblock and tree.
    pub bytes: Vec<u8>,
}

/// What the head of a hash device says about its tree.
#[derive(Debug, PartialEq, Eq)]
pub struct Superblock {
    pub id: Uuid,
    pub data_blocks: u64,
    pub salt: [u8; 32],
}

impl Superblock {
    /// Reads a hash device of ours; `None` for anything else.
    pub fn parse(device: &[u8]) -> Option<Self> {
        let field = |at: usize, length: usize| device.get(at..at + length);
        let found = Self {
            id: Uuid::written(field(16, 16)?.try_into().ok()?),
            data_blocks: u64::from_le_bytes(field(72, 8)?.try_into().ok()?),
            salt: field(88, 32)?.try_into().ok()?,
        };
        let written = superblock(found.data_blocks, &found.salt, found.id);
        device.starts_with(&written).then_some(found)
    }
}

/// The data cannot have a hash tree.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes are no data for dm-verity: expected blocks of {BLOCK}, at least two")]
pub struct LengthError {
    length: usize,
}

/// Builds the tree over `data`.
pub fn hash_tree(data: &[u8], salt: &[u8; 32], id: Uuid) -> Result<HashTree, LengthError> {
    let refused = LengthError { length: data.len() };
    // With one block there is no tree: its hash is the root.
    if !data.len().is_multiple_of(BLOCK) || data.len() < 2 * BLOCK {
        return Err(refused);
    }
    let blocks = u64::try_from(data.len() / BLOCK).map_err(|_| refused)?;
    let mut levels = vec![level(data, salt)];
    while let Some(top) = levels.last().filter(|top| top.len() > BLOCK) {
        levels.push(level(top, salt));
    }
    let mut bytes = superblock(blocks, salt, id);
    let root = levels.last().map(|top| hash(top, salt)).unwrap_or_default();
    levels.iter().rev().for_each(|level| bytes.extend(level));
    Ok(HashTree {
        root: Hash(root),
        bytes,
    })
}

/// The hashes of all blocks, padded with zeros to whole blocks.
fn level(below: &[u8], salt: &[u8; 32]) -> Vec<u8> {
    let mut hashes: Vec<u8> = below
        .chunks(BLOCK)
        .flat_map(|block| hash(block, salt))
        .collect();
    hashes.resize(hashes.len().next_multiple_of(HASHES_IN_BLOCK * HASH), 0);
    hashes
}

fn hash(block: &[u8], salt: &[u8; 32]) -> [u8; HASH] {
    let mut context = Context::new(&SHA256);
    context.update(salt);
    context.update(block);
    let mut hash = [0; HASH];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

fn superblock(blocks: u64, salt: &[u8; 32], id: Uuid) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BLOCK);
    bytes.extend(b"verity\0\0");
    bytes.extend(1_u32.to_le_bytes()); // version of the superblock
    bytes.extend(1_u32.to_le_bytes()); // salt before the data
    bytes.extend(id.bytes());
    bytes.extend(b"sha256");
    bytes.resize(64, 0);
    bytes.extend(4096_u32.to_le_bytes()); // block of data
    bytes.extend(4096_u32.to_le_bytes()); // block of hashes
    bytes.extend(blocks.to_le_bytes());
    bytes.extend(32_u16.to_le_bytes()); // length of the salt
    bytes.extend([0; 6]);
    bytes.extend(salt);
    bytes.resize(BLOCK, 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::known(0x01020304_0506_4708_890a_0b0c0d0e0f10);

    /// Numbered blocks, so that no two have the same hash.
    fn data(blocks: usize) -> Vec<u8> {
        (0..blocks)
            .flat_map(|number| [number.to_le_bytes(); BLOCK / 8].concat())
            .collect()
    }

    fn salt() -> [u8; 32] {
        std::array::from_fn(|index| u8::try_from(index * 7).unwrap())
    }

    /// Against `veritysetup format --salt=0007..d9 --uuid=.. DATA HASH` of cryptsetup 2.6.1, which
    /// printed these root hashes, and whose hash devices have these hashes. The cases are a tree of
    /// one block, the last that fits it, and the first with two levels and with three.
    #[test]
    fn the_tree_is_that_of_veritysetup() {
        for (blocks, root, device) in [
            (
                2,
                "27cff729b609cf65d6a7160607e0fc5d8e28060cc60e967c0529b0f80fdcdd97",
                "be0c3595f148eec5e75d9974215c5191123a2f35bd8087906eda4d8cdc0ef0b2",
            ),
            (
                128,
                "4332f6fb8d14da91074d130e607f48ce57961b4190ac8b3d9070f92238bfaac0",
                "f74bbc3538460504a5787fea047fa5c503b7dc0eed81dbc9030c205e7b768ea6",
            ),
            (
                129,
                "785a3c526e8aac740d20b8bcc2d5dd92f19a7c0677dd8551908cfaa1414dbc8c",
                "e553ac5f7333b32d6d440909698b947a4892b8845d9e58df465ebcd5f0b45f6e",
            ),
            (
                16384,
                "185720b3b2a012e6084278c05e54f09d26d33deac8da6e3dce1607053a5077ea",
                "dc278911b1e9dcdce6e99965bb8b2b5e7e44bb7611fdcd93ebd49e5507d56892",
            ),
            (
                16385,
                "43118a03b4d2d71a70ea352a29a6f3b39fb1bd34eedd0570aaa54e8b21965d7f",
                "97e598c6a99157efdf702a959196769ac3f0911f6c18ad19dde791fa0d07bdbf",
            ),
        ] {
            let tree = hash_tree(&data(blocks), &salt(), ID).unwrap();

            assert_eq!(tree.root.to_string(), root, "{blocks} blocks");
            assert_eq!(Hash::of(&tree.bytes).to_string(), device, "{blocks} blocks");
        }
    }

    /// What the board's first stage makes of it.
    #[test]
    fn the_first_stage_knows_the_tree_by_its_root_hash() {
        let tree = hash_tree(&data(200), &salt(), ID).unwrap();
        let mut device = tree.bytes.as_slice();

        let (superblock, top) = first_stage::superblock::read(&mut device).unwrap();

        assert_eq!(superblock.data_blocks, 200);
        assert!(superblock.has_root(&top, &tree.root.0));
        let mut damaged = top;
        damaged[BLOCK - 1] ^= 1;
        assert!(!superblock.has_root(&damaged, &tree.root.0));
    }

    #[test]
    fn what_is_not_whole_blocks_is_refused() {
        for length in [0, 1, BLOCK, 2 * BLOCK - 1, 2 * BLOCK + 1] {
            let refused = hash_tree(&vec![0; length], &salt(), ID);
            assert_eq!(refused, Err(LengthError { length }));
        }
    }
}
