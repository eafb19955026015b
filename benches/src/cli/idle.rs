//! `tasuki-bench idle`: what hosts and sessions cost that say nothing.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::{Ours, conclude, save};
use crate::exec::Interrupt;
use crate::idle::{self, IdleReport, Size};
use crate::number::float;
use crate::report::Origin;
use crate::subject::Subject;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tasuki-bench idle --out idle.json\n  \
        tasuki-bench idle --links 1000 --sessions 0")]
pub(super) struct Arguments {
    /// Hosts that are linked and wait
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    links: u32,
    /// Sessions that are joined and carry nothing; their hosts are among the links
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    sessions: u32,
    #[command(flatten)]
    ours: Ours,
    /// Where the hosts' keys come from
    #[arg(long, value_name = "N", default_value_t = 3)]
    seed: u64,
    /// Write the report there, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode> {
    let stop = Interrupt::listen()?;
    let origin = Origin::here();
    let size = Size {
        links: arguments.links.max(arguments.sessions),
        sessions: arguments.sessions,
    };
    let options = arguments.ours.options(&[], arguments.sessions, true)?;
    let subject = Subject::relay(&options, &stop)?;
    let (settings, looks) = idle::run(subject, size, arguments.seed, &stop)?;
    let mib = |bytes: u64| float(bytes) / 1_048_576.0;
    for look in &looks {
        let group = look.group_bytes.map_or_else(
            || "unknown".to_owned(),
            |bytes| format!("{:.1} MiB", mib(bytes)),
        );
        writeln!(
            out,
            "{:>5} links {:>5} sessions  user {:>6.1} MiB  with the kernel's part {group}",
            look.crowd.links,
            look.crowd.sessions,
            mib(look.user_bytes),
        )?;
    }
    let verdict = idle::judge(&looks, origin.optimised);
    let report = IdleReport {
        origin,
        settings,
        link_bytes: idle::link_bytes(&looks),
        session_bytes: idle::session_bytes(&looks),
        looks,
        verdict,
    };
    save(&report, arguments.out.as_deref(), out)?;
    conclude(&report.verdict, out)
}
