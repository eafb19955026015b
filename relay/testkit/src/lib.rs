//! What tests of the relay share.
//!
//! [`Deployment`] makes certificates and node files, [`Place`] is a board to dial, [`Agent`] and
//! [`Host`] play the agents frame by frame, [`Site`] and [`Relay`] run the program itself.
//! Everything here panics when something does not go as a test needs it.

#![expect(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod agent;
mod cost;
mod deployment;
mod host;
mod place;
mod relay;
mod site;
mod wait;

pub use agent::Agent;
pub use deployment::Deployment;
pub use host::{Host, connect, join};
pub use place::{Place, session, shake_hands};
pub use relay::{Metrics, Relay};
pub use site::Site;
pub use wait::{PATIENCE, soon, until};
