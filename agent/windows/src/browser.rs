//! The browser of whoever is logged on.

use std::io;

use crate::shell::execute;

/// Shows a page. The browser outlives this program.
pub fn show(address: &str) -> io::Result<()> {
    // Anything else might be a program, which would be started.
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
    if !address.starts_with("https://") || !address.bytes().all(is_plain) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    execute("open", address)
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
