//! Signed claims: decoding any bytes ends, and what is understood has one encoding.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::claim::SignedClaim;
use protocol::codec::{Reader, Wire, Writer};

fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    let Ok(claim) = SignedClaim::decode(&mut reader) else { return };
    if reader.finish().is_err() {
        return;
    }
    let mut buffer = [0; 256];
    let mut writer = Writer::new(&mut buffer);
    claim.encode(&mut writer).expect("what was decoded fits");
    let used = writer.used();
    assert_eq!(&buffer[..used], bytes);
});
