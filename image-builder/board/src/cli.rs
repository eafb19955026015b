//! What units and people call: `tasuki-board COMMAND`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::gate::{self, Hold, Verdict};
use crate::log::Forwarder;
use crate::places::{self, Board, Topic};
use crate::slot::mounted;
use crate::slot::{Slot, State};
use crate::sys::System;
use crate::update::{self, Outcome};
use crate::watch::view::View;
use crate::{clock, data, file, log, provision, watch};

/// What runs on a board beside the relay; started by systemd.
#[derive(Debug, Parser)]
#[command(name = "tasuki-board", version, max_term_width = 100)]
struct Arguments {
    /// A folder that looks like a board, for tests
    #[arg(long, hide = true, default_value = "/")]
    root: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look whether the data partition can be written; else use memory
    Data,
    /// Take the node file from the card, and configure network and relay by it
    Provision,
    /// The clock of a board without a clock chip
    #[command(subcommand)]
    Clock(ClockCommand),
    /// The two systems on the card
    #[command(subcommand)]
    Slot(SlotCommand),
    /// A new system for the other slot
    #[command(subcommand)]
    Update(UpdateCommand),
    /// Send the journal to the log host of the node file, for ever
    Log,
    /// Say how the board does, as its screen does
    Status,
    /// Show how the board does on its LED and its consoles, for ever
    Watch,
    /// Let the LED flicker, so that somebody finds the board
    Locate {
        /// For how long; 0 ends it
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(..=1_440))]
        minutes: u64,
    },
    /// Wait until this system is healthy, and mark it good; fails if it does not get there
    Gate,
}

#[derive(Debug, Subcommand)]
enum ClockCommand {
    /// Put the clock forward to what is known
    Restore,
    /// Remember the time
    Save,
}

#[derive(Debug, Subcommand)]
enum UpdateCommand {
    /// Take the update that lies on the card
    Card,
    /// Take the update at the node file's address, and wait until nobody is on the board
    Pull,
}

#[derive(Debug, Subcommand)]
enum SlotCommand {
    /// Say which slot runs, and what the next boot will start
    Status,
    /// Start the other slot at the next boot; it stays if it becomes healthy
    Try,
    /// Stay with the running slot
    MarkGood,
    /// At boot: say whether this slot is on probation, or whether the other one is to be tried
    Resume,
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    let Arguments { root, command } = Arguments::parse();
    let system = System::new(root);
    match run(&system, command) {
        Ok(code) => code,
        Err(error) => {
            tell(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(system: &System, command: Command) -> Result<ExitCode> {
    match command {
        Command::Data => {
            if let Some(trouble) = data::check(system)? {
                tell(&trouble);
            }
        }
        Command::Provision => provision::run(system, SystemTime::now(), tell)?,
        Command::Clock(ClockCommand::Restore) => {
            if let Some(to) = clock::restore(system, SystemTime::now())? {
                tell(&format!("the clock was behind; it starts at {to} seconds"));
            }
        }
        Command::Clock(ClockCommand::Save) => clock::save(system, SystemTime::now())?,
        Command::Slot(SlotCommand::Resume) => resume(system)?,
        Command::Slot(command) => slot(system, &command)?,
        Command::Update(command) => look_for_update(system, &command)?,
        Command::Log => forward(system)?,
        Command::Status => {
            let view = View::gather(system, &Board::load(system)?);
            say(&view.to_string())?;
        }
        Command::Watch => watch::run(system, &Board::load(system)?, tell),
        Command::Locate { minutes } => watch::locate(system, minutes * 60)?,
        Command::Gate => return wait_for_health(system),
    }
    Ok(ExitCode::SUCCESS)
}

/// A new system is started by `tasuki-restart.service`, which finds a mark.
fn look_for_update(system: &System, command: &UpdateCommand) -> Result<()> {
    let now = SystemTime::now();
    let outcome = match command {
        UpdateCommand::Card => update::from_card(system, now, tell),
        UpdateCommand::Pull => update::pull(system, now, tell),
    }?;
    if outcome == Outcome::Nothing {
        return Ok(());
    }
    tell("update: restarting into the new system");
    Ok(update::ask_for_restart(system)?)
}

fn forward(system: &System) -> Result<()> {
    let read = |path: &str| {
        let text = std::fs::read_to_string(system.at(path));
        text.with_context(|| format!("cannot read {path}"))
    };
    let target = read(places::LOG_HOST)?;
    let host = read("/proc/sys/kernel/hostname")?;
    let mut forwarder = Forwarder::new(&system.at(log::SOCKET), target.trim(), host.trim())?;
    loop {
        forwarder.step(tell)?;
    }
}

fn slot(system: &System, command: &SlotCommand) -> Result<()> {
    let mut slots = mounted::slots(system)?;
    match command {
        SlotCommand::Try => {
            slots.try_other()?;
            file::remove(&system.at(places::FAILURE))?;
            say("The next boot starts the other slot: systemctl reboot\n")
        }
        SlotCommand::MarkGood => Ok(slots.mark_good()?),
        SlotCommand::Status | SlotCommand::Resume => say(&describe(slots.running, slots.state()?)),
    }
}

fn describe(running: Slot, State { good, tries_left }: State) -> String {
    let other = good.other();
    let probation = match tries_left {
        None => String::new(),
        Some(0) => format!("Slot {other} has used up its tries.\n"),
        Some(left) => format!("Slot {other} is on probation, {left} tries left.\n"),
    };
    format!("Slot {running} runs. Slot {good} is good.\n{probation}")
}

/// Leaves a mark for the units that follow: [`places::PROBATION`] or [`places::TRY_OTHER`].
/// A board whose state cannot be read serves with what it runs.
fn resume(system: &System) -> Result<()> {
    let resumed = mounted::slots(system).and_then(|mut slots| {
        let reboot = slots.resume()?;
        Ok((reboot.is_some(), slots.running, slots.state()?))
    });
    let mark = |place| file::replace(&system.at(place), b"", 0o644);
    let trouble = match resumed {
        Ok((true, ..)) => {
            mark(places::TRY_OTHER)?;
            None
        }
        Ok((false, running, state)) if running != state.good => {
            mark(places::PROBATION)?;
            None
        }
        Ok((false, _, State { good, tries_left })) => tries_left.map(|left| {
            let other = good.other();
            if left > 0 {
                return format!(
                    "update: slot {other} was not started: its tries cannot be counted, or its \
                     kernel cannot be read; replace the card"
                );
            }
            let reason = std::fs::read_to_string(system.at(places::FAILURE));
            let reason = reason.unwrap_or_else(|_| "it did not come as far as saying why".into());
            format!("update: slot {other} failed: {}", reason.trim())
        }),
        Err(error) => Some(format!("slots: {error:#}")),
    };
    if let Some(text) = &trouble {
        tell(text);
    }
    Ok(Topic::Slot.warn(system, trouble.as_deref())?)
}

/// Fails, so that the unit reboots, only if this slot is on probation and does not get healthy.
fn wait_for_health(system: &System) -> Result<ExitCode> {
    let slots = mounted::slots(system)?;
    if slots.state().is_ok_and(|state| state.good == slots.running) {
        return Ok(ExitCode::SUCCESS);
    }
    drop(slots);
    let begin = Instant::now();
    let mut hold = Hold::default();
    loop {
        let seen = gate::look(&system.at(places::CONTROL_SOCKET), &system.at(places::NODE));
        match hold.observe(begin.elapsed(), seen.is_ok()) {
            Verdict::Wait => thread::sleep(gate::INTERVAL),
            Verdict::Good => break,
            Verdict::GiveUp => {
                let reason = seen.err().map_or_else(String::new, |it| format!("{it:#}"));
                // The old slot reads it; if the disk takes nothing, the reboot matters more.
                let _ = file::replace(&system.at(places::FAILURE), reason.as_bytes(), 0o644);
                // What was not healthy for so long will not be in the tries that are left.
                let _ = mounted::slots(system).map(|mut slots| slots.give_up());
                tell(&format!("not healthy, going back: {reason}"));
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    keep(system)?;
    Ok(ExitCode::SUCCESS)
}

/// Marks a healthy slot good. A card that takes no writes is no reason to stop serving: only the
/// next start is the old system's again.
fn keep(system: &System) -> Result<()> {
    let marked = mounted::slots(system).and_then(|mut slots| Ok(slots.mark_good()?));
    let trouble = marked.err().map(|error| {
        format!("slots: this system is healthy and cannot be kept: {error:#}; replace the card")
    });
    tell(
        trouble
            .as_deref()
            .unwrap_or("healthy: this slot is good now"),
    );
    Ok(Topic::Slot.warn(system, trouble.as_deref())?)
}

fn say(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("cannot write the answer")
}

/// To the journal, and by the units to the console.
fn tell(text: &str) {
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(io::stderr(), "tasuki: {text}");
}
