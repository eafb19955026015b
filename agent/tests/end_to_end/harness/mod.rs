//! A deployment on loopback, its programs, and the ends that talk through them.

mod client;
mod dante;
mod host;
mod lab;
mod process;
mod programs;
mod proxy;
mod squid;
mod target;
mod transfer;
mod web;

use std::time::{Duration, Instant};

pub(crate) use client::{Client, Open};
pub(crate) use dante::Dante;
pub(crate) use host::{Host, with_input};
pub(crate) use lab::{Lab, free_address, is_root};
pub(crate) use process::Process;
pub(crate) use programs::{program, script};
pub(crate) use proxy::Proxy;
pub(crate) use squid::{ANYBODY, Squid, WHO_IS_KNOWN, basic, needs, ntlm};
pub(crate) use target::Target;
pub(crate) use transfer::{exchange, noise, round_trip, transfer_size, works};
pub(crate) use web::Web;

/// The password of every office PC here.
pub(crate) const PASSWORD: &str = "Quiet-Maple-4071";
/// How long anything may take on a busy machine before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer; fails the test when time is up.
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "{what} did not come within {limit:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
