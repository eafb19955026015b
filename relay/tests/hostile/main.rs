//! The relay in a hostile world: the real program, and everything that the open internet, broken
//! networks and failing machines do to it.
//!
//! One file for each kind of trouble. Each trouble is tried at its limit and one past it, while
//! sessions that were there before go on.

#![expect(
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "clippy does not see that all of this program is a test, which tells what it measures"
)]

mod attack;
mod burst;
mod crowd;
mod fault;
mod garbage;
mod invites;
mod ipv6;
mod leaks;
mod metrics;
mod scan;
mod slow;
mod stalled;
mod ticket;
mod urgent;
mod wire;
mod witness;

use relay_testkit::{Relay, Site};

/// A site for the program of this build, with further lines of configuration.
fn site(more: &str) -> Site {
    Site::new(env!("CARGO_BIN_EXE_tasuki-relay"), more)
}

/// The same, running.
fn start(more: &str) -> (Site, Relay) {
    let site = site(more);
    let relay = site.start();
    (site, relay)
}
