//! The two places for a system on a disk.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    A,
    B,
}

impl Slot {
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    pub fn parse(text: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|slot| slot.letter() == text)
    }

    pub fn letter(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    /// The label of the partition that holds the slot's root.
    pub fn root_label(self) -> String {
        format!("root-{self}")
    }

    /// The label of the partition that holds the root's hash tree.
    pub fn verity_label(self) -> String {
        format!("verity-{self}")
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.letter())
    }
}
