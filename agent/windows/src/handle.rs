//! Things that Windows wants back.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{FromRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE, LocalFree};
use windows_sys::core::BOOL;

/// What a function said that answers false when it failed.
pub(crate) fn checked(answer: BOOL) -> io::Result<()> {
    if answer == 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// What a function said that answers with an error number.
pub(crate) fn code(answer: u32) -> io::Result<()> {
    match answer {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error.cast_signed())),
    }
}

/// A handle that was just made, or the reason why there is none.
///
/// # Safety
///
/// `raw` is what a function returned that makes handles for `CloseHandle`, and nobody else
/// has it.
pub(crate) unsafe fn owned(raw: HANDLE) -> io::Result<OwnedHandle> {
    if raw.is_null() || raw == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is a handle, new, and ours alone, says our caller.
    Ok(unsafe { OwnedHandle::from_raw_handle(raw) })
}

/// Memory that Windows has set aside for us with `LocalAlloc`.
pub(crate) struct Local(pub(crate) *mut c_void);

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: it came from a function that documents LocalFree for it, and nobody else
        // frees it. Null is allowed.
        unsafe { LocalFree(self.0) };
    }
}
