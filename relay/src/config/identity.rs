//! Checks that a node file makes a board: certificate, key, chain, names, dates, registrar's key.
//!
//! What agents would refuse anyway is a mistake here; an expired certificate is only a warning,
//! because agents who reach this board can tell their users since when it is expired.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::board_list::REVOKED_MAX;
use protocol::file::node::{Lone, NodeFile};
use protocol::id::BoardName;
use protocol::sign::SigningKey;
use protocol::text::Text;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Below this the certificate's end is worth a warning.
const EXPIRY_WARNING: Duration = Duration::from_secs(30 * 24 * 3_600);

/// What the board's certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub not_before: SystemTime,
    pub not_after: SystemTime,
}

impl Identity {
    /// What the operator should know about the certificate's dates, if anything.
    pub fn warning(&self, now: SystemTime) -> Option<String> {
        if now < self.not_before {
            // A board without a clock chip starts like this; agents look at their own clock.
            return Some("certificate is not valid yet, or the clock is wrong".into());
        }
        match self.not_after.duration_since(now) {
            Err(_) => Some(
                "certificate has expired: agents refuse this board; run 'tasuki node renew'".into(),
            ),
            Ok(left) if left < EXPIRY_WARNING => {
                let days = left.as_secs() / (24 * 3_600);
                Some(format!(
                    "certificate expires in {days} days; run 'tasuki node renew'"
                ))
            }
            Ok(_) => None,
        }
    }
}

/// Checks the node file's content, and tells every mistake.
pub(super) fn check(node: &NodeFile, now: SystemTime) -> Result<Identity, Vec<String>> {
    let mut mistakes = Vec::new();
    mistakes.extend(check_addresses(node));
    mistakes.extend(check_registrar(node));
    match check_certificate(node, now) {
        Ok(identity) if mistakes.is_empty() => Ok(identity),
        Ok(_) => Err(mistakes),
        Err(mistake) => {
            mistakes.push(mistake);
            Err(mistakes)
        }
    }
}

fn check_addresses(node: &NodeFile) -> Vec<String> {
    let is_good = |address: &str| {
        // What a board list carries must be the address itself, not what is left of it.
        let fits = Text::<96>::lossy(address).as_str() == address;
        let (host, port) = address.rsplit_once(':').unwrap_or_default();
        let named = !host.is_empty() && !host.contains([':', '[', ']', '/', ' ']);
        fits && (address.parse::<SocketAddr>().is_ok()
            || named && port.parse::<u16>().is_ok_and(|port| port != 0))
    };
    let wrong = node.addresses.iter().filter(|address| !is_good(address));
    wrong
        .map(|address| format!("addresses: '{address}' is not host:port"))
        .collect()
}

fn check_registrar(node: &NodeFile) -> Vec<String> {
    let Some(Lone {
        registrar_key,
        revoked,
    }) = &node.lone
    else {
        return vec![
            "lone: is missing; boards of a fleet need a newer version of tasuki-relay".into(),
        ];
    };
    let mut mistakes = Vec::new();
    if !(1..=2).contains(&node.registrar.len()) {
        mistakes.push("registrar: must name one or two keys".into());
    }
    match SigningKey::from_seed(registrar_key) {
        Ok(key) if node.registrar.contains(&key.public_key()) => {}
        Ok(_) => mistakes
            .push("lone.registrar_key: its public half is not among the registrar's keys".into()),
        Err(error) => mistakes.push(format!("lone.registrar_key: {error}")),
    }
    if revoked.len() > REVOKED_MAX {
        mistakes.push(format!(
            "lone.revoked: more than {REVOKED_MAX} certificates"
        ));
    }
    mistakes
}

fn check_certificate(node: &NodeFile, now: SystemTime) -> Result<Identity, String> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(node.certificate.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| format!("certificate: is not PEM: {error}"))?;
    let [leaf, issuers @ ..] = chain.as_slice() else {
        return Err("certificate: no certificate in it".into());
    };
    let identity = read_dates(leaf)?;
    check_names(leaf, &node.name)?;
    check_chain(leaf, issuers, &identity, now)?;
    let key = PrivateKeyDer::from_pem_slice(node.key.0.as_bytes())
        .map_err(|_| "key: is not a private key in PEM".to_owned())?;
    check_key(chain, key, &aws_lc_rs::default_provider())?;
    Ok(identity)
}

fn check_key(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<(), String> {
    CertifiedKey::from_der(chain, key, provider)
        .map(|_| ())
        .map_err(|error| {
            if matches!(error, rustls::Error::InconsistentKeys(_)) {
                "key: does not belong to the certificate".to_owned()
            } else {
                format!("key: {error}")
            }
        })
}

fn read_dates(leaf: &CertificateDer<'_>) -> Result<Identity, String> {
    let (_, parsed) = X509Certificate::from_der(leaf)
        .map_err(|error| format!("certificate: is not X.509: {error}"))?;
    let validity = parsed.validity();
    Ok(Identity {
        not_before: time(validity.not_before.timestamp()),
        not_after: time(validity.not_after.timestamp()),
    })
}

/// Dates before 1970 are as good as 1970.
fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

fn check_names(leaf: &CertificateDer<'_>, name: &BoardName) -> Result<(), String> {
    let end_entity =
        EndEntityCert::try_from(leaf).map_err(|error| format!("certificate: {error}"))?;
    let names: Vec<&str> = end_entity.valid_dns_names().collect();
    if !names.contains(&protocol::BOARD_DNS_NAME) {
        return Err(format!(
            "certificate: is not for a board: lacks the name {}",
            protocol::BOARD_DNS_NAME
        ));
    }
    if names
        .iter()
        .any(|dns_name| BoardName::from_dns_name(dns_name).as_ref() == Some(name))
    {
        Ok(())
    } else {
        Err(format!(
            "certificate: is for {}, not for board {name}",
            names.join(", ")
        ))
    }
}

/// Checks that each certificate is signed by the next, as far as they are there.
fn check_chain(
    leaf: &CertificateDer<'_>,
    issuers: &[CertificateDer<'_>],
    identity: &Identity,
    now: SystemTime,
) -> Result<(), String> {
    let Some((root, intermediates)) = issuers.split_last() else {
        // The CA alone may stay out: agents have it.
        return Ok(());
    };
    let wrong = |error: webpki::Error| format!("certificate: the chain is wrong: {error}");
    let anchor = anchor_from_trusted_cert(root).map_err(wrong)?;
    let end_entity = EndEntityCert::try_from(leaf).map_err(wrong)?;
    // The dates have a warning of their own.
    let at = now.clamp(
        identity.not_before,
        identity.not_after.max(identity.not_before),
    );
    let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    end_entity
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &[anchor],
            intermediates,
            UnixTime::since_unix_epoch(at),
            KeyUsage::server_auth(),
            None,
            None,
        )
        .map(|_| ())
        .map_err(wrong)
}
