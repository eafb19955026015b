//! Return tag: shows that a client has been let in by this host before.
//!
//! Two MACs, for two readers. The board checks the first with a key that the host gives
//! it at registration, and keeps invite slots for such clients; the host checks the second
//! with a key that never leaves it, and keeps a lockout counter for each. So a board that
//! lies can waste slots, but cannot make tags that the host believes.

use std::fmt;

use crate::codec::wire_struct;
use crate::secret::Secret;

wire_struct! {
    #[derive(Clone, PartialEq, Eq)]
    pub struct ReturnTag {
        /// Random name of this client at this host.
        pub id: [u8; 8],
        /// For the board: HMAC-SHA-256 under the slot key over "tasuki slot 1" and `id`, first 8 bytes.
        pub slot_mac: Secret<8>,
        /// For the host: HMAC-SHA-256 under its tag key over "tasuki tag 1" and `id`, first 16 bytes.
        pub host_mac: Secret<16>,
    }
}

/// The tag's name only; the MACs are credentials.
impl fmt::Debug for ReturnTag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ReturnTag({:016x})", u64::from_be_bytes(self.id))
    }
}

#[cfg(feature = "sign")]
mod mac {
    use aws_lc_rs::hmac;

    use super::ReturnTag;
    use crate::secret::Secret;

    impl ReturnTag {
        /// Makes the tag named `id`.
        pub fn new(id: [u8; 8], slot_key: &Secret<32>, tag_key: &Secret<32>) -> Self {
            Self {
                id,
                slot_mac: slot_mac(id, slot_key),
                host_mac: host_mac(id, tag_key),
            }
        }

        /// Whether a board that was given `slot_key` should believe the tag.
        pub fn has_slot(&self, slot_key: &Secret<32>) -> bool {
            self.slot_mac == slot_mac(self.id, slot_key)
        }

        /// Whether the host whose `tag_key` this is made the tag.
        pub fn is_from(&self, tag_key: &Secret<32>) -> bool {
            self.host_mac == host_mac(self.id, tag_key)
        }
    }

    fn slot_mac(id: [u8; 8], key: &Secret<32>) -> Secret<8> {
        truncated(key, b"tasuki slot 1", id)
    }

    fn host_mac(id: [u8; 8], key: &Secret<32>) -> Secret<16> {
        truncated(key, b"tasuki tag 1", id)
    }

    fn truncated<const N: usize>(key: &Secret<32>, label: &[u8], id: [u8; 8]) -> Secret<N> {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.expose()));
        context.update(label);
        context.update(&id);
        let mut bytes = [0; N];
        bytes.copy_from_slice(&context.sign().as_ref()[..N]);
        Secret::new(bytes)
    }
}
