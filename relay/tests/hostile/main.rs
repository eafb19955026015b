//! The relay in a hostile world: the real program, and everything that the open internet, broken
//! networks and failing machines do to it.
//!
//! One file for each kind of trouble. Each trouble is tried at its limit and one past it, while
//! sessions that were there before go on.

#![expect(
    clippy::unwrap_used,
    reason = "clippy does not see that all of this file is a test"
)]
