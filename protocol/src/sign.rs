//! Ed25519 signatures (RFC 8032) over claims, board lists, epochs and entry files.
//!
//! What is signed begins with a label that says what it is, so that a signature over one
//! kind of thing can never pass for another.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::board_list::{BOARD_LIST_MAX, BoardList, SignedBoardList};
use crate::claim::{Claim, SignedClaim, epoch_message};
use crate::codec::{EncodeError, Wire, Writer};
use crate::id::{HostKey, PublicKey};
use crate::secret::Secret;

const CLAIM_LABEL: &[u8] = b"tasuki claim 1";
const BOARD_LIST_LABEL: &[u8] = b"tasuki board list 1";

/// The signature does not belong to this content and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signature does not match")]
pub struct SignatureError;

/// A private key, known by its seed.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The key with this seed.
    pub fn from_seed(seed: &Secret<32>) -> Result<Self, SignatureError> {
        Ed25519KeyPair::from_seed_unchecked(seed.expose())
            .map(Self)
            .map_err(|_| SignatureError)
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    /// Signs `message`, which must begin with a label of its own.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.0.sign(message).as_ref());
        bytes
    }

    /// Signs a claim.
    pub fn sign_claim(&self, claim: Claim) -> Result<SignedClaim, EncodeError> {
        let signature = with_message(CLAIM_LABEL, &claim, |message| self.sign(message))?;
        Ok(SignedClaim { claim, signature })
    }

    /// Signs a board list.
    pub fn sign_board_list(&self, list: BoardList) -> Result<SignedBoardList, EncodeError> {
        let signature = with_message(BOARD_LIST_LABEL, &list, |message| self.sign(message))?;
        Ok(SignedBoardList { list, signature })
    }

    /// Signs which link of which process of the host speaks.
    pub fn sign_epoch(&self, nonce: [u8; 16], epoch: u64) -> [u8; 64] {
        self.sign(&epoch_message(nonce, epoch))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SigningKey({})", self.public_key())
    }
}

impl PublicKey {
    /// Checks `signature` over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), SignatureError> {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, signature)
            .map_err(|_| SignatureError)
    }
}

impl SignedClaim {
    /// The claim, if one of the registrar's keys signed it.
    pub fn verify(&self, registrar: &[PublicKey]) -> Result<&Claim, SignatureError> {
        verified(CLAIM_LABEL, &self.claim, &self.signature, registrar)
    }
}

impl SignedBoardList {
    /// The list, if one of the registrar's keys signed it. Its dates still have to be looked at.
    pub fn verify(&self, registrar: &[PublicKey]) -> Result<&BoardList, SignatureError> {
        verified(BOARD_LIST_LABEL, &self.list, &self.signature, registrar)
    }
}

/// Checks that the host with `host_key` signed this nonce and epoch.
pub fn verify_epoch(
    host_key: &HostKey,
    nonce: [u8; 16],
    epoch: u64,
    signature: &[u8; 64],
) -> Result<(), SignatureError> {
    host_key.verify(&epoch_message(nonce, epoch), signature)
}

fn verified<'v, T: for<'a> Wire<'a>>(
    label: &[u8],
    value: &'v T,
    signature: &[u8; 64],
    keys: &[PublicKey],
) -> Result<&'v T, SignatureError> {
    let check = |message: &[u8]| {
        keys.iter()
            .any(|key| key.verify(message, signature).is_ok())
    };
    match with_message(label, value, check) {
        Ok(true) => Ok(value),
        Ok(false) | Err(EncodeError) => Err(SignatureError),
    }
}

fn with_message<T: for<'a> Wire<'a>, R>(
    label: &[u8],
    value: &T,
    then: impl FnOnce(&[u8]) -> R,
) -> Result<R, EncodeError> {
    let mut buffer = vec![0; label.len() + BOARD_LIST_MAX];
    let mut writer = Writer::new(&mut buffer);
    writer.put(label)?;
    value.encode(&mut writer)?;
    let used = writer.used();
    Ok(then(&buffer[..used]))
}
