//! Where the host's log goes: standard error, daily files, and a syslog server if one is set.
//!
//! Holds times, addresses, byte counts, end reasons; never content or secrets.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::Context;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::syslog::Syslog;
use crate::config::LogConfig;
use crate::platform;

/// Days of log files that are kept.
const DAYS_KEPT: usize = 90;

/// Begins to log. `folder` takes the daily files unless the configuration names another.
pub fn start(config: &LogConfig, folder: &Path) -> anyhow::Result<()> {
    let directory = config.directory.as_deref().unwrap_or(folder);
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make the log folder {}", directory.display()))?;
    let files = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("tasuki-host")
        .filename_suffix("log")
        .max_log_files(DAYS_KEPT)
        .build(directory)
        .with_context(|| format!("cannot write log files to {}", directory.display()))?;
    let syslog = config
        .syslog
        .as_ref()
        .map(|server| {
            let hostname = platform::host_name().unwrap_or_default();
            Syslog::start(server.to_string(), &hostname, "tasuki-host")
        })
        .transpose()
        .context("cannot start the syslog thread")?;
    let terminal = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry()
        .with(terminal.with_filter(filter()))
        .with(
            fmt::layer()
                .with_writer(files)
                .with_ansi(false)
                .with_target(false)
                .with_filter(filter()),
        )
        .with(syslog.with_filter(filter()))
        .try_init()
        .context("cannot start the log")
}

/// `RUST_LOG` for those who look for a fault, otherwise what an operator wants to read.
fn filter() -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"))
}
