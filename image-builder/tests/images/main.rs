//! Whole images, made by the program as an operator starts it: the same bytes everywhere, and
//! whoever changes a byte is told which.
//!
//! They need Debian's packages, so `cargo test` leaves them out: `cargo xtask ci --only image` has
//! the quick one, `cargo xtask nightly image` all.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "clippy does not see that all of this file is a test"
)]

mod diff;
mod reproducible;
mod world;
