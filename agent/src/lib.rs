//! The host and client agents, and the tunnel between them.
//!
//! `outer` speaks to a relay, `tunnel` to the agent at the other end; `host` and `client`
//! join the two to a local program. `docs/ARCHITECTURE.md` has the map.
//! Nothing here trusts the relay with anything but delivery.

pub mod backoff;
pub mod cli;
pub mod client;
pub mod config;
pub mod host;
mod junction;
pub mod message;
pub mod outer;
pub mod platform;
pub mod settings;
pub mod state;
pub mod tunnel;
pub mod update;
pub mod window;
