//! A host's identity, and the first frames that agents send.

use protocol::claim::SignedClaim;
use protocol::id::ComputerId;
use protocol::outer::{Connect, Join, Register};
use protocol::secret::{Secret, Ticket};
use protocol::sign::SigningKey;
use protocol::tag::ReturnTag;
use protocol::text::Text;
use protocol::version::VERSIONS;
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A host: its key, and the process that speaks for it.
#[derive(Clone)]
pub struct Host {
    pub seed: [u8; 32],
    pub nonce: [u8; 16],
    pub wish: Option<ComputerId>,
    pub claim: Option<SignedClaim>,
    pub slot_key: Secret<32>,
}

impl Host {
    /// A host with a key of its own that wants this ID.
    pub fn new(number: u16, wish: &str) -> Self {
        let mut seed = [1; 32];
        seed[..2].copy_from_slice(&number.to_be_bytes());
        Self {
            seed,
            nonce: [1; 16],
            wish: Some(wish.parse().unwrap()),
            claim: None,
            slot_key: Secret::new(seed),
        }
    }

    /// The same machine's disk in another machine.
    pub fn cloned(&self) -> Self {
        Self {
            nonce: [2; 16],
            ..self.clone()
        }
    }

    pub fn key(&self) -> SigningKey {
        SigningKey::from_seed(&Secret::new(self.seed)).unwrap()
    }

    pub fn register(&self, epoch: u64) -> Register {
        Register {
            versions: VERSIONS,
            software: Text::lossy("test"),
            capabilities: 0,
            nonce: self.nonce,
            epoch,
            epoch_signature: self.key().sign_epoch(self.nonce, epoch),
            slot_key: self.slot_key.clone(),
            board_list_serial: u64::MAX,
            claim: self.claim.clone(),
            wish: self.wish.clone(),
        }
    }

    /// A tag that the board believes.
    pub fn tag(&self, name: u8) -> ReturnTag {
        ReturnTag::new([name; 8], &self.slot_key, &Secret::new([0; 32]))
    }

    pub(crate) fn identity(&self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        // PKCS #8 of an Ed25519 seed (RFC 8410, section 7).
        let mut pkcs8 = vec![
            0x30, 0x2e, 0x02, 0x01, 0, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
        ];
        pkcs8.extend([0x04, 0x20]);
        pkcs8.extend(self.seed);
        let key = PrivateKeyDer::try_from(pkcs8).unwrap();
        let pair = KeyPair::from_der_and_sign_algo(&key, &PKCS_ED25519).unwrap();
        let certificate = CertificateParams::default().self_signed(&pair).unwrap();
        (certificate.into(), key)
    }
}

pub fn connect(id: &str) -> Connect {
    Connect {
        versions: VERSIONS,
        software: Text::lossy("test"),
        capabilities: 0,
        board_list_serial: u64::MAX,
        computer_id: id.parse().unwrap(),
        tag: None,
    }
}

pub fn join(ticket: &Ticket) -> Join {
    Join {
        versions: VERSIONS,
        ticket: ticket.clone(),
    }
}
