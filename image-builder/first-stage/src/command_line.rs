//! The words of the kernel's command line that the first stage obeys.

use crate::slot::Slot;

/// A SHA-256 root hash.
pub type RootHash = [u8; 32];

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Wish {
    /// `tasuki.root`: the only root that may be mounted.
    pub root: RootHash,
    /// `tasuki.slot`: where to look; anywhere without it.
    pub slot: Option<Slot>,
}

/// What is wrong with the command line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandLineError {
    #[error("the kernel's command line has no tasuki.root= (the root hash of this slot)")]
    NoRoot,
    #[error("tasuki.root= on the kernel's command line is not a root hash of 64 hex digits")]
    BadRoot,
    #[error("tasuki.slot= on the kernel's command line is neither a nor b")]
    BadSlot,
}

/// Reads `/proc/cmdline`; of a word given twice the last counts, as for the kernel's own.
pub fn parse(line: &str) -> Result<Wish, CommandLineError> {
    let value = |name: &str| {
        line.split_ascii_whitespace()
            .rev()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    };
    let root = value("tasuki.root").ok_or(CommandLineError::NoRoot)?;
    let slot = value("tasuki.slot")
        .map(|slot| Slot::parse(slot).ok_or(CommandLineError::BadSlot))
        .transpose()?;
    Ok(Wish {
        root: hash(root).ok_or(CommandLineError::BadRoot)?,
        slot,
    })
}

fn hash(digits: &str) -> Option<RootHash> {
    let mut hash = RootHash::default();
    if digits.len() != hash.len() * 2 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_slot_are_read_and_the_last_word_counts() {
        let root = "0f".repeat(32);
        let line = format!("ro tasuki.root={} tasuki.slot=b tasuki.root={root}\n", "aa");

        let wish = parse(&line).unwrap();

        assert_eq!(wish.root, [0x0f; 32]);
        assert_eq!(wish.slot, Some(Slot::B));
    }

    #[test]
    fn what_is_missing_or_wrong_has_its_words() {
        let odd = format!("tasuki.root={}", "0f".repeat(31));
        let sign = format!("tasuki.root=+1{}", "0f".repeat(31));
        let slot = format!("tasuki.slot=c tasuki.root={}", "0f".repeat(32));

        assert_eq!(parse("ro quiet"), Err(CommandLineError::NoRoot));
        assert_eq!(parse(&odd), Err(CommandLineError::BadRoot));
        assert_eq!(parse(&sign), Err(CommandLineError::BadRoot));
        assert_eq!(parse(&slot), Err(CommandLineError::BadSlot));
    }
}
