//! The tunnel: TLS 1.3 from client to host inside a session, bound to the password check.
//!
//! Owns the handshake of both ends ([`client::connect`], [`host::accept`]), the password
//! check, the counters against guessing and the streams. Must never trust a host key that
//! the password check has not bound, nor let anything but versions, user name and password
//! messages cross an unbound tunnel. The `io` given to it should have `TCP_NODELAY` set.
//! Read next: `client.rs` and `host.rs` tell the handshake, `mux/` the streams.

mod assembler;
mod binding;
mod channel;
pub mod client;
mod driver;
mod error;
mod handle;
mod heartbeat;
pub mod host;
pub mod lockout;
mod mux;
pub mod password;
mod shared;
#[cfg(test)]
mod tests;
pub mod tls;

pub use error::{Step, StreamError, TunnelError};
pub use handle::{Ended, Stream, Tunnel};

use protocol::outer::Software;

/// What this build calls itself in the tunnel.
fn software() -> Software {
    Software::lossy(concat!("tasuki ", env!("CARGO_PKG_VERSION")))
}
