//! What Tasuki's programs exchange: frames on the wire and files on disk.
//!
//! Owns every byte format, so that two programs can never disagree about one.
//! Does no I/O, reads no clock, starts no thread; outer frames decode without allocation.
//! `docs/PROTOCOL.md` tells the same story with byte dumps; the golden files under
//! `tests/golden` are held against both.

pub mod board_list;
pub mod claim;
pub mod codec;
pub mod desktop;
pub mod file;
pub mod frame;
pub mod id;
pub mod outer;
pub mod refusal;
pub mod secret;
#[cfg(feature = "sign")]
pub mod sign;
pub mod tag;
pub mod text;
pub mod tunnel;
pub mod version;

/// ALPN name of a host's link to a board.
pub const ALPN_LINK: &[u8] = b"tasuki-link/1";
/// ALPN name of one leg of a session.
pub const ALPN_LEG: &[u8] = b"tasuki-leg/1";
/// ALPN name of the tunnel between the two agents.
pub const ALPN_TUNNEL: &[u8] = b"tasuki-tunnel/1";
/// DNS name that every board's certificate carries beside its own.
pub const BOARD_DNS_NAME: &str = "board.tasuki";
