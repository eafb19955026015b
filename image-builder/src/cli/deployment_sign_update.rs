//! `tasuki deployment sign-update`: lets this deployment's boards take an update.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use protocol::file::update::{Manifest, Order};

use crate::bundle::Bundle;
use crate::deployment::file;
use crate::deployment::record::Time;

use super::Context;

const DAY: i64 = 86_400;
/// Long enough for a card that lies in a drawer, short enough that an old signature dies out.
const DAYS_DEFAULT: i64 = 90;
const DAYS_MAX: i64 = 3_650;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tasuki deployment sign-update tasuki-rpi4-0.2.0/tasuki-rpi4-0.2.0.update\n  \
        tasuki deployment sign-update tasuki-rpi4-0.1.0.update --downgrade --out /srv/www/rpi4.update")]
pub(super) struct Arguments {
    /// The bundle that `tasuki image build` wrote, or one that is signed already
    bundle: PathBuf,
    /// Where to write the signed bundle [default: BOARD.update]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How many days boards may begin it
    #[arg(long, default_value_t = DAYS_DEFAULT, value_parser = clap::value_parser!(i64).range(1..=DAYS_MAX))]
    days: i64,
    /// Boards take it even if they run a newer version: the way back
    #[arg(long)]
    downgrade: bool,
}

pub(super) fn run(arguments: Arguments, context: &mut Context<'_>) -> Result<()> {
    let Arguments {
        bundle: path,
        out,
        days,
        downgrade,
    } = arguments;
    let mut deployment = context.open()?;
    let bundle = Bundle::read(&path).with_context(|| path.display().to_string())?;
    let board = bundle.manifest.board.clone();
    let out = out.unwrap_or_else(|| format!("{board}.update").into());
    check_place(&out, &board)?;
    let protection = context.unlock(&deployment)?;
    let key = deployment.deployment_key(&protection)?;
    let expires = context.now.as_second() + days * DAY;
    // The number goes up before the file is there: two orders must never share one.
    deployment.commit(|record| record.update_generation += 1)?;
    let manifest = Manifest {
        order: Order {
            generation: deployment.record().update_generation,
            expires: u64::try_from(expires)?,
            downgrade,
        },
        ..bundle.manifest.clone()
    };
    let head = manifest.to_signed_text(key.signing_key());
    let bundle = bundle.with_head(manifest, head);
    let mut bytes = Vec::with_capacity(bundle.size());
    bundle.write(&mut bytes)?;
    file::replace(&out, &bytes, file::PUBLIC)
        .with_context(|| format!("cannot write {}", out.display()))?;
    let Manifest { version, order, .. } = &bundle.manifest;
    let until = Time(jiff::Timestamp::from_second(expires)?);
    let which = if downgrade {
        "whatever version they run"
    } else {
        "if they run an older version"
    };
    writeln!(
        context.out,
        "Wrote {} ({} MiB): version {version}, order {}.\n\
         Boards of the kind {board} take it until {until}, {which}.\n\
         \n\
         Next: put it at the update address of the node files as {board}.update, or copy it onto \
         CONFIG of a board's card.",
        out.display(),
        bundle.size() >> 20,
        order.generation,
    )?;
    Ok(())
}

/// Only a bundle for boards of the same kind may be replaced.
fn check_place(path: &Path, board: &str) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let same = Bundle::read(path).is_ok_and(|old| old.manifest.board == board);
    if !same {
        bail!(
            "{} exists and is no update for {board}; choose another place with --out",
            path.display()
        );
    }
    Ok(())
}
