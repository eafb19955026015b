//! Secrets at rest (DPAPI): bytes that can be read on this PC only.

use std::io;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Security::Cryptography::{
    CRYPT_INTEGER_BLOB, CRYPTPROTECT_LOCAL_MACHINE, CRYPTPROTECT_UI_FORBIDDEN, CryptProtectData,
    CryptUnprotectData,
};
use zeroize::{Zeroize, Zeroizing};

use crate::handle::{Local, checked};

/// Bytes that only this PC can turn back. Every program on it can: the rights to the file
/// that they are kept in decide which one gets to try.
pub fn protect(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut copy = Zeroizing::new(bytes.to_vec());
    let (input, mut output) = (blob(&mut copy)?, EMPTY);
    // SAFETY: the input describes `copy`, which outlives the call and is only read; what is
    // optional is left out; the output is ours and filled by the call.
    let protected = unsafe {
        CryptProtectData(
            &raw const input,
            null(),
            null(),
            null(),
            null(),
            CRYPTPROTECT_LOCAL_MACHINE | CRYPTPROTECT_UI_FORBIDDEN,
            &raw mut output,
        )
    };
    checked(protected)?;
    // SAFETY: the call succeeded, so the output is its answer.
    Ok(unsafe { take(output) }.to_vec())
}

/// The bytes that were given to [`protect`].
pub fn unprotect(bytes: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut copy = bytes.to_vec();
    let (input, mut output) = (blob(&mut copy)?, EMPTY);
    // SAFETY: as above.
    let unprotected = unsafe {
        CryptUnprotectData(
            &raw const input,
            null_mut(),
            null(),
            null(),
            null(),
            CRYPTPROTECT_UI_FORBIDDEN,
            &raw mut output,
        )
    };
    checked(unprotected)?;
    // SAFETY: the call succeeded, so the output is its answer.
    Ok(unsafe { take(output) })
}

const EMPTY: CRYPT_INTEGER_BLOB = CRYPT_INTEGER_BLOB {
    cbData: 0,
    pbData: null_mut(),
};

fn blob(bytes: &mut [u8]) -> io::Result<CRYPT_INTEGER_BLOB> {
    Ok(CRYPT_INTEGER_BLOB {
        cbData: bytes
            .len()
            .try_into()
            .map_err(|_| io::ErrorKind::InvalidInput)?,
        pbData: bytes.as_mut_ptr(),
    })
}

/// Copies an answer, wipes it and gives it back.
///
/// # Safety
///
/// `answer` was filled by a call that succeeded, and is taken once.
unsafe fn take(answer: CRYPT_INTEGER_BLOB) -> Zeroizing<Vec<u8>> {
    let owner = Local(answer.pbData.cast());
    let length = usize::try_from(answer.cbData).unwrap_or_default();
    if owner.0.is_null() || length == 0 {
        return Zeroizing::default();
    }
    // SAFETY: as many bytes lie there, says the call, and they are ours until `owner` frees them.
    let bytes = unsafe { std::slice::from_raw_parts_mut(answer.pbData, length) };
    let copy = Zeroizing::new(bytes.to_vec());
    bytes.zeroize();
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_protected_comes_back_and_does_not_show() {
        for bytes in [&b"x"[..], b"a secret of some length", &[0; 300]] {
            let protected = protect(bytes).expect("protects");

            assert!(
                !protected
                    .windows(bytes.len().max(8))
                    .any(|part| part == bytes)
            );
            let back = unprotect(&protected).expect("comes back");
            assert_eq!(back.as_slice(), bytes);
        }
    }

    #[test]
    fn what_was_not_protected_here_is_refused() {
        let mut protected = protect(b"a secret").expect("protects");
        let last = protected.last_mut().expect("is not empty");
        *last ^= 1;

        assert!(unprotect(&protected).is_err());
        assert!(unprotect(b"something else").is_err());
        assert!(unprotect(b"").is_err());
    }
}
