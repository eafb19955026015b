//! Every "no" in plain words: who says it, why, and what to do about it.
//!
//! Each file here is a table for one kind of failure, so that another language is another
//! set of tables. No other module words anything for an end user. What strangers wrote
//! (reasons, names, contacts) is printable by the time it gets here.

mod ends;
mod local;
mod outer;
mod refusal;

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
    /// Whole sentences; "it" is `who`.
    pub why: String,
    /// Whole sentences.
    pub what_to_do: String,
}

/// A failure that an end user may meet.
pub trait Explain {
    /// Says it in plain words.
    fn explain(&self) -> Explanation;
}

impl Explanation {
    fn new(who: Who, why: impl Into<String>, what_to_do: impl Into<String>) -> Self {
        Self {
            who,
            why: why.into(),
            what_to_do: what_to_do.into(),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Relay => "the relay",
            Self::OfficePc => "the office PC",
            Self::YourNetwork => "your network",
            Self::ThisProgram => "this program",
        })
    }
}

/// Three lines, one for each question.
impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            who,
            why,
            what_to_do,
        } = self;
        write!(
            formatter,
            "Stopped by: {who}\nWhy:        {why}\nWhat to do: {what_to_do}"
        )
    }
}
