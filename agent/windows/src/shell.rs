//! Windows' shell, which starts whatever belongs to a thing.

use std::ffi::OsStr;
use std::io;
use std::ptr::{null, null_mut};

use windows_sys::Win32::UI::Shell::ShellExecuteW;
use windows_sys::Win32::UI::WindowsAndMessaging::SW_SHOWNORMAL;

use crate::text::wide;

/// Has `verb` done with `what`, in a program that outlives this one. What it is, the caller has
/// made sure of: a program would be started.
pub(crate) fn execute(verb: &str, what: impl AsRef<OsStr>) -> io::Result<()> {
    let (verb, what) = (wide(verb), wide(what));
    // SAFETY: both texts end with a zero and outlive the call; what is left out may be.
    let answer = unsafe {
        ShellExecuteW(
            null_mut(),
            verb.as_ptr(),
            what.as_ptr(),
            null(),
            null(),
            SW_SHOWNORMAL,
        )
    };
    // An error is a small number, says its documentation.
    match answer.addr() {
        0..=32 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
