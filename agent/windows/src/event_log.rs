//! The event log.

use std::io;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE,
    RegisterEventSourceW, ReportEventW,
};

use crate::handle::checked;
use crate::text::wide;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Information,
    Warning,
    Error,
}

/// A place to write events to.
#[derive(Debug)]
pub struct EventLog(HANDLE);

// SAFETY: the handle may be used and given back from any thread.
unsafe impl Send for EventLog {}
// SAFETY: Windows takes turns where calls with one handle come from several threads.
unsafe impl Sync for EventLog {}

impl EventLog {
    /// Opens the log under the name of an event source.
    pub fn open(source: &str) -> io::Result<Self> {
        let source = wide(source);
        // SAFETY: the name ends with a zero.
        let handle = unsafe { RegisterEventSourceW(null(), source.as_ptr()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(handle))
    }

    /// Writes one event whose words are `text`.
    pub fn write(&self, severity: Severity, event: u32, text: &str) -> io::Result<()> {
        let kind = match severity {
            Severity::Information => EVENTLOG_INFORMATION_TYPE,
            Severity::Warning => EVENTLOG_WARNING_TYPE,
            Severity::Error => EVENTLOG_ERROR_TYPE,
        };
        let text = wide(text);
        let texts = [text.as_ptr()];
        // SAFETY: the handle is open; there is one text, which ends with a zero and outlives
        // the call, and no other data.
        let written = unsafe {
            ReportEventW(
                self.0,
                kind,
                0,
                event,
                null_mut(),
                1,
                0,
                texts.as_ptr(),
                null(),
            )
        };
        checked(written)
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        // SAFETY: it is open, and closed once.
        unsafe { DeregisterEventSource(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_taken() {
        let log = EventLog::open("Tasuki test").expect("opens");

        for severity in [Severity::Information, Severity::Warning, Severity::Error] {
            log.write(severity, 1, "words, 言葉").expect("is taken");
        }
    }
}
