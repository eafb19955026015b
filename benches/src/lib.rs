//! The load program: loads a relay, measures it beside its peers, and says whether it holds.
//!
//! `docs/BENCHMARKS.md` says what is measured and why it can be trusted.
//! [`scenario`] is what to do, [`load`] does it, [`subject`] and [`peer`] are what it is done to,
//! on loopback or over a [`wire`]; [`sample`] watches, [`round`] puts them together, [`report`] keeps what was seen, [`verdict`] judges it,
//! and [`cost`] makes money of it. [`idle`] asks what those cost who say nothing, [`storm`] brings
//! thousands of hosts at once, and [`instructions`] counts instead of measuring.
//! Micro-benchmarks of the relay's hot paths lie in `micro`: `cargo bench -p tasuki-bench`.

mod agents;
mod callgrind;
pub mod cli;
pub mod cost;
mod exec;
pub mod idle;
pub mod instructions;
pub mod load;
mod number;
mod peer;
mod progress;
pub mod report;
mod round;
mod sample;
pub mod scenario;
pub mod statistics;
pub mod storm;
pub mod subject;
mod sys;
pub mod verdict;
pub mod wire;
