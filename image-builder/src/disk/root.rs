//! Whether the root file systems on a disk fit their hash trees, as the kernel will see them.

use std::fmt;
use std::io::{self, Read, Seek};

use crate::identity::Hash;
use crate::verity::{self, BLOCK, Superblock};

use super::read::{Found, bytes};

/// What a root partition holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Root {
    /// A file system that fits its tree; the root hash.
    Sound(Hash),
    Empty,
    Damaged(&'static str),
}

impl fmt::Display for Root {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sound(hash) => write!(formatter, "root hash {hash}"),
            Self::Empty => formatter.write_str("empty"),
            Self::Damaged(why) => write!(formatter, "damaged: {why}"),
        }
    }
}

/// Reads the root called `label` (`root-a`) and its tree (`verity-a`), both whole.
///
/// # Errors
/// The disk cannot be read, or ends before a partition does.
pub fn look(disk: &mut (impl Read + Seek), label: &str, all: &[Found]) -> io::Result<Root> {
    let find = |label: &str| all.iter().find(|partition| partition.label == label);
    let tree_label = label.replace("root", "verity");
    let (Some(root), Some(tree)) = (find(label), find(&tree_label)) else {
        return Ok(Root::Damaged("one of its partitions is missing"));
    };
    let tree = bytes(disk, tree.offset, tree.length)?;
    let Some(superblock) = Superblock::parse(&tree) else {
        return Ok(Root::Empty);
    };
    let block = u64::try_from(BLOCK).map_err(io::Error::other)?;
    let length = superblock.data_blocks.saturating_mul(block);
    if length > root.length {
        return Ok(Root::Damaged("its hash tree is that of a larger one"));
    }
    let data = bytes(disk, root.offset, length)?;
    let Ok(again) = verity::hash_tree(&data, &superblock.salt, superblock.id) else {
        return Ok(Root::Damaged("its hash tree is that of nothing"));
    };
    if tree.starts_with(&again.bytes) {
        Ok(Root::Sound(again.root))
    } else {
        Ok(Root::Damaged("it does not fit its hash tree"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::identity::Uuid;

    const BLOCKS: usize = 3;

    /// A disk of a root of three blocks at 0 and its tree behind it.
    fn disk() -> (Vec<u8>, Vec<Found>, Hash) {
        let mut bytes = vec![7; BLOCKS * BLOCK];
        let tree = verity::hash_tree(&bytes, &[1; 32], Uuid::known(2)).unwrap();
        let (root, verity) = (bytes.len(), tree.bytes.len());
        bytes.extend(&tree.bytes);
        let found = |label: &str, offset: usize, length: usize| Found {
            number: 1,
            label: label.to_owned(),
            kind: Uuid::known(0),
            id: Uuid::known(0),
            offset: u64::try_from(offset).unwrap(),
            length: u64::try_from(length).unwrap(),
        };
        let all = vec![found("root-a", 0, root), found("verity-a", root, verity)];
        (bytes, all, tree.root)
    }

    fn seen(bytes: Vec<u8>, all: &[Found]) -> io::Result<Root> {
        look(&mut Cursor::new(bytes), "root-a", all)
    }

    #[test]
    fn one_flipped_bit_in_root_or_tree_is_damage() {
        let (bytes, all, hash) = disk();
        assert_eq!(seen(bytes.clone(), &all).unwrap(), Root::Sound(hash));

        for at in [0, BLOCKS * BLOCK - 1, (BLOCKS + 1) * BLOCK] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            let root = seen(flipped, &all).unwrap();
            assert!(matches!(root, Root::Damaged(_)), "byte {at}: {root}");
        }
    }

    #[test]
    fn a_tree_without_a_superblock_is_no_system_yet() {
        let (mut bytes, all, _) = disk();
        bytes[BLOCKS * BLOCK..].fill(0);

        assert_eq!(seen(bytes, &all).unwrap(), Root::Empty);
    }

    #[test]
    fn lengths_that_a_hostile_table_names_are_not_believed() {
        let (bytes, all, _) = disk();

        let mut far = all.clone();
        far[1].length = u64::MAX;
        assert!(seen(bytes.clone(), &far).is_err());
        let mut cut = all.clone();
        cut[1].length += 1;
        assert!(seen(bytes.clone(), &cut).is_err());
        let mut small = all;
        small[0].length = 1;
        assert!(matches!(seen(bytes, &small).unwrap(), Root::Damaged(_)));
    }
}
