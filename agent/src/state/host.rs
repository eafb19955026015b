//! The host's part of the state.

use protocol::claim::SignedClaim;
use protocol::file::entry::Entry;
use protocol::id::ComputerId;
use protocol::secret::Secret;
use zeroize::Zeroizing;

use super::{Identity, StateError};
use crate::outer::board::Boards;

/// DIR/host.
#[derive(Debug, Clone)]
pub struct HostState;

/// Held while `run` runs; a second one is refused.
#[derive(Debug)]
pub struct RunLock;

/// Keys under which the host makes return tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagKeys {
    /// Given to the board at registration.
    pub slot_key: Secret<32>,
    /// Never leaves the host.
    pub tag_key: Secret<32>,
}

impl HostState {
    /// Takes the right to run with this state.
    pub fn lock(&self) -> Result<RunLock, StateError> {
        unimplemented!()
    }

    /// Takes over an entry file: the first one on trust, later ones from the same deployment
    /// and not older. Returns the one in force.
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

    /// The identity; made if there is none yet.
    pub fn identity(&self) -> Result<Identity, StateError> {
        unimplemented!()
    }

    /// The identity, if there is one.
    pub fn existing_identity(&self) -> Result<Option<Identity>, StateError> {
        unimplemented!()
    }

    /// Removes the identity with the claim and the tag keys, so that the next one is new.
    pub fn reset_identity(&self) -> Result<(), StateError> {
        unimplemented!()
    }

    /// What the registrar has signed for this host.
    pub fn claim(&self) -> Result<Option<SignedClaim>, StateError> {
        unimplemented!()
    }

    /// Keeps a claim.
    pub fn set_claim(&self, claim: &SignedClaim) -> Result<(), StateError> {
        let _ = claim;
        unimplemented!()
    }

    /// The computer ID that the host wants and does not have yet.
    pub fn wish(&self) -> Result<Option<ComputerId>, StateError> {
        unimplemented!()
    }

    /// Sets or clears the wish.
    pub fn set_wish(&self, wish: Option<&ComputerId>) -> Result<(), StateError> {
        let _ = wish;
        unimplemented!()
    }

    /// The password record, if a password has been set.
    pub fn password_record(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
        unimplemented!()
    }

    /// Replaces the password record.
    pub fn set_password_record(&self, record: &[u8]) -> Result<(), StateError> {
        let _ = record;
        unimplemented!()
    }

    /// The keys for return tags; made if there are none yet.
    pub fn tag_keys(&self) -> Result<TagKeys, StateError> {
        unimplemented!()
    }
}
