//! The operating system, as the rest of the relay sees it.
//!
//! Contract: every call here is non-blocking, returns an [`Outcome`] or an `io::Error`, and never
//! shows a raw descriptor to its caller.
//! Only this folder names nix, socket2, caps, landlock and seccompiler, and only [`outcome`] looks at error numbers.
//! Read next: [`socket`] for what a leg's socket is set to, [`pipe`] for splice,
//! [`sandbox`] for what the process gives away.

pub mod listener;
pub mod memory;
pub mod outcome;
pub mod pipe;
pub mod process;
pub mod sandbox;
pub mod socket;
pub mod spare;
pub mod user;

pub use outcome::{Fault, Outcome};
