//! Everything an operator types at a workstation: the program `tasuki`.
//!
//! [`cli`] has one file a command; [`deployment`] is what they all work on. Nothing here
//! sends anything over a network: an operator carries the files that it writes.

pub mod cli;
pub mod deployment;
