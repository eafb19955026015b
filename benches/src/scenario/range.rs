//! A value, or a range from which values are drawn evenly.

use rand::Rng;
use serde::{Deserialize, Serialize};

/// `5`, or `[2, 8]` with both ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Range<T> {
    One(T),
    Between([T; 2]),
}

impl<T: Copy + PartialOrd> Range<T> {
    pub fn least(&self) -> T {
        match *self {
            Self::One(value) => value,
            Self::Between([least, _]) => least,
        }
    }

    pub fn most(&self) -> T {
        match *self {
            Self::One(value) => value,
            Self::Between([_, most]) => most,
        }
    }

    /// Whether all of it lies within these bounds, the lower end first.
    pub(super) fn lies_within(&self, least: T, most: T) -> bool {
        least <= self.least() && self.least() <= self.most() && self.most() <= most
    }
}

impl<T: Copy + PartialOrd + rand::distributions::uniform::SampleUniform> Range<T> {
    pub fn draw(&self, random: &mut impl Rng) -> T {
        random.gen_range(self.least()..=self.most())
    }
}
