//! The control plane with real sockets on loopback, as agents see it.
//!
//! `rig` starts a board (control, data and registrar, without configuration or admin socket) and
//! plays the agents. The other files are about one behaviour each.

#![expect(
    clippy::unwrap_used,
    reason = "clippy does not see that all of this file is a test"
)]

mod arrivals;
mod crowd;
mod drain;
mod legs;
mod links;
mod refusals;
mod rig;
mod tickets;
