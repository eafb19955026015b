//! Entry and node files: reading any text ends, and what is written reads back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::file::entry::Entry;
use protocol::file::node::NodeFile;

fuzz_target!(|text: &str| {
    if let Err(problems) = Entry::parse_unverified(text) {
        assert!(!problems.0.is_empty());
    }
    match NodeFile::parse(text) {
        Ok(node) => assert!(NodeFile::parse(&node.to_text()).is_ok_and(|again| again == node)),
        Err(problems) => assert!(!problems.0.is_empty()),
    }
});
