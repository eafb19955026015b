//! The board list of a lone board: itself, and what is revoked.
//!
//! Owns the signed bytes and knows when they are due. Serials are seconds since 1970, counted on
//! where needed, so that they rise even when the store is lost.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use protocol::board_list::{Address, Board, BoardList, CertificateSerial, VALIDITY_S};
use protocol::codec::EncodeError;
use protocol::file::node::NodeFile;
use protocol::id::BoardName;
use protocol::sign::SigningKey;

use super::seconds;
use crate::limits;

/// Share of hosts; alone, any number would do.
const WEIGHT: u16 = 100;

/// A signed board list as it travels.
#[derive(Debug, PartialEq, Eq)]
pub struct SignedList {
    pub serial: u64,
    pub bytes: Vec<u8>,
}

/// The list that is in force, and what the next one will say.
#[derive(Debug)]
pub(super) struct Edition {
    name: BoardName,
    addresses: Vec<String>,
    revoked: Vec<CertificateSerial>,
    draining: bool,
    /// The content has changed since it was signed.
    stale: bool,
    issued: SystemTime,
    current: Arc<SignedList>,
}

impl Edition {
    /// Signs a first list, later than `last_serial`.
    pub(super) fn new(
        node: &NodeFile,
        key: &SigningKey,
        last_serial: u64,
        now: SystemTime,
    ) -> Result<Self, EncodeError> {
        let mut edition = Self {
            name: node.name.clone(),
            addresses: Vec::new(),
            revoked: Vec::new(),
            draining: false,
            stale: true,
            issued: now,
            current: Arc::new(SignedList {
                serial: last_serial,
                bytes: Vec::new(),
            }),
        };
        edition.set_node(node);
        edition.renew(key, now)?;
        Ok(edition)
    }

    pub(super) fn current(&self) -> Arc<SignedList> {
        Arc::clone(&self.current)
    }

    pub(super) fn set_draining(&mut self, draining: bool) {
        self.stale |= self.draining != draining;
        self.draining = draining;
    }

    pub(super) fn set_node(&mut self, node: &NodeFile) {
        let revoked = node.lone.as_ref().map_or(&[][..], |lone| &lone.revoked);
        self.stale |= self.addresses != node.addresses || self.revoked != revoked;
        self.addresses.clone_from(&node.addresses);
        self.revoked = revoked.to_vec();
    }

    /// Signs a new list if the present one is stale or old; says whether it did.
    pub(super) fn renew(&mut self, key: &SigningKey, now: SystemTime) -> Result<bool, EncodeError> {
        // A clock that was set back makes the age negative: the list is from the future.
        let age = now.duration_since(self.issued).unwrap_or(Duration::MAX);
        if !self.stale && age < limits::BOARD_LIST_RENEWAL {
            return Ok(false);
        }
        let serial = seconds(now).max(self.current.serial.saturating_add(1));
        let list = BoardList {
            serial,
            issued: seconds(now),
            expires: seconds(now).saturating_add(VALIDITY_S),
            boards: vec![self.board()?],
            revoked: self.revoked.clone(),
        };
        let bytes = key.sign_board_list(list)?.to_bytes()?;
        self.current = Arc::new(SignedList { serial, bytes });
        self.issued = now;
        self.stale = false;
        Ok(true)
    }

    fn board(&self) -> Result<Board, EncodeError> {
        let mut addresses = heapless::Vec::new();
        for address in &self.addresses {
            addresses
                .push(Address::lossy(address))
                .map_err(|_| EncodeError)?;
        }
        Ok(Board {
            name: self.name.clone(),
            addresses,
            weight: WEIGHT,
            restricted: false,
            draining: self.draining,
        })
    }
}
