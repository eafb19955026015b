//! A PC that does not fall asleep by itself.

use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};

use windows_sys::Win32::System::Power::{
    PowerCreateRequest, PowerRequestSystemRequired, PowerSetRequest,
};
use windows_sys::Win32::System::SystemServices::POWER_REQUEST_CONTEXT_VERSION;
use windows_sys::Win32::System::Threading::{
    POWER_REQUEST_CONTEXT_SIMPLE_STRING, REASON_CONTEXT, REASON_CONTEXT_0,
};

use crate::handle::{checked, owned};
use crate::text::wide;

/// While it lives, the PC stays awake; its screen may go dark.
#[derive(Debug)]
pub struct Awake {
    _request: OwnedHandle,
}

/// Asks Windows to keep the PC awake; it tells `reason` to whoever wants to know. What a person
/// does, as closing a lid, and what an empty battery does, is not held up.
pub fn keep_awake(reason: &str) -> io::Result<Awake> {
    let mut reason = wide(reason);
    let context = REASON_CONTEXT {
        Version: POWER_REQUEST_CONTEXT_VERSION,
        Flags: POWER_REQUEST_CONTEXT_SIMPLE_STRING,
        Reason: REASON_CONTEXT_0 {
            SimpleReasonString: reason.as_mut_ptr(),
        },
    };
    // SAFETY: the context says that it holds a text, which ends with a zero; both outlive the
    // call, which copies them.
    let raw = unsafe { PowerCreateRequest(&raw const context) };
    // SAFETY: the call makes a handle for CloseHandle, which nobody else has.
    let request = unsafe { owned(raw) }?;
    // SAFETY: the handle is the request that was just made.
    let set = unsafe { PowerSetRequest(request.as_raw_handle(), PowerRequestSystemRequired) };
    checked(set)?;
    Ok(Awake { _request: request })
}
