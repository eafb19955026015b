//! Text as Windows takes it: UTF-16 with a zero behind it.

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::ptr::null_mut;

use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::PSID;
use windows_sys::core::PCWSTR;

use crate::handle::{Local, checked};

/// Letters of the longest identifier: fifteen numbers of ten digits, and less than that again.
const IDENTIFIER_MAX: usize = 256;
/// Letters of a text that is copied; the rest of a longer one is left out.
const TEXT_MAX: usize = 32 * 1024;

/// A text with its zero; what stands behind a zero inside of it is not seen by Windows.
pub(crate) fn wide(text: impl AsRef<OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}

/// A copy of a text that Windows has made.
///
/// # Safety
///
/// It ends with a zero, and stays there until this returns.
pub(crate) unsafe fn long(text: PCWSTR) -> String {
    let units = (0..).map_while(|at| {
        // SAFETY: nothing behind the zero that ends the text is looked at.
        let unit = unsafe { text.add(at) };
        // SAFETY: it is a part of the text, or its zero.
        let unit = unsafe { unit.read() };
        (unit != 0).then_some(unit)
    });
    char::decode_utf16(units.take(TEXT_MAX))
        .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// A security identifier as people write it: `S-1-5-18`.
///
/// # Safety
///
/// `sid` points to an identifier that stays there until this returns.
pub(crate) unsafe fn identifier(sid: PSID) -> io::Result<String> {
    let mut text = null_mut();
    // SAFETY: the identifier is there, and the pointer for the text is ours.
    checked(unsafe { ConvertSidToStringSidW(sid, &raw mut text) })?;
    let owner = Local(text.cast());
    let length = (0..IDENTIFIER_MAX).take_while(|at| {
        // SAFETY: nothing behind the zero that ends the text is looked at.
        let unit = unsafe { text.add(*at) };
        // SAFETY: it is a part of the text, or its zero.
        unsafe { unit.read() != 0 }
    });
    let length = length.count();
    // SAFETY: as many units were just counted, and `owner` holds them until the end.
    let units = unsafe { std::slice::from_raw_parts(text, length) };
    let text = String::from_utf16(units).map_err(|_| io::ErrorKind::InvalidData);
    drop(owner);
    Ok(text?)
}
