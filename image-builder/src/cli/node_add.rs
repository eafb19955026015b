//! `tasuki node add`: a new board.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use protocol::file::address::Address;
use protocol::file::network::Network;
use protocol::id::BoardName;

use crate::deployment::node::{ADDRESSES_MAX, Order};

use super::{Context, network, node_file};

/// A year.
pub(super) const DAYS_DEFAULT: u32 = 365;
/// Ten years: beyond that a forgotten board outlives its operator.
pub(super) const DAYS_MAX: i64 = 3650;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tasuki node add tokyo-1 --address relay.example.jp:443 --lone\n  \
        tasuki node add tokyo-1 --address 192.0.2.1:443 --address '[2001:db8::1]:443' --lone\n  \
        tasuki node add tokyo-1 --address relay.example.jp:443 --lone \\\n    \
        --ipv4 '192.0.2.10/24 via 192.0.2.1' --dns 192.0.2.53 --ntp ntp.nict.jp")]
pub(super) struct Arguments {
    /// The board's name: letters a to z, digits and '-', at most 31
    name: BoardName,
    /// Where agents reach the board, HOST:PORT; up to four times
    #[arg(long = "address", value_name = "HOST:PORT", required = true)]
    addresses: Vec<Address>,
    /// The board is its own registrar: the file also holds the registrar's key
    #[arg(long)]
    lone: bool,
    /// A server of the fleet's registrar; up to five times
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "lone")]
    fleet: Vec<Address>,
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
        lone,
        fleet,
        network,
        days,
        out,
    } = arguments;
    let network = network.change(Network::default())?;
    check_addresses(&addresses)?;
    let mut deployment = context.open()?;
    if deployment
        .record()
        .node(&name)
        .is_some_and(|node| !node.is_revoked())
    {
        bail!(
            "board {name} exists; give it a new certificate with `tasuki node renew {name}`, or \
             revoke it first with `tasuki node revoke {name}`"
        );
    }
    let other_lone = deployment
        .record()
        .live_nodes()
        .find(|node| lone && node.lone)
        .map(|node| node.name.clone());
    let order = Order {
        name: name.clone(),
        addresses,
        lone,
        network,
        fleet,
        days,
    };
    let path = node_file::issue_to(out, order, &mut deployment, context)?;
    if let Some(other) = other_lone {
        writeln!(
            context.out,
            "\nMind: {other} is a lone board too. Two lone boards do not know of each other, and \
             give out computer IDs independently; keep both only while you replace one."
        )?;
    }
    if !lone {
        writeln!(
            context.out,
            "\nMind: a board without --lone needs a fleet's registrar, which this version does not have: \
             tasuki-relay will refuse the file."
        )?;
    }
    writeln!(
        context.out,
        "\nNext:\n  \
         carry {} to the board, name it as node_file in relay.toml, delete other copies\n  \
         tasuki entry   writes the file that agents need to find the board",
        path.display(),
    )?;
    Ok(())
}

pub(super) fn check_addresses(addresses: &[Address]) -> Result<()> {
    if addresses.len() > ADDRESSES_MAX {
        bail!(
            "a board has at most {ADDRESSES_MAX} addresses, and {} were given",
            addresses.len()
        );
    }
    Ok(())
}
