//! Every "no" in plain words: who says it, why, and what to do about it.
//!
//! The sentences stand in `text.rs`, one table, so that another language is another table.
//! No other module words anything for an end user.

use std::fmt;

/// Who is the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    Relay,
    OfficePc,
    YourNetwork,
    ThisProgram,
}

/// What to tell an end user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub who: Who,
    pub why: String,
    pub what_to_do: String,
}

/// A failure that an end user may meet.
pub trait Explain {
    /// Says it in plain words.
    fn explain(&self) -> Explanation;
}

/// "The relay: why. What to do."
impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:?}: {} {}",
            self.who, self.why, self.what_to_do
        )
    }
}

impl Explain for protocol::refusal::Refusal {
    fn explain(&self) -> Explanation {
        unimplemented!()
    }
}

impl Explain for crate::outer::OuterError {
    fn explain(&self) -> Explanation {
        unimplemented!()
    }
}

impl Explain for crate::state::StateError {
    fn explain(&self) -> Explanation {
        unimplemented!()
    }
}

impl Explain for crate::config::ConfigError {
    fn explain(&self) -> Explanation {
        unimplemented!()
    }
}
