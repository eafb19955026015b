//! The product as a person uses it: real programs on loopback, by command line and files.
//!
//! `harness` makes a deployment and runs the programs; each other file is one behaviour.
//! Ports come from the operating system; waiting is for events, under a deadline.

#![expect(clippy::panic, reason = "a test that cannot go on fails")]
#![expect(
    clippy::print_stdout,
    reason = "a test tells what it measured and what programs said"
)]

mod blind;
mod boards;
mod carry;
mod check;
mod guessing;
mod harness;
mod home;
mod impostor;
mod network;
mod office;
mod proxies;
mod recovery;
mod refusals;
mod relaying;
mod settings;
mod shared;
mod ssh;
mod stop;
mod updates;
