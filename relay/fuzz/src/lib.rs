//! The parts of the relay that are fuzzed, compiled from its own files.
//!
//! They are pure, so that neither its C code nor its hundred dependencies have to be built under
//! the sanitizer. The modules lie here as they do in the relay; what they use must be here as well.

#![allow(dead_code, reason = "the relay uses what is not used here")]

#[path = "../../src/limits.rs"]
pub mod limits;

#[path = "../../src/sys"]
pub mod sys {
    mod outcome;

    pub use outcome::{Fault, Outcome};
}

#[path = "../../src/data"]
pub mod data {
    pub mod flow;
    pub mod leg;
    pub mod reason;
    pub mod session;
    mod simulation;

    /// Plays a session between virtual sockets.
    pub fn play(tape: &[u8]) {
        simulation::play(tape);
    }
}

#[path = "../../src/tls"]
pub mod tls {
    mod record;
    mod record_check;

    /// Reads any bytes record by record.
    pub fn check(bytes: &[u8]) {
        record_check::check(bytes);
    }
}
