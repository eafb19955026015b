//! The operating system, behind functions that mean the same everywhere.
//!
//! A platform supplies, in a module of its own:
//! - `NetworkChanges`: `watch()`, and `changed().await`, which tells of new addresses, links
//!   and routes, a burst of them as one; cancel safe.
//! - `tune(stream)`: the kernel notices a dead peer within a minute or so.
//! - `is_peer_allowed(stream, allowed)`: which process holds the other end of a loopback connection.
//! - `host_name()` and `state_root()`: nothing when unknown.
//! - `make_private_folder`, `open_private`, `open_public`, `sync_folder`: only the owner
//!   may look, unless said otherwise.
//!
//! No other module of this crate names an operating system.

#[cfg(not(target_os = "linux"))]
mod fallback;
#[cfg(target_os = "linux")]
mod linux;
mod loopback;
mod proposal;

#[cfg(not(target_os = "linux"))]
use fallback as imp;
#[cfg(target_os = "linux")]
use linux as imp;

pub use imp::{NetworkChanges, is_peer_allowed};
pub(crate) use imp::{
    host_name, make_private_folder, open_private, open_public, state_root, sync_folder, tune,
};
pub use loopback::bind_loopback;
pub use proposal::propose_computer_id;

/// Who may use a loopback listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// The process with this ID and its descendants.
    ProcessTree(u32),
    /// Every process of the user who runs this program.
    SameUser,
}
