//! Claims: the registrar's word that a computer ID belongs to a host key.
//!
//! A host keeps its claim and shows it; any board that knows the registrar's public key
//! honours it without asking anyone, even with an empty store. Of two claims for one ID
//! the one with the lower serial wins.

use crate::codec::wire_struct;
use crate::id::{ComputerId, HostKey};

wire_struct! {
    /// What the registrar signs.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Claim {
        pub computer_id: ComputerId,
        pub host_key: HostKey,
        /// Microseconds since 1970 when the registrar issued it, made unique by counting on.
        pub serial: u64,
        /// Seconds since 1970 when this key first took this ID.
        pub date: u64,
    }
}

wire_struct! {
    /// A claim with the registrar's Ed25519 signature over "tasuki claim 1" and its encoding.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SignedClaim {
        pub claim: Claim,
        pub signature: [u8; 64],
    }
}

/// What a host signs in `Register`: which process of it speaks, and which link of that process.
pub fn epoch_message(nonce: [u8; 16], epoch: u64) -> [u8; 38] {
    let mut message = [0; 38];
    message[..14].copy_from_slice(b"tasuki epoch 1");
    message[14..30].copy_from_slice(&nonce);
    message[30..].copy_from_slice(&epoch.to_be_bytes());
    message
}
