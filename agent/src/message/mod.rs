//! Every "no" in plain words: who says it, why, and what to do about it.
//!
//! Each file here is a table for one kind of failure, in English; `japanese` has the same tables
//! again. What is said on a terminal and in logs is English, the window speaks the language of
//! its user. What strangers wrote (reasons, names, contacts) is printable by the time it gets
//! here.

pub mod check;
mod ends;
pub mod full_screen;
mod japanese;
mod local;
mod outer;
mod refusal;
pub mod update;

use std::fmt;

/// What an end user reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    English,
    Japanese,
}

impl Language {
    /// The one of two that is in this language.
    pub(crate) fn pick<T>(self, english: T, japanese: T) -> T {
        match self {
            Self::English => english,
            Self::Japanese => japanese,
        }
    }
}

/// Who is the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    Relay,
    OfficePc,
    YourNetwork,
    ThisProgram,
    /// The web server that tells of new versions.
    UpdateServer,
}

/// What to tell an end user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    language: Language,
    pub who: Who,
    /// Whole sentences; "it" is `who`.
    pub why: String,
    /// Whole sentences.
    pub what_to_do: String,
}

/// A failure that an end user may meet.
pub trait Explain {
    /// Says it in plain English.
    fn explain(&self) -> Explanation;

    /// Says it in plain Japanese.
    fn explain_in_japanese(&self) -> Explanation;

    /// Says it in plain words.
    fn explain_in(&self, language: Language) -> Explanation {
        match language {
            Language::English => self.explain(),
            Language::Japanese => self.explain_in_japanese(),
        }
    }
}

impl Explanation {
    fn new(who: Who, why: impl Into<String>, what_to_do: impl Into<String>) -> Self {
        Self {
            language: Language::English,
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
            Self::UpdateServer => "the server for new versions",
        })
    }
}

/// Three lines, one for each question; `{:#}` without the blanks that make columns in a terminal.
impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            language,
            who,
            why,
            what_to_do,
        } = self;
        match language {
            Language::English => {
                let blanks = if formatter.alternate() { 1 } else { 8 };
                write!(
                    formatter,
                    "Stopped by: {who}\nWhy:{:blanks$}{why}\nWhat to do: {what_to_do}",
                    ""
                )
            }
            Language::Japanese => {
                let who = japanese::name(*who);
                write!(
                    formatter,
                    "止まった場所：{who}\n理由：{why}\n対処：{what_to_do}"
                )
            }
        }
    }
}
