//! Where log lines go: to standard error, which is the journal when systemd runs the relay.
//!
//! `TASUKI_LOG` chooses what is logged, as "info" or "tasuki_relay::control=debug,info".
//!
//! The journal gets whole lines with their level in front (`sd-daemon(3)`) and not separate fields:
//! `journalctl` shows the text and hides the fields, so a line without its values would tell an
//! operator that a session ended, but not whose. Standard error also needs no further socket.

use std::fmt;
use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Compact, Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, layer};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Begins to log. A second call, as tests make it, changes nothing.
///
/// # Errors
/// `TASUKI_LOG` is not understood.
pub fn start() -> anyhow::Result<()> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .with_env_var("TASUKI_LOG")
        .from_env()?;
    let text = layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let text = if stderr_is_journal() {
        text.event_format(Journal::default()).boxed()
    } else {
        text.boxed()
    };
    let subscriber = tracing_subscriber::registry().with(filter).with(text);
    if subscriber.try_init().is_err() {
        tracing::debug!("Logging had begun before");
    }
    Ok(())
}

/// A line as the journal wants it: it has the time already, and the level goes in front.
struct Journal(Format<Compact, ()>);

impl Default for Journal {
    fn default() -> Self {
        let format = Format::default().compact().without_time();
        Self(format.with_target(false).with_level(false))
    }
}

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        self.0.format_event(context, writer, event)
    }
}

/// The level as `syslog(3)` numbers it.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// systemd names the device and inode of the journal's stream (systemd.exec(5), `$JOURNAL_STREAM`).
/// A shell inside a service inherits the variable but not the stream, so both must agree.
fn stderr_is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let stderr = std::fs::metadata("/proc/self/fd/2");
    stderr.is_ok_and(|stderr| stream == format!("{}:{}", stderr.dev(), stderr.ino()))
}
