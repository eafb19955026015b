//! `tasuki node revoke`: a board that must not be trusted any more.

use anyhow::{Context as _, Result, bail};
use clap::Args;
use protocol::id::BoardName;

use crate::deployment::record::{Record, Time};

use super::Context;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tasuki node revoke tokyo-1")]
pub(super) struct Arguments {
    /// The board's name
    name: BoardName,
}

pub(super) fn run(arguments: Arguments, context: &mut Context<'_>) -> Result<()> {
    let name = arguments.name;
    let mut deployment = context.open()?;
    let node = deployment
        .record()
        .node(&name)
        .with_context(|| format!("there is no board {name}; `tasuki node list` shows all"))?;
    if node.is_revoked() {
        bail!("board {name} is revoked already");
    }
    let lone = node.lone;
    let count = node.certificates.len();
    let now = Time(context.now);
    deployment.commit(|record| {
        if let Some(node) = record.node_mut(&name) {
            for certificate in &mut node.certificates {
                certificate.revoked.get_or_insert(now);
            }
        }
    })?;
    let certificates = if count == 1 {
        "certificate"
    } else {
        "certificates"
    };
    writeln!(
        context.out,
        "Revoked board {name}: {count} {certificates}.\n"
    )?;
    tell_how_it_spreads(deployment.record(), context)?;
    if lone {
        tell_about_the_registrar_key(&name, context)?;
    }
    Ok(())
}

fn tell_how_it_spreads(record: &Record, context: &mut Context<'_>) -> Result<()> {
    let others: Vec<&BoardName> = record
        .live_nodes()
        .filter(|node| node.lone)
        .map(|node| &node.name)
        .collect();
    if others.is_empty() {
        writeln!(
            context.out,
            "Agents do not know yet. They learn it from the board list that a board signs, and no \
             other board is left to sign one. Next:\n  \
             tasuki node add NAME --address HOST:PORT --lone   a board in its place\n  \
             tasuki entry                                      then hand the new file out"
        )?;
        return Ok(());
    }
    writeln!(
        context.out,
        "Agents do not know yet. They learn it from the board list that these boards sign, each \
         as soon as it has a fresh node file. Next, for each: write it, carry it to the board, \
         reload the relay there:"
    )?;
    for other in others {
        writeln!(context.out, "  tasuki node renew {other}")?;
    }
    writeln!(
        context.out,
        "  tasuki entry   if the entry file names the revoked board's address"
    )?;
    Ok(())
}

/// The part that nobody likes to read, and everybody has to who lost a lone board.
fn tell_about_the_registrar_key(name: &BoardName, context: &mut Context<'_>) -> Result<()> {
    writeln!(
        context.out,
        "\nIf {name} was stolen: it was a lone board, so its node file held the registrar's key. \
         With that key a thief can sign board lists (and so hide this revocation from agents that \
         reach the stolen board first) and claims (and so take computer IDs). A thief cannot read \
         or join sessions: those are protected by each host's own key and password, and a client \
         that has been connected before refuses a host with another key.\n\
         If the board was only retired and its card destroyed, nothing more is to be done. \
         If it was stolen, make a new deployment and hand its entry file out:\n  \
         tasuki --deployment NEW-FOLDER deployment init --name ..."
    )?;
    Ok(())
}
