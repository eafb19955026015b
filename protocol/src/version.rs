//! Version negotiation: each side says what it speaks, the answerer picks the highest in common.

use crate::codec::wire_struct;

/// What this build speaks, on the outer hop and in the tunnel alike.
pub const VERSIONS: Versions = Versions { min: 1, max: 1 };

wire_struct! {
    /// A closed range of protocol versions.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Versions {
        /// Oldest version spoken.
        pub min: u16,
        /// Newest version spoken.
        pub max: u16,
    }
}

/// Which side has to be updated when there is no version in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outdated {
    /// We are older than everything that the peer speaks.
    Us,
    /// The peer is older than everything that we speak.
    Peer,
}

impl Versions {
    /// The highest version that both speak.
    pub fn agree(self, peer: Self) -> Result<u16, Outdated> {
        let version = self.max.min(peer.max);
        if version >= self.min.max(peer.min) {
            Ok(version)
        } else if self.max < peer.min {
            Err(Outdated::Us)
        } else {
            Err(Outdated::Peer)
        }
    }
}
