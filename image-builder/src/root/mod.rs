//! The root file system: Debian packages and our own parts become one read-only tree.
//!
//! Read [`tree`] first.

pub mod tree;

pub use self::tree::{Entry, Kind, Tree, TreeError};
