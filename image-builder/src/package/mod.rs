//! Debian packages: which, from where, and what is in them.
//!
//! [`list`] is what is asked for, [`resolve`] asks apt, [`lock`] writes down the answer, [`store`]
//! gets the bytes, [`deb`] reads them, [`review`] holds the maintainer scripts against the list of
//! those that somebody has read.

pub mod deb;
pub mod list;
pub mod lock;
pub mod resolve;
pub mod review;
pub mod store;
#[cfg(test)]
pub(crate) mod testkit;

pub use self::deb::Deb;
pub use self::lock::{Lock, Locked, Part};
pub use self::store::Store;
