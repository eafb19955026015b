//! Takes the viewer off the screen.

use std::io;

use agent_windows::window;

use super::descent::comes_from;

/// Minimizes the windows of `root` and of what it has started; says how many were asked to go.
/// Nobody else's: what cannot be told to come from `root` stays.
pub(crate) fn minimize(root: u32) -> io::Result<usize> {
    let mut asked = 0;
    for window in window::all()? {
        if comes_from(window.process, root).unwrap_or(false) && window.minimize() {
            asked += 1;
        }
    }
    Ok(asked)
}
