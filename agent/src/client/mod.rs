//! The home side: reaches an office PC, proves the password, and lends the tunnel to a viewer.
//!
//! `connect` makes the tunnel, `listener` is the loopback door that only the viewer may use,
//! `launch` starts the viewer, `redirect` is what it may lend of this PC, `full_screen` takes it
//! off the screen, `show` joins them. Must never show a password or take one from an argument.

pub mod connect;
mod error;
mod full_screen;
mod launch;
pub mod listener;
mod oneself;
mod redirect;
pub mod show;

pub use error::ConnectError;
pub use launch::{LaunchError, Viewer};
pub use redirect::{NotLent, Redirection, Redirections};
pub use show::{End, ShowError, Viewing};

/// Program and version, as relay and host hear it.
const SOFTWARE: &str = concat!("tasuki-client ", env!("CARGO_PKG_VERSION"));
