//! What the program that shares a desktop (`tasuki-desktop`) says to the host that has started it,
//! beside RDP on standard input and output.

/// A line of its standard error that is exactly this: a viewer has pressed the keys that take the
/// desktop off the screen at home. Every other line is for the host's log.
pub const LEAVE_FULL_SCREEN: &str = "tasuki-desktop: leave full screen";
