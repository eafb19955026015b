//! The browser of whoever is logged on.

use std::io;
use std::ptr::{null, null_mut};

use windows_sys::Win32::UI::Shell::ShellExecuteW;
use windows_sys::Win32::UI::WindowsAndMessaging::SW_SHOWNORMAL;

use crate::text::wide;

/// Shows a page. The browser outlives this program.
pub fn show(address: &str) -> io::Result<()> {
    // Anything else might be a program, which would be started.
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
    if !address.starts_with("https://") || !address.bytes().all(is_plain) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let (open, address) = (wide("open"), wide(address));
    // SAFETY: both texts end with a zero and outlive the call; what is left out may be.
    let answer = unsafe {
        ShellExecuteW(
            null_mut(),
            open.as_ptr(),
            address.as_ptr(),
            null(),
            null(),
            SW_SHOWNORMAL,
        )
    };
    // An error is a small number, says its documentation.
    match answer.addr() {
        0..=32 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_web_pages_are_shown() {
        for address in [
            "notepad.exe",
            "file:///c:/windows/notepad.exe",
            "https://a b",
            "https://a\" x",
        ] {
            let shown = super::show(address).map_err(|error| error.kind());
            assert_eq!(shown, Err(std::io::ErrorKind::InvalidInput), "{address}");
        }
    }
}
