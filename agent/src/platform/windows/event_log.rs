//! Warnings and errors of the service, for the event log.

use std::io::{self, Write};
use std::sync::Arc;

use agent_windows::event_log::{EventLog, Severity};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::service::EVENT_SOURCE;

/// The number of the one message in the executable's table, which is the text of the event.
const EVENT: u32 = 1;
/// More letters than any line of ours has; Windows takes 31,839.
const TEXT_MAX: usize = 8192;

/// Where log lines become events.
#[derive(Debug, Clone)]
pub(crate) struct Events(Arc<EventLog>);

impl Events {
    /// Opens the log.
    pub(crate) fn open() -> io::Result<Self> {
        EventLog::open(EVENT_SOURCE).map(|log| Self(Arc::new(log)))
    }
}

impl<'w> MakeWriter<'w> for Events {
    type Writer = Event;

    fn make_writer(&'w self) -> Event {
        self.event(Severity::Information)
    }

    fn make_writer_for(&'w self, about: &Metadata<'_>) -> Event {
        self.event(match *about.level() {
            Level::ERROR => Severity::Error,
            Level::WARN => Severity::Warning,
            _ => Severity::Information,
        })
    }
}

impl Events {
    fn event(&self, severity: Severity) -> Event {
        Event {
            log: Arc::clone(&self.0),
            severity,
            text: Vec::new(),
        }
    }
}

/// One event; it is written when all of its text is there.
#[derive(Debug)]
pub(crate) struct Event {
    log: Arc<EventLog>,
    severity: Severity,
    text: Vec<u8>,
}

impl Write for Event {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let room = TEXT_MAX.saturating_sub(self.text.len()).min(text.len());
        self.text.extend_from_slice(&text[..room]);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text);
        // A full event log is not worth an end; the files have the line too.
        let _ = self.log.write(self.severity, EVENT, text.trim_end());
    }
}
