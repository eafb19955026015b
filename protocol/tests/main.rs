//! The protocol's tests as one program.
//!
//! `roundtrip` and `signed` try any value, `golden` one of each against the bytes of the
//! past, `document` holds `docs/PROTOCOL.md` against both, `corpus` replays the fuzzers' finds.

mod arbitrary;
mod corpus;
mod document;
mod golden;
mod roundtrip;
mod samples;
mod signed;
