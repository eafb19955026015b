//! Announcements: reading any bytes ends, and what is read reads back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::file::announcement::Announcement;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(announcement) = Announcement::parse_unverified(bytes) {
        // Any signature will do.
        let signature = "A".repeat(86);
        let text = format!("{}signature = \"{signature}==\"\n", announcement.to_text());
        // Numbers may have been written shorter than we write them.
        if let Ok(again) = Announcement::parse_unverified(text.as_bytes()) {
            assert_eq!(again, announcement);
        }
    }
});
