//! The operating system, behind functions that mean the same everywhere.
//!
//! A platform supplies, in a module of its own:
//! - `NetworkChanges`: `watch()`, and `changed().await`, which tells of new addresses, links
//!   and routes, a burst of them as one; cancel safe.
//! - `tune(stream)`: the kernel notices a dead peer within a minute or so.
//! - `is_peer_allowed(stream, allowed)`: which process holds the other end of a loopback connection.
//! - `host_name()`, `state_root()` and `system_root()`: nothing when unknown.
//! - `make_private_folder`, `open_private`, `open_public`, `sync_folder`: only the owner
//!   may look, unless said otherwise.
//! - `protect` and `unprotect`: secrets at rest, as well as the system can.
//! - `ControlListener` and `reach_control`: how the commands reach the running host; whoever
//!   may not open its folder may not speak to it.
//! - `asked_to_stop()`: a future that ends when somebody wants this program to end;
//!   `survive_ctrl_c()`: from now on Ctrl-C makes a prompt fail instead;
//!   `stopped_by()`: the command that stops this program, where the system has started it and
//!   would start it again.
//! - `open_descriptor(number)`: what a shell has opened for this program.
//! - `service_log()`: where a service's warnings go; `is_guarded()`: a host that runs as a
//!   service keeps this user from running another one.
//! - `desktop_port()`: where this PC's desktop service listens.
//! - `viewer_settings(program)`: the file that a viewer takes its settings from, unless it is
//!   told by arguments.
//! - `minimize(process)`: the windows of a process and of its descendants leave the screen, where
//!   the system lets a program do that; how many did.
//! - `ProxySystem`: what the system knows of proxies, and how it logs in to them.
//! - `keep_awake()`: the PC does not fall asleep by itself until what it returns is dropped,
//!   where the system lets a program say so.
//! - `time_zone(at)`: what the clock on the wall goes by, at a time.
//! - `VIEWER`, `STATE_HELP` and `RUN_HELP`: words.
//!
//! No other module of this crate names an operating system, but for the commands `autostart`,
//! `service` and `window` and the settings tool, which Windows alone has.

mod burst;
#[cfg(target_os = "linux")]
mod linux;
mod loopback;
mod proposal;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as imp;
#[cfg(windows)]
use windows as imp;

pub(crate) use imp::{
    Awake, ControlListener, ProxySystem, RUN_HELP, STATE_HELP, VIEWER, asked_to_stop, desktop_port,
    host_name, is_guarded, keep_awake, make_private_folder, minimize, open_descriptor,
    open_private, open_public, protect, reach_control, service_log, state_root, stopped_by,
    survive_ctrl_c, sync_folder, system_root, time_zone, tune, unprotect, viewer_settings,
};
pub use imp::{NetworkChanges, is_peer_allowed};
pub use loopback::bind_loopback;
pub use proposal::propose_computer_id;
#[cfg(windows)]
pub(crate) use windows::{autostart, service, settings, window};

/// Who may use a loopback listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// The process with this ID and its descendants.
    ProcessTree(u32),
    /// Every process of the user who runs this program.
    SameUser,
}
