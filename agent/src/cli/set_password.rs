//! `tasuki-host set-password`: the password that callers must know.

use std::path::Path;

use anyhow::bail;
use clap::Args;
use zeroize::Zeroizing;

use super::exit::Exit;
use super::{password, say};
use crate::platform;
use crate::state::StateDir;
use crate::tunnel::password::{PasswordRecord, rule};

/// Weak or mistyped passwords before the command gives up.
const TRIES_MAX: usize = 5;

const RULE: &str = "At least 8 characters of 3 kinds (small letters, capital letters, digits, \
    symbols), or 16 characters of 2 kinds, or 24 of any kind.";
const EXEMPT_RULE: &str = "For people who cannot type symbols: at least 8 characters of 2 kinds, \
    or 16 of any kind.";

const AFTER: &str = "\
A password needs at least 8 characters of 3 kinds (small letters, capital letters, digits, \
symbols), or 16 characters of 2 kinds, or 24 of any kind.

Examples:
  tasuki-host set-password
  tasuki-host set-password --password-fd 0 < password-file

The password itself is kept nowhere: neither the relay nor a stolen copy of this PC's files can \
tell it. A running tasuki-host uses the new one from the next call on; open sessions go on.";

/// Set the password that callers must know; without one every call is refused
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// Read the password from the first line of this descriptor instead of asking
    #[arg(long, value_name = "N")]
    password_fd: Option<u32>,
    /// For people who cannot type symbols: one kind of characters less is enough
    #[arg(long)]
    without_symbols: bool,
}

pub(super) fn run(state: Option<&Path>, arguments: &Arguments) -> anyhow::Result<Exit> {
    let host = StateDir::open(state)?.host()?;
    let exempt = arguments.without_symbols;
    let password = new_password(arguments.password_fd, exempt)?;
    let record = PasswordRecord::register(&password)?;
    host.set_password_record(&record.to_bytes())?;
    say::answer(&"The password is set. It counts from the next call on.");
    if host.entry()?.is_none() {
        say::answer(&"Next: tasuki-host init --entry FILE");
    }
    Ok(Exit::Done)
}

/// One that is good enough, from a descriptor or the terminal.
pub(super) fn new_password(
    descriptor: Option<u32>,
    exempt: bool,
) -> anyhow::Result<Zeroizing<String>> {
    let Some(number) = descriptor else {
        come_back_from_ctrl_c()?;
        return ask_twice(exempt);
    };
    let password = password::from_descriptor(number)?;
    rule(&password, exempt)?;
    Ok(password)
}

/// Ctrl-C ends the prompt with an error, and the terminal shows again what is typed.
fn come_back_from_ctrl_c() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    // The listening goes on when the runtime has gone.
    runtime.block_on(async { platform::survive_ctrl_c() })?;
    Ok(())
}

fn ask_twice(exempt: bool) -> anyhow::Result<Zeroizing<String>> {
    say::line(&if exempt { EXEMPT_RULE } else { RULE });
    for _ in 0..TRIES_MAX {
        let password = password::ask("New password (not shown): ")?;
        if let Err(weak) = rule(&password, exempt) {
            say::line(&weak);
            continue;
        }
        if password::ask("The same again: ")? == password {
            return Ok(password);
        }
        say::line(&"The two differ; nothing was changed. Once more.");
    }
    bail!("no password was set")
}
