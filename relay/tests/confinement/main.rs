//! The relay confines itself: what holds its threads, and that all of its life fits inside.
//!
//! What the confinement refuses is in `tests/intruder.rs`, which tries it.

#![expect(
    clippy::unwrap_used,
    reason = "clippy does not see that all of this file is a test"
)]

mod life;
mod unit;
mod user;

use relay_testkit::Site;

/// A site for the program of this build, with further lines of configuration.
fn site(more: &str) -> Site {
    Site::new(env!("CARGO_BIN_EXE_tasuki-relay"), more)
}
