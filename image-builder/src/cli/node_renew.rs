//! `tasuki node renew`: a new key and certificate for a board that goes on.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use protocol::file::address::Address;
use protocol::id::BoardName;

use crate::deployment::node::Order;

use super::node_add::{DAYS_DEFAULT, DAYS_MAX, check_addresses};
use super::{Context, network, node_file};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tasuki node renew tokyo-1\n  \
        tasuki node renew tokyo-1 --address relay2.example.jp:443\n  \
        tasuki node renew tokyo-1 --ipv4 '192.0.2.11/24 via 192.0.2.1'")]
pub(super) struct Arguments {
    /// The board's name
    name: BoardName,
    /// New addresses in place of the recorded ones; up to four times
    #[arg(long = "address", value_name = "HOST:PORT")]
    addresses: Vec<Address>,
    #[command(flatten)]
    network: network::NetworkArguments,
    /// How many days the certificate is good
    #[arg(long, default_value_t = DAYS_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=DAYS_MAX))]
    days: u32,
    /// Where to write the node file [default: NAME.node.toml]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments, context: &mut Context<'_>) -> Result<()> {
    let Arguments {
        name,
        addresses,
        network,
        days,
        out,
    } = arguments;
    check_addresses(&addresses)?;
    let mut deployment = context.open()?;
    let record = deployment.record();
    let node = record.node(&name).with_context(|| {
        format!(
            "there is no board {name}; `tasuki node list` shows all, `tasuki node add` makes one"
        )
    })?;
    if node.is_revoked() {
        bail!("board {name} is revoked; make it anew with `tasuki node add {name} --address ...`");
    }
    let moved = !addresses.is_empty() && addresses != node.addresses;
    let order = Order {
        name: name.clone(),
        addresses: if addresses.is_empty() {
            node.addresses.clone()
        } else {
            addresses
        },
        lone: node.lone,
        network: network.change(node.network.clone())?,
        fleet: node.fleet.clone(),
        days,
    };
    let rolling = record.ca.len() > 1;
    let path = node_file::issue_to(out, order, &mut deployment, context)?;
    writeln!(
        context.out,
        "\nNext:\n  \
         carry {} to the board, put it in place of the old one, and there run\n  \
         systemctl reload tasuki-relay   sessions go on; the old certificate stays good until it ends",
        path.display(),
    )?;
    if moved {
        writeln!(
            context.out,
            "  tasuki entry   since the board's addresses changed"
        )?;
    }
    if rolling {
        writeln!(
            context.out,
            "Mind: the new CA signed this certificate. Agents without an entry file written since \
             `tasuki ca roll` will refuse the board."
        )?;
    }
    Ok(())
}
