//! `tasuki card`: writes an image to a card and proves that it is there.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use protocol::file::node::NodeFile;

use crate::card::flash::{self, FlashError, Source};
use crate::card::target::Target;
use crate::disk::fat;
use crate::disk::read;
use crate::progress::Progress;
use crate::release;

/// What the board looks for in `CONFIG`.
const NODE_FILE: &str = "node.toml";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write an image to a card and read it back
    Flash(FlashArguments),
    /// Compare a card with an image, as it is right after flashing
    Verify(VerifyArguments),
}

#[derive(Debug, Args)]
struct FlashArguments {
    /// An image, or a release's folder
    image: PathBuf,
    /// The card (/dev/sdX, /dev/mmcblkN), a loop device, or a file
    card: PathBuf,
    /// The board's node file, which goes into CONFIG; without it the card can be used for any board
    #[arg(long, value_name = "FILE")]
    node: Option<PathBuf>,
    /// Do not ask before everything on the card is destroyed
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
struct VerifyArguments {
    /// An image, or a release's folder
    image: PathBuf,
    /// The card
    card: PathBuf,
    /// The node file that the card was written with
    #[arg(long, value_name = "FILE")]
    node: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments, out: &mut dyn Write) -> Result<()> {
    let progress = Progress::new(false);
    match arguments.command {
        Command::Flash(arguments) => write_card(&arguments, &progress, out),
        Command::Verify(arguments) => verify_card(&arguments, &progress, out),
    }
}

fn write_card(arguments: &FlashArguments, progress: &Progress, out: &mut dyn Write) -> Result<()> {
    // What speaks against the card is said before a minute of unpacking.
    let mut target = Target::open(&arguments.card)?;
    let empty_file = target.size.is_none() && target.file.metadata()?.len() == 0;
    if !arguments.yes && !empty_file {
        ask(&target, out)?;
    }
    let (mut disk, length) = open(&arguments.image, progress)?;
    let instead = config_with(arguments.node.as_deref(), &mut disk)?;
    let mut source = Source {
        image: &mut disk,
        length,
        instead,
    };
    flash::flash(&mut source, &mut target, progress)?;
    writeln!(
        out,
        "{} has the image, and reads back as it was written.",
        target.path.display()
    )?;
    match &arguments.node {
        Some(_) => writeln!(
            out,
            "It is a secret now: the node file in it is the board's key."
        )?,
        None => writeln!(
            out,
            "Next: put the board's node file into its partition CONFIG, named {NODE_FILE}."
        )?,
    }
    Ok(())
}

fn verify_card(
    arguments: &VerifyArguments,
    progress: &Progress,
    out: &mut dyn Write,
) -> Result<()> {
    let (mut disk, length) = open(&arguments.image, progress)?;
    let instead = config_with(arguments.node.as_deref(), &mut disk)?;
    let card = &arguments.card;
    let mut card =
        fs::File::open(card).with_context(|| format!("cannot open {}", card.display()))?;
    let mut source = Source {
        image: &mut disk,
        length,
        instead,
    };
    match flash::verify(&mut source, &mut card, progress) {
        Err(FlashError::Differs(at)) => bail!(
            "the card differs from the image, first at {}. Was it in a board since, or was --node \
             another file or none? If not, write it again",
            read::place(&mut disk, at)
        ),
        other => other?,
    }
    writeln!(out, "The card has the image, byte for byte.")?;
    Ok(())
}

fn open(image: &Path, progress: &Progress) -> Result<(fs::File, u64)> {
    release::open(&release::image_of(image)?, progress)
}

/// The partition `CONFIG` with the node file in it, and where it lies.
fn config_with(node: Option<&Path>, disk: &mut fs::File) -> Result<Option<(u64, Vec<u8>)>> {
    let Some(path) = node else {
        return Ok(None);
    };
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = zeroize::Zeroizing::new(text);
    NodeFile::parse(&text).with_context(|| path.display().to_string())?;
    let partitions = read::partitions(disk)?;
    let config = partitions
        .iter()
        .find(|partition| partition.label == "CONFIG");
    let config = config.context("the image has no partition CONFIG")?;
    let mut bytes = read::bytes(disk, config.offset, config.length)?;
    fat::put(&mut bytes, NODE_FILE, text.as_bytes())
        .with_context(|| format!("cannot put {NODE_FILE} into CONFIG"))?;
    Ok(Some((config.offset, bytes)))
}

fn ask(target: &Target, out: &mut dyn Write) -> Result<()> {
    let path = target.path.display();
    if !io::stdin().is_terminal() {
        bail!("nobody is there to ask whether {path} may be overwritten; say so with --yes");
    }
    write!(
        out,
        "This destroys everything on {path} ({}).\nType \"yes\" to go on: ",
        target.description
    )?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() != "yes" {
        bail!("{path} was left alone");
    }
    Ok(())
}
