//! The session core: whatever kernel and peers do, it keeps its promises.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|tape: &[u8]| relay_fuzz::data::play(tape));
