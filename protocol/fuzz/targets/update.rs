//! Update bundles: finding the end of the manifest ends, and what is read reads back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::file::update::Head;

fuzz_target!(|bytes: &[u8]| {
    let Ok(Some(head)) = Head::find(bytes) else {
        return;
    };
    assert!(head.length <= bytes.len());
    if let Ok(manifest) = head.parse_unverified() {
        let text = manifest.to_unsigned_text();
        // Numbers may have been written shorter than we write them.
        if let Ok(Some(again)) = Head::find(text.as_bytes()) {
            assert_eq!(again.parse_unverified(), Ok(manifest));
        }
    }
});
