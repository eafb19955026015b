//! The protocol's tests as one program.
//!
//! `roundtrip` and `signed` try any value, `golden` one of each against the bytes of the
//! past, `node` the node file against its mistakes, `update` the head of an update,
//! `announcement` what tells of new agents, `document` holds `docs/PROTOCOL.md` against both, `corpus` replays the fuzzers' finds.

mod announcement;
mod arbitrary;
mod corpus;
mod document;
mod golden;
mod node;
mod roundtrip;
mod samples;
mod signed;
mod update;
