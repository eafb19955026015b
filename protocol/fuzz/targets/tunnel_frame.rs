//! Tunnel frames: decoding any bytes ends, and what is understood has one encoding.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::tunnel::{FRAME_MAX, Frame};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = Frame::decode(bytes) {
        let mut buffer = [0; FRAME_MAX];
        let length = frame.encode(&mut buffer).expect("what was decoded fits");
        assert_eq!(&buffer[..length], bytes);
    }
});
