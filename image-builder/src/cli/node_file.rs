//! Writing a board's node file, for the commands that issue one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use protocol::file::node::NodeFile;
use protocol::id::BoardName;

use crate::deployment::Deployment;
use crate::deployment::file;
use crate::deployment::node::{Order, issue};

use super::{Context, time};

/// Issues for the board, writes the file and says so.
pub(super) fn issue_to(
    path: Option<PathBuf>,
    order: Order,
    deployment: &mut Deployment,
    context: &mut Context<'_>,
) -> Result<PathBuf> {
    let name = order.name.clone();
    let path = path.unwrap_or_else(|| format!("{name}.node.toml").into());
    check_place(&path, &name, deployment)?;
    let protection = context.unlock(deployment)?;
    let node_file = issue(deployment, order, &protection, context.now)?;
    let text = zeroize::Zeroizing::new(node_file.to_text());
    file::replace(&path, text.as_bytes(), file::SECRET).with_context(|| {
        format!(
            "cannot write {}; the board is recorded, so once that is mended run \
             `tasuki node renew {name} --out FILE`",
            path.display()
        )
    })?;
    let node = deployment.record().node(&name);
    if let Some(certificate) = node.and_then(|node| node.newest()) {
        writeln!(
            context.out,
            "Certificate {}: good until {} ({} days).",
            certificate.serial,
            time::date(certificate.expires.0),
            time::days_until(certificate.expires.0, context.now),
        )?;
    }
    writeln!(
        context.out,
        "Wrote {} (generation {}). It is a secret: whoever has it can pretend to be this board.",
        path.display(),
        node_file.generation,
    )?;
    Ok(path)
}

/// Only an older file of the same board may be replaced.
fn check_place(path: &Path, name: &BoardName, deployment: &Deployment) -> Result<()> {
    let source = match fs::read_to_string(path) {
        Ok(source) => zeroize::Zeroizing::new(source),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot replace {}", path.display()));
        }
    };
    let record = deployment.record();
    let older = NodeFile::parse(&source).is_ok_and(|old| {
        old.name == *name
            && old.deployment == record.name.as_str()
            && old.generation <= record.node_generation
    });
    if !older {
        bail!(
            "{} exists and is not an older node file of board {name}; choose another place with \
             --out",
            path.display()
        );
    }
    Ok(())
}
