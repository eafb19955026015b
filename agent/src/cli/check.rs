//! `check`, of host and client: whether a relay can be reached from here, and what stops it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use protocol::file::entry::Entry;

use super::exit::{Exit, UsageError};
use super::{read_entry, say};
use crate::config::Proxy;
use crate::message::{Language, check};
use crate::outer::check::check;
use crate::state::{StateError, entry_beside_executable};

const AFTER: &str = "\
It goes the way that connections go, through the proxy of the settings or of this PC if there is \
one, and tells which step failed: the name, the proxy, the connection, the encryption (something that inspects \
it, say), or the relay's answer. It changes nothing.

Exit codes: 0 a relay answers, 1 something failed on this PC, 64 the command line or a settings \
file is wrong, 80 no relay was reached, 81 what answered is not to be trusted, 82 the relay \
refused.";

/// Try the way to the relay, and tell which step of it fails
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The entry file [default: the one in use, or the one beside this program]
    #[arg(long, value_name = "FILE")]
    entry: Option<PathBuf>,
    /// Tell it in Japanese
    #[arg(long)]
    japanese: bool,
}

/// How this program reaches relays.
pub(super) struct Way {
    pub(super) proxy: Proxy,
    pub(super) user_agent: String,
}

/// `kept` finds the entry file in use.
pub(super) fn run(
    arguments: &Arguments,
    way: &Way,
    kept: impl FnOnce() -> Result<Option<Entry>, StateError>,
) -> anyhow::Result<Exit> {
    let entry = match &arguments.entry {
        Some(path) => parse(path)?,
        None => match (kept()?, entry_beside_executable()) {
            (Some(kept), _) => kept,
            (None, Some(path)) => parse(&path)?,
            (None, None) => {
                let text = "there is no entry file to check; name it with --entry FILE";
                return Err(UsageError(text.into()).into());
            }
        },
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start")?;
    let findings = runtime.block_on(check(&entry, &way.proxy, &way.user_agent))?;
    // A name that is still being looked up must not hold the end up.
    runtime.shutdown_background();
    let language = if arguments.japanese {
        Language::Japanese
    } else {
        Language::English
    };
    let text = check::findings(&findings, language);
    say::answer(&text.trim_end());
    let works = findings.iter().any(|finding| finding.failure.is_none());
    // The failure that got furthest says most.
    let failures = findings
        .iter()
        .filter_map(|finding| finding.failure.as_ref());
    let furthest = failures.max_by_key(|(step, _)| *step);
    Ok(match furthest {
        Some((_, error)) if !works => Exit::of_outer(error),
        Some(_) | None => Exit::Done,
    })
}

fn parse(path: &Path) -> anyhow::Result<Entry> {
    let parsed = Entry::parse(&read_entry(path)?);
    Ok(parsed.map_err(StateError::BadEntry)?)
}
