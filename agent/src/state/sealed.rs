//! Bytes in a file, with a label and a checksum, so that damage is noticed and named.
//!
//! The checksum finds accidents, not attackers: who can write here owns the agent.
//! Where the system can protect secrets at rest, the bytes are protected by it.

use std::io;

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::platform;

/// The file's text: label, content, checksum, a line each.
pub(super) fn seal(label: &str, bytes: &[u8]) -> io::Result<Zeroizing<String>> {
    let content = Zeroizing::new(BASE64.encode(&platform::protect(bytes)?));
    let checksum = checksum(label, &content);
    let text = format!("tasuki {label} 1\n{}\n{checksum}\n", *content);
    Ok(Zeroizing::new(text))
}

/// The bytes in a file's text, or what is wrong with it.
pub(super) fn unseal(label: &str, text: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let mut lines = text.lines();
    let (title, content, sum) = (lines.next(), lines.next(), lines.next());
    if title != Some(format!("tasuki {label} 1").as_str()) {
        return Err("it does not begin with its title");
    }
    let content = content.ok_or("it has no content")?;
    if sum != Some(checksum(label, content).as_str()) || lines.next().is_some() {
        return Err("its checksum does not match");
    }
    let bytes = BASE64.decode(content.as_bytes());
    let bytes = bytes.map_err(|_| "it is not base64")?;
    let bytes = platform::unprotect(Zeroizing::new(bytes));
    bytes.map_err(|_| "it was written on another PC, or this one has lost its keys")
}

fn checksum(label: &str, content: &str) -> String {
    HEXLOWER.encode(
        &Sha256::new()
            .chain_update(label)
            .chain_update(content)
            .finalize(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unseal_returns_what_was_sealed() {
        for bytes in [&b""[..], b"x", &[0; 1000]] {
            let text = seal("claim", bytes).expect("seals");

            assert_eq!(unseal("claim", &text).expect("is whole").as_slice(), bytes);
        }
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let text = seal("claim", b"content").expect("seals");

        for at in 0..text.len() - 1 {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).expect("still ASCII");
            assert!(unseal("claim", &changed).is_err(), "byte {at} changed");
            assert!(unseal("claim", &text[..at]).is_err(), "cut at {at}");
        }
        assert!(unseal("password", &text).is_err());
    }
}
