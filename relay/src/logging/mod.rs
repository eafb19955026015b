//! Where log lines go: to the journal when systemd runs the relay, to standard error otherwise.
//!
//! `TASUKI_LOG` chooses what is logged, as "info" or "tasuki_relay::control=debug,info".

mod journal;

use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use journal::Journal;

/// Begins to log. A second call, as tests make it, changes nothing.
///
/// # Errors
/// `TASUKI_LOG` is not understood.
pub fn start() -> anyhow::Result<()> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .with_env_var("TASUKI_LOG")
        .from_env()?;
    let journal = stderr_is_journal().then(Journal::open).and_then(Result::ok);
    let text = journal.is_none().then(|| {
        let colours = std::io::stderr().is_terminal();
        fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(colours)
            .with_target(false)
    });
    let subscriber = tracing_subscriber::registry()
        .with(filter)
        .with(journal)
        .with(text);
    if subscriber.try_init().is_err() {
        tracing::debug!("Logging had begun before");
    }
    Ok(())
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
