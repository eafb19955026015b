//! Reading record by record: any bytes end in records or an error, and none is taken too early.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| relay_fuzz::tls::check(bytes));
