//! `tasuki-bench instructions`: the relay's own instructions for each message.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::conclude;
use crate::exec::Interrupt;
use crate::instructions;
use crate::subject::RelayOptions;
use crate::verdict::{Outcome, Verdict};
use crate::wire::Site;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tasuki-bench instructions\n  \
        tasuki-bench instructions --at-once 16\n\
        \nNeeds valgrind (Debian's package of that name).")]
pub(super) struct Arguments {
    /// Instructions for each message that are still fine
    #[arg(long, value_name = "N", default_value_t = 300)]
    most: u32,
    /// Messages that are sent together, each in a session of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(instructions::SESSIONS)))]
    at_once: u32,
    /// Folder of tasuki-relay and tasuki [default: where this program is]
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode> {
    let stop = Interrupt::listen()?;
    let options = RelayOptions {
        programs: super::programs(arguments.programs.as_deref())?,
        site: Site::loopback(),
        cpus: Vec::new(),
        workers: 1,
        sessions: 64,
        batching: false,
        memory_budget: None,
        counted: true,
    };
    let counts = instructions::run(&options, arguments.at_once, &stop)?;
    for count in &counts {
        writeln!(
            out,
            "{} messages: {} instructions, {} of them where they are carried",
            count.messages, count.all, count.carrier
        )?;
    }
    let (carrier, all) = instructions::per_message(&counts).context("nothing was counted")?;
    let most = f64::from(arguments.most);
    let outcome = if cfg!(debug_assertions) && carrier > most {
        Outcome::Void
    } else if carrier > most {
        Outcome::Fail
    } else {
        Outcome::Pass
    };
    let reasons = vec![format!(
        "user instructions for each message: {carrier:.0} in the thread that carries it, {all:.0} \
         in all (control's own differ by some hundreds); {most:.0} are allowed"
    )];
    conclude(&Verdict { outcome, reasons }, out)
}
