//! What a board's certificate says: which board, which serial number, from whom.

use protocol::id::BoardName;
use protocol::text::Text;
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

/// A board, as its verified certificate names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BoardIdentity {
    pub(crate) name: BoardName,
    /// Serial number of the certificate, without leading zeros.
    pub(crate) serial: Vec<u8>,
}

impl BoardIdentity {
    /// Reads a certificate. That it can be believed is for others to check.
    pub(super) fn read(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let parsed = EndEntityCert::try_from(certificate).map_err(|error| error.to_string())?;
        let mut names = parsed.valid_dns_names();
        let name = names
            .find_map(BoardName::from_dns_name)
            .ok_or("it names no board")?;
        let serial =
            parse(certificate).map(|parsed| without_zeros(parsed.raw_serial()).to_vec())?;
        Ok(Self { name, serial })
    }
}

/// DER puts a zero before a number whose first bit is set (X.690, 8.3).
pub(crate) fn without_zeros(serial: &[u8]) -> &[u8] {
    let zeros = serial.iter().take_while(|byte| **byte == 0).count();
    &serial[zeros..]
}

/// Parses a whole certificate.
pub(super) fn parse<'c>(
    certificate: &'c CertificateDer<'_>,
) -> Result<X509Certificate<'c>, String> {
    match X509Certificate::from_der(certificate) {
        Ok((_, parsed)) => Ok(parsed),
        Err(error) => Err(error.to_string()),
    }
}

/// A name that a stranger has chosen, fit to be shown: "common name, organisation".
pub(super) fn printable(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().next();
    let organisation = name.iter_organization().next();
    let parts = [common, organisation].into_iter().flatten();
    let parts: Vec<&str> = parts.filter_map(|part| part.as_str().ok()).collect();
    let text = if parts.is_empty() {
        name.to_string()
    } else {
        parts.join(", ")
    };
    let text = Text::<120>::lossy(&text).to_string().replace('\n', " ");
    if text.trim().is_empty() {
        "an issuer without a name".to_owned()
    } else {
        text
    }
}
