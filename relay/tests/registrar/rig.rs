//! A registrar of its own for each test, and hosts as it sees them.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use protocol::claim::SignedClaim;
use protocol::file::node::{Lone, NodeFile, PrivateKeyPem, Setup};
use protocol::id::{ComputerId, HostKey, PublicKey};
use protocol::refusal::RefusalCode;
use protocol::secret::Secret;
use protocol::sign::SigningKey;
use tasuki_relay::registrar::{AdmitRequest, Admitted, Registrar, Settings};

/// When the board of these tests got its certificate.
pub(crate) fn begin() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub(crate) fn node(seed: u8) -> NodeFile {
    let registrar_key = Secret::new([seed; 32]);
    let public = SigningKey::from_seed(&registrar_key)
        .expect("a seed")
        .public_key();
    NodeFile {
        deployment: "test".into(),
        generation: 1,
        name: "alpha".parse().expect("a name"),
        addresses: vec!["192.0.2.1:443".into()],
        certificate: String::new(),
        key: PrivateKeyPem(String::new()),
        registrar: vec![public],
        lone: Some(Lone {
            registrar_key,
            revoked: Vec::new(),
        }),
        setup: Setup::default(),
    }
}

pub(crate) fn open(state: &Path) -> Registrar {
    let settings = Settings {
        claims_per_range: 1_000,
        not_before: begin(),
    };
    Registrar::open(state, &node(7), settings, begin()).expect("opens")
}

/// A host as the registrar sees it.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) key: HostKey,
    pub(crate) claim: Option<SignedClaim>,
}

impl Host {
    pub(crate) fn new(number: u32) -> Self {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        Self {
            key: PublicKey(key),
            claim: None,
        }
    }

    pub(crate) fn ask(
        &self,
        registrar: &Registrar,
        wish: Option<&str>,
    ) -> Result<Admitted, RefusalCode> {
        self.ask_from(registrar, wish, [192, 0, 2, 1].into())
    }

    pub(crate) fn ask_from(
        &self,
        registrar: &Registrar,
        wish: Option<&str>,
        from: IpAddr,
    ) -> Result<Admitted, RefusalCode> {
        let wish = wish.map(id);
        registrar.admit(&AdmitRequest {
            host_key: self.key,
            claim: self.claim.as_ref(),
            wish: wish.as_ref(),
            from,
            now: begin(),
        })
    }

    /// Takes an ID and keeps the claim.
    pub(crate) fn take(&mut self, registrar: &Registrar, name: &str) {
        let admitted = self.ask(registrar, Some(name)).expect("admitted");
        assert_eq!(admitted.claim.claim.computer_id, id(name));
        self.claim = Some(admitted.claim);
    }
}

pub(crate) fn id(name: &str) -> ComputerId {
    name.parse().expect("a name")
}

pub(crate) fn exported(registrar: &Registrar) -> String {
    let mut export = Vec::new();
    registrar
        .export(&mut export)
        .expect("a vector takes everything");
    String::from_utf8(export).expect("JSON")
}
