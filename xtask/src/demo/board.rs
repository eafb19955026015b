//! The relay on a whole board: its image on a card, booted in QEMU.
//!
//! What the board does is read off its serial console, as a person at the rack would.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::image;
use crate::report;

use super::deployment::Deployment;
use super::stage::Stage;

const FLASH_LIMIT: Duration = Duration::from_secs(600);
/// An emulated ARM board on a busy machine.
const BOOT_LIMIT: Duration = Duration::from_secs(1800);
/// What the status screen needs to notice a session.
const SCREEN_LIMIT: Duration = Duration::from_secs(300);
/// An SD card as boards have them; all but some 100 MiB of it is a hole in a file.
const CARD: u64 = 2 << 30;

/// The board's name on stage.
const VM: &str = "tasuki-vm";

/// What a boot passes, and how the console tells that it is there.
const MILESTONES: [(&str, &str); 7] = [
    ("firmware", ""),
    ("kernel", "Linux version"),
    ("first stage", "tasuki first stage:"),
    ("init", "Welcome to Tasuki"),
    ("network", "Started systemd-networkd"),
    ("relay ready", "Started tasuki-relay.service"),
    ("serving", SERVING),
];
const SERVING: &str = "state    serving";
const SESSION: &str = "serving, 1 sessions";

/// A board that is not switched on yet.
pub(super) struct Board<'b> {
    pub(super) name: &'b str,
    /// A release's folder; else one is built.
    pub(super) image: Option<&'b Path>,
    pub(super) programs: &'b Path,
    pub(super) root: &'b Path,
}

impl Board<'_> {
    /// Writes image and node file to a card, as an operator does.
    pub(super) fn card(&self, stage: &Stage<'_>, deployment: &Deployment<'_>) -> Result<PathBuf> {
        let tasuki = self.programs.join("tasuki");
        let release = match self.image {
            Some(folder) => std::path::absolute(folder)?,
            None => {
                let order = image::Order {
                    board: self.name,
                    version: env!("CARGO_PKG_VERSION"),
                    locks: None,
                };
                image::release(stage.shell(), self.root, &tasuki, &order)?
            }
        };
        let card = stage.path("card.img");
        stage
            .shell()
            .call(tasuki)
            .args(["card", "flash", "--yes", "--node"])
            .arg(&deployment.node_file)
            .args([&release, &card])
            .dir(self.root)
            .output(FLASH_LIMIT)?;
        let file = fs::File::options().write(true).open(&card)?;
        file.set_len(CARD).context("no room for a card")?;
        Ok(card)
    }

    /// Switches it on, and waits until it says that it serves.
    pub(super) fn boot(&self, stage: &mut Stage<'_>, card: &Path, port: u16) -> Result<()> {
        // It reads board files from the checkout, so it keeps this user's settings.
        let call = stage
            .shell()
            .call(self.programs.join(VM))
            .args(["--times", "--board", self.name, "--disk"])
            .arg(card)
            .args(["--forward", &format!("{port}:443")])
            .dir(self.root);
        stage.start(VM, call)?;
        said(stage, SERVING, BOOT_LIMIT)
    }

    /// Waits until the board's own screen tells of the session, and says when what was reached.
    pub(super) fn tell(&self, stage: &mut Stage<'_>) -> Result<()> {
        said(stage, SESSION, SCREEN_LIMIT)?;
        let console = console(stage);
        report::say("  Seconds after power-on, by the board's console:");
        for (name, text) in MILESTONES.into_iter().chain([("a session", SESSION)]) {
            if let Some(line) = console.lines().find(|line| line.contains(text)) {
                let seconds = line.split_once(" | ").map_or("?", |(time, _)| time.trim());
                report::say(&format!("    {name:<12} {seconds:>9}"));
            }
        }
        Ok(())
    }
}

fn said(stage: &mut Stage<'_>, text: &str, limit: Duration) -> Result<()> {
    stage.wait_for(&format!("the board's \"{text}\""), limit, |stage| {
        Ok(console(stage).contains(text).then_some(()))
    })
}

fn console(stage: &Stage<'_>) -> String {
    // Not there yet, or a letter is not whole yet: the next look will see it.
    fs::read_to_string(stage.path(&format!("{VM}.log"))).unwrap_or_default()
}
