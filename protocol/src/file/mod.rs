//! Files that one program writes and another reads.
//!
//! All are TOML. [`reader`] finds every mistake in one go, with key path and line;
//! [`entry`] is what a stock agent needs to find a deployment, [`node`] what a board needs
//! to be itself, with its [`network`]; an [`update`] begins like one, and goes on with a system;
//! an [`announcement`] tells agents of newer ones.

pub mod address;
pub mod announcement;
pub mod entry;
pub mod network;
pub mod node;
pub mod reader;
pub mod update;
