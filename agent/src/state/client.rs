//! The client's part of the state.

use std::time::SystemTime;

use protocol::file::entry::Entry;
use protocol::id::{ComputerId, HostKey};
use protocol::tag::ReturnTag;

use super::StateError;
use crate::outer::board::Boards;

/// DIR/client.
#[derive(Debug, Clone)]
pub struct ClientState;

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    pub computer_id: ComputerId,
    /// Empty where the host has no users.
    pub user: String,
    pub last: SystemTime,
}

impl ClientState {
    /// As [`super::HostState::adopt_entry`].
    pub fn adopt_entry(&self, source: &str) -> Result<Entry, StateError> {
        let _ = source;
        unimplemented!()
    }

    /// The entry file in force.
    pub fn entry(&self) -> Result<Option<Entry>, StateError> {
        unimplemented!()
    }

    /// The board list, from the cache if there is a good one.
    pub fn boards(&self, entry: &Entry) -> Result<Boards, StateError> {
        let _ = entry;
        unimplemented!()
    }

    /// The host key that this computer showed at the first success.
    pub fn pin(&self, computer_id: &ComputerId) -> Result<Option<HostKey>, StateError> {
        let _ = computer_id;
        unimplemented!()
    }

    /// Keeps the host key of a computer.
    pub fn set_pin(&self, computer_id: &ComputerId, key: &HostKey) -> Result<(), StateError> {
        let _ = (computer_id, key);
        unimplemented!()
    }

    /// What the host gave this client after the last success.
    pub fn tag(&self, computer_id: &ComputerId) -> Result<Option<ReturnTag>, StateError> {
        let _ = computer_id;
        unimplemented!()
    }

    /// Keeps a return tag.
    pub fn set_tag(&self, computer_id: &ComputerId, tag: &ReturnTag) -> Result<(), StateError> {
        let _ = (computer_id, tag);
        unimplemented!()
    }

    /// Forgets pin and tag of a computer. False: nothing was known of it.
    pub fn forget_host(&self, computer_id: &ComputerId) -> Result<bool, StateError> {
        let _ = computer_id;
        unimplemented!()
    }

    /// Whom this client has visited, newest first.
    pub fn history(&self) -> Result<Vec<Visit>, StateError> {
        unimplemented!()
    }

    /// Puts a visit at the top of the history.
    pub fn remember(&self, visit: &Visit) -> Result<(), StateError> {
        let _ = visit;
        unimplemented!()
    }
}
