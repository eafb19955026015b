//! Outer frames: decoding any bytes ends, and what is understood has one encoding.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::outer::Frame;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = Frame::decode(bytes) {
        let again = frame.encode().expect("what was decoded fits");
        assert_eq!(again, bytes);
    }
});
