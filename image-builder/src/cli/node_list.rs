//! `tasuki node list`: all boards, and what needs attention.

use anyhow::Result;
use jiff::Timestamp;

use crate::deployment::record::Node;

use super::{Context, time};

const HEADER: [&str; 5] = ["NAME", "KIND", "CERTIFICATE", "CA", "ADDRESSES"];

pub(super) fn run(context: &mut Context<'_>) -> Result<()> {
    let deployment = context.open()?;
    let record = deployment.record();
    if record.nodes.is_empty() {
        writeln!(
            context.out,
            "No boards yet; `tasuki node add NAME --address HOST:PORT --lone` makes one."
        )?;
        return Ok(());
    }
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(record.nodes.iter().map(|node| row(node, context.now)));
    let mut widths = [0; HEADER.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in &rows {
        let cells = row.iter().zip(widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:width$}  "))
            .collect();
        writeln!(context.out, "{}", line.trim_end())?;
    }
    let now = context.now;
    let due = record
        .live_nodes()
        .filter(|node| days_left(node, now) < time::SOON_DAYS);
    for (index, node) in due.enumerate() {
        if index == 0 {
            writeln!(context.out, "\nRenew soon:")?;
        }
        writeln!(context.out, "  tasuki node renew {}", node.name)?;
    }
    Ok(())
}

fn row(node: &Node, now: Timestamp) -> [String; HEADER.len()] {
    let days = days_left(node, now);
    let state = if node.is_revoked() {
        "revoked".to_owned()
    } else if days < 0 {
        "EXPIRED".to_owned()
    } else {
        format!("{days} days left")
    };
    let addresses: Vec<&str> = node
        .addresses
        .iter()
        .map(|address| address.as_str())
        .collect();
    let ca = node.newest().map_or(0, |certificate| certificate.ca);
    [
        node.name.to_string(),
        if node.lone { "lone" } else { "fleet" }.to_owned(),
        state,
        ca.to_string(),
        addresses.join(", "),
    ]
}

fn days_left(node: &Node, now: Timestamp) -> i64 {
    node.newest().map_or(-1, |certificate| {
        time::days_until(certificate.expires.0, now)
    })
}
