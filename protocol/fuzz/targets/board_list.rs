//! Signed board lists: decoding any bytes ends, and what is understood has one encoding.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::board_list::SignedBoardList;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(list) = SignedBoardList::from_bytes(bytes) {
        let again = list.to_bytes().expect("what was decoded fits");
        assert_eq!(again, bytes);
    }
});
