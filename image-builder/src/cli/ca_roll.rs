//! `tasuki ca roll`: a new CA beside the old one, and later the old one away.

use anyhow::{Result, bail};
use clap::Args;
use protocol::id::BoardName;

use crate::deployment::record::Record;

use super::Context;

#[derive(Debug, Args)]
#[command(after_help = "The whole way:\n  \
        tasuki ca roll             a second CA; nothing changes for anybody yet\n  \
        tasuki entry               agents that have this file trust both\n  \
        tasuki node renew NAME     for each board, once all agents have the file\n  \
        tasuki ca roll --finish    the old CA is gone\n  \
        tasuki entry               agents that have this file trust the new one only")]
pub(super) struct Arguments {
    /// Drop the old CA, once every board has a certificate of the new one
    #[arg(long)]
    finish: bool,
}

pub(super) fn run(arguments: Arguments, context: &mut Context<'_>) -> Result<()> {
    if arguments.finish {
        finish(context)
    } else {
        begin(context)
    }
}

fn begin(context: &mut Context<'_>) -> Result<()> {
    let mut deployment = context.open()?;
    if deployment.record().ca.len() > 1 {
        bail!(
            "a second CA exists already: renew the boards with `tasuki node renew`, then run \
             `tasuki ca roll --finish`"
        );
    }
    let protection = context.unlock(&deployment)?;
    let number = deployment.add_ca(&protection, context.now)?;
    writeln!(
        context.out,
        "Made CA number {number}. It signs from now on; entry files carry both.\n\
         \n\
         Next, in this order:\n  \
         tasuki entry               then hand the file out, and wait until all agents have it: one \
         that does not will refuse renewed boards"
    )?;
    for name in on_old_ca(deployment.record()) {
        writeln!(context.out, "  tasuki node renew {name}")?;
    }
    writeln!(context.out, "  tasuki ca roll --finish")?;
    Ok(())
}

fn finish(context: &mut Context<'_>) -> Result<()> {
    let mut deployment = context.open()?;
    if deployment.record().ca.len() < 2 {
        bail!("there is one CA only, so nothing is to be finished; begin with `tasuki ca roll`");
    }
    let late = on_old_ca(deployment.record());
    if !late.is_empty() {
        let commands: String = late
            .iter()
            .map(|name| format!("\n  tasuki node renew {name}"))
            .collect();
        bail!(
            "agents would refuse these boards, whose certificates the old CA signed; renew them \
             and carry the node files to them first:{commands}"
        );
    }
    let dropped = deployment.drop_old_cas()?;
    let numbers: Vec<String> = dropped.iter().map(u32::to_string).collect();
    writeln!(
        context.out,
        "Dropped CA number {} and deleted its key.\n\
         \n\
         Next:\n  \
         tasuki entry   then hand the file out: agents that have it trust the new CA only",
        numbers.join(", ")
    )?;
    Ok(())
}

/// Boards whose newest certificate is not of the CA that signs.
fn on_old_ca(record: &Record) -> Vec<BoardName> {
    let signing = record.signing_ca();
    record
        .live_nodes()
        .filter(|node| node.newest().is_some_and(|newest| newest.ca != signing))
        .map(|node| node.name.clone())
        .collect()
}
