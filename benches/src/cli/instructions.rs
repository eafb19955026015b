//! `tasuki-bench instructions`: the relay's own instructions for each message.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::conclude;
use crate::exec::Interrupt;
use crate::instructions;
use crate::subject::{Counting, RelayOptions};
use crate::verdict::{Outcome, Verdict};
use crate::wire::Site;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tasuki-bench instructions\n  \
        tasuki-bench instructions --at-once 16\n\
        tasuki-bench instructions --emulator qemu-aarch64 --relay tasuki-relay-arm64\n\
        \nNeeds valgrind or the emulator (Debian's packages valgrind and qemu-user).\n\
        A relay for another processor needs its C library: QEMU_LD_PREFIX=/usr/aarch64-linux-gnu.")]
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
    /// Count with this emulator instead of valgrind, as qemu-aarch64
    #[arg(long, value_name = "PROGRAM", requires = "relay")]
    emulator: Option<String>,
    /// The relay that runs in the emulator, made for its processor
    #[arg(long, value_name = "FILE", requires = "emulator")]
    relay: Option<PathBuf>,
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
        counting: Some(Counting::Callgrind),
    };
    if let (Some(emulator), Some(relay)) = (&arguments.emulator, &arguments.relay) {
        let emulated = (emulator.as_str(), relay.as_path());
        let found = instructions::run_emulated(&options, emulated, arguments.at_once, &stop)?;
        return judge(arguments, found, "in all threads", out);
    }
    let counts = instructions::run(&options, arguments.at_once, &stop)?;
    for count in &counts {
        writeln!(
            out,
            "{} messages: {} instructions, {} of them where they are carried",
            count.messages, count.all, count.carrier
        )?;
    }
    let (carrier, all) = instructions::per_message(&counts).context("nothing was counted")?;
    let whose = format!(
        "in the thread that carries it, {all:.0} in all (control's own differ by some hundreds)"
    );
    judge(arguments, carrier, &whose, out)
}

fn judge(arguments: &Arguments, found: f64, whose: &str, out: &mut dyn Write) -> Result<ExitCode> {
    let most = f64::from(arguments.most);
    let outcome = if found <= most {
        Outcome::Pass
    } else if cfg!(debug_assertions) {
        Outcome::Void
    } else {
        Outcome::Fail
    };
    let reasons = vec![format!(
        "user instructions for each message: {found:.0} {whose}; {most:.0} are allowed"
    )];
    conclude(&Verdict { outcome, reasons }, out)
}
