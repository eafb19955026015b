//! The operator's side door: a Unix socket that only the relay's user and root may open.
//!
//! A request is one line of JSON, the answer another; an export follows its answer line by line.
//! Owns the protocol and both ends of it; must never carry anything of an agent.
//! Read next: [`server`], [`client`], [`status`] for what is told.

pub mod client;
pub mod server;
pub mod status;
mod view;

use serde::{Deserialize, Serialize};

use status::Status;

/// What an operator asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    Status,
    /// Take nothing new, and end what is left after this long.
    Drain {
        deadline_s: u64,
    },
    /// Every claim, as JSON lines behind the answer.
    Export,
}

/// What the relay answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Status(Box<Status>),
    /// The drain has begun, with so many sessions left.
    Draining {
        sessions: usize,
    },
    /// The claims follow.
    Export,
    Error {
        message: String,
    },
}
