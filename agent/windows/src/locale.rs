//! What people on this PC read.

use windows_sys::Win32::Globalization::GetUserDefaultUILanguage;

/// Windows' number of the language, without the country, of menus and windows of this user:
/// 0x09 is English, 0x11 Japanese (LANGID, its lowest ten bits).
pub fn language() -> u16 {
    // SAFETY: the call takes no pointers.
    let language = unsafe { GetUserDefaultUILanguage() };
    language & 0x3ff
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_a_language() {
        assert_ne!(super::language(), 0);
    }
}
