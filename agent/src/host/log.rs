//! Where the host's log goes: standard error or the system's log, daily files, and a syslog
//! server if one is set.
//!
//! Holds times, addresses, byte counts, end reasons; never content or secrets.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;
use tracing::Subscriber;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::syslog::Syslog;
use crate::config::LogConfig;
use crate::platform;

/// Days of log files that are kept.
const DAYS_KEPT: usize = 90;

/// As the clock on the wall shows it, and how far that is from UTC.
const TIME: &str = "%Y-%m-%dT%H:%M:%S%.3f%:z";

/// Where the host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Somebody, or systemd, reads standard error.
    Terminal,
    /// Nobody does; the system has a log for services.
    Service,
}

/// Begins to log. `folder` takes the daily files unless the configuration names another.
pub fn start(config: &LogConfig, folder: &Path, place: Place) -> anyhow::Result<()> {
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
    let terminal = (place == Place::Terminal).then(|| {
        fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .with_timer(Wall)
    });
    let events = match place {
        Place::Terminal => None,
        Place::Service => platform::service_log().context("cannot open the system's log")?,
    };
    tracing_subscriber::registry()
        .with(terminal.with_filter(filter()))
        .with(events.map(system_log))
        .with(
            fmt::layer()
                .with_writer(files)
                .with_ansi(false)
                .with_target(false)
                .with_timer(Wall)
                .with_filter(filter()),
        )
        .with(syslog.with_filter(filter()))
        .try_init()
        .context("cannot start the log")
}

/// Times for people who look at the clock of the office.
struct Wall;

impl FormatTime for Wall {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        let now = Timestamp::now();
        let local = now.to_zoned(platform::time_zone(now));
        write!(writer, "{}", local.strftime(TIME))
    }
}

/// Lets a service that fails before its settings are read say so: with the system's log alone,
/// unless a log has begun already.
pub fn begin_without_settings() {
    let events = platform::service_log().ok().flatten();
    let log = tracing_subscriber::registry().with(events.map(system_log));
    // It fails where a log has begun, and that one is better.
    let _ = log.try_init();
}

fn system_log<S>(events: BoxMakeWriter) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fmt::layer()
        .with_writer(events)
        .without_time()
        .with_level(false)
        .with_ansi(false)
        .with_target(false)
        .with_filter(LevelFilter::WARN)
}

/// `RUST_LOG` for those who look for a fault, otherwise what an operator wants to read.
/// It is the filter without regular expressions, which would add a third of a megabyte.
fn filter() -> Targets {
    let wanted = std::env::var("RUST_LOG").ok();
    let wanted = wanted.and_then(|wanted| wanted.parse().ok());
    wanted.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO))
}
