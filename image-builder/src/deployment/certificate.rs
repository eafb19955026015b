//! Certificates: the deployment's CA, and the one of each board that it signs.
//!
//! Ed25519 throughout. What a board's certificate says is its name, twice: the name that
//! all boards have, and the one that only it has.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::rand;
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use protocol::board_list::CertificateSerial;
use protocol::from_toml_text;
use protocol::id::BoardName;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, PublicKeyData, SerialNumber,
};
use x509_parser::pem::parse_x509_pem;

use super::key::PrivateKey;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Twenty years.
const AUTHORITY_VALIDITY: Duration = Duration::from_secs(20 * 365 * 24 * 60 * 60);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("the system gave no random numbers")]
    Random,
    #[error("the CA's key does not belong to its certificate")]
    KeyMismatch,
    #[error("the CA's certificate is not readable")]
    Unreadable,
    #[error("the date is out of range")]
    Date,
    #[error("the certificate cannot be made")]
    Rcgen(#[from] rcgen::Error),
}

/// A board certificate's serial number: random, positive, always 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serial([u8; 16]);

impl Serial {
    fn random() -> Result<Self, CertificateError> {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes).map_err(|_| CertificateError::Random)?;
        // Positive and without leading zero, so that its DER is these 16 bytes (RFC 5280, 4.1.2.2).
        bytes[0] = (bytes[0] & 0x7f) | 0x40;
        Ok(Self(bytes))
    }

    /// The number as board lists and node files carry it.
    pub fn to_wire(self) -> CertificateSerial {
        CertificateSerial::new(&self.0).expect("16 bytes are less than 20")
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl FromStr for Serial {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = HEXLOWER
            .decode(text.as_bytes())
            .map_err(|_| "is not hexadecimal")?;
        bytes.try_into().map(Self).map_err(|_| "is not 16 bytes")
    }
}

from_toml_text!(Serial: "a certificate's serial number (16 bytes of hexadecimal)");

/// Makes the certificate (PEM) of a new CA.
pub fn authority(
    deployment: &str,
    key: &PrivateKey,
    now: Timestamp,
) -> Result<String, CertificateError> {
    let mut certificate = CertificateParams::default();
    certificate.distinguished_name = common_name(&format!("Tasuki CA of {deployment}"));
    certificate.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    certificate.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    certificate.serial_number = Some(SerialNumber::from_slice(&Serial::random()?.0));
    validity(&mut certificate, now, AUTHORITY_VALIDITY)?;
    Ok(certificate.self_signed(key)?.pem())
}

/// A CA that can sign.
pub struct Authority {
    issuer: Issuer<'static, PrivateKey>,
    expires: Timestamp,
}

/// A new certificate of a board.
pub struct BoardCertificate {
    pub serial: Serial,
    pub expires: Timestamp,
    pub pem: String,
}

impl Authority {
    /// Brings a CA's certificate (PEM) and key together.
    pub fn new(pem: &str, key: PrivateKey) -> Result<Self, CertificateError> {
        let (_, parsed) =
            parse_x509_pem(pem.as_bytes()).map_err(|_| CertificateError::Unreadable)?;
        let certificate = parsed
            .parse_x509()
            .map_err(|_| CertificateError::Unreadable)?;
        if certificate.public_key().raw != key.subject_public_key_info() {
            return Err(CertificateError::KeyMismatch);
        }
        let expires = Timestamp::from_second(certificate.validity().not_after.timestamp())
            .map_err(|_| CertificateError::Date)?;
        let issuer = Issuer::from_ca_cert_pem(pem, key)?;
        Ok(Self { issuer, expires })
    }

    /// Signs a certificate for the board `name` with the public half of `key`.
    /// It ends after `days`, or with the CA.
    pub fn sign_board(
        &self,
        name: &BoardName,
        key: &PrivateKey,
        days: u32,
        now: Timestamp,
    ) -> Result<BoardCertificate, CertificateError> {
        let serial = Serial::random()?;
        let left = self.expires.duration_since(now);
        let left = Duration::try_from(left).unwrap_or_default();
        let lasts = left.min(DAY * days);
        let names = [protocol::BOARD_DNS_NAME.to_owned(), name.dns_name()];
        let mut certificate = CertificateParams::new(names)?;
        certificate.distinguished_name = common_name(&name.dns_name());
        certificate.is_ca = IsCa::ExplicitNoCa;
        certificate.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        certificate.use_authority_key_identifier_extension = true;
        certificate.serial_number = Some(SerialNumber::from_slice(&serial.0));
        validity(&mut certificate, now, lasts)?;
        let pem = certificate.signed_by(key, &self.issuer)?.pem();
        Ok(BoardCertificate {
            serial,
            expires: now + lasts,
            pem,
        })
    }
}

fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

/// From a day before `now`, since a board without a clock chip may be behind.
fn validity(
    certificate: &mut CertificateParams,
    now: Timestamp,
    lasts: Duration,
) -> Result<(), CertificateError> {
    let seconds = u64::try_from(now.as_second()).map_err(|_| CertificateError::Date)?;
    let now = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    certificate.not_before = now - DAY;
    certificate.not_after = now + lasts;
    Ok(())
}
