//! The home side: reaches an office PC, proves the password, and lends the tunnel to a viewer.
//!
//! `connect` makes the tunnel, `listener` is the loopback door that only the viewer may use,
//! `launch` starts the viewer, `show` joins the three. Must never show a password or take one
//! from an argument.

pub mod connect;
mod error;
mod launch;
pub mod listener;
mod oneself;
pub mod show;

pub use error::ConnectError;
pub use launch::{LaunchError, Viewer};
pub use show::{End, ShowError};

/// Program and version, as relay and host hear it.
const SOFTWARE: &str = concat!("tasuki-client ", env!("CARGO_PKG_VERSION"));
