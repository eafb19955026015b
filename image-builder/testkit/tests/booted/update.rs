//! A signed update comes from the card into the other slot: it runs, it fails and the old system
//! comes back, or the power is cut anywhere in it.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use image_testkit::Disk;
use image_testkit::block::{self, Journal};

use crate::bad_slot::{Fault, System};
use crate::card::Card;
use crate::lab::{GOOD, Lab, SERVING, cuts, first_seed, said};
use crate::{NEW, OLD};

/// Of the fifty that a night makes; the first boot has the others.
const CUTS: u64 = 26;
/// Each cut that leaves the old system is watched to its end only sometimes: it has all of the
/// update before it again.
const WATCHED: u64 = 6;
/// Of the hundreds of writes of the root, which nothing looks at before all of it is there.
const BULK_STEP: usize = 16;
/// How often each cut is looked at with other sectors lost.
const SEEDS: u64 = 2;

#[test]
#[ignore = "boots a board five times: cargo xtask nightly slots"]
fn an_update_runs_and_one_that_fails_gives_the_old_system_back() -> Result<()> {
    let lab = Lab::open()?;
    let path = lab.card("card.img", OLD)?;
    lab.order(&path, &lab.bundle(NEW)?)?;

    let mut machine = lab.machine(Disk::file(&path))?;
    machine.console().wait_for(GOOD)?;
    ensure!(lab.served_by(&mut machine)? == 'b', said(&machine));
    let screen = format!("image    {NEW}");
    ensure!(machine.console().text().contains(&screen), said(&machine));
    drop(machine);
    let kernels = Card::open(&path, &lab.tools)?.kernels("BOOT-B")?;
    ensure!(kernels == ["tasuki-000002.efi"], "{kernels:?}");

    // A version behind it, whose relay never comes up.
    let mut system = System::of(&lab.bundle(NEW)?)?;
    system.spoil(&lab, &Fault::Words("systemd.mask=tasuki-relay.service"))?;
    let bundle = lab.path("bad.update");
    system.bundle(&lab, "1.0.2", &bundle)?;
    lab.order(&path, &bundle)?;
    let mut machine = lab.machine(Disk::file(&path))?;
    // The old system, which installs it; the new one; the old one again.
    machine.console().wait_for("slot b on")?;
    machine.console().wait_for("slot a on")?;
    machine.console().wait_for("slot b on")?;
    let told = [SERVING, "has failed on this board", "Multi-User System"];
    machine.console().wait_for_all(&told)?;
    ensure!(lab.served_by(&mut machine)? == 'b', said(&machine));
    let told = said(&machine);
    drop(machine);
    // The operator's own file is as it was, and what went wrong lies beside it.
    let error = Card::open(&path, &lab.tools)?.file("CONFIG", "ERROR.txt")?;
    let error = String::from_utf8(error)?;
    ensure!(
        error.contains("has failed on this board"),
        "{error}\n{told}"
    );
    eprintln!("{error}");
    Ok(())
}

#[test]
#[ignore = "boots a board several dozen times: cargo xtask nightly power"]
fn a_board_serves_wherever_its_update_is_cut() -> Result<()> {
    let lab = Lab::open()?;
    let before = lab.card("before.img", OLD)?;
    // Its first boot is over.
    let mut machine = lab.machine(Disk::file(&before))?;
    lab.served_by(&mut machine)?;
    machine.console().wait_for("Multi-User System")?;
    drop(machine);
    lab.order(&before, &lab.bundle(NEW)?)?;
    let journal = lab.record(&before, |machine| {
        machine.console().wait_for(GOOD)?;
        ensure!(lab.served_by(machine)? == 'b', said(machine));
        Ok(())
    })?;

    let startable = at_every_event(&lab, &before, &journal)?;

    lab.cut(&before, &journal, cuts(CUTS)?, |seed, event, machine, _| {
        let slot = lab.served_by(machine)?;
        if slot == 'b' {
            return Ok("the new system serves".to_owned());
        }
        ensure!(
            event <= startable.start || machine.console().text().contains("slot b on"),
            "the old system serves, though the new one was whole:\n{}",
            said(machine)
        );
        if !seed.is_multiple_of(WATCHED) {
            return Ok("the old system serves".to_owned());
        }
        machine.console().wait_for("slot b on")?;
        ensure!(lab.served_by(machine)? == 'b', said(machine));
        Ok("the old system serves, then the new one".to_owned())
    })
}

/// Looks at the card after each cut with a model of the boot chain: the old system is never touched,
/// and the new one cannot be started before all of it is there. Returns the events after which it
/// can be.
fn at_every_event(lab: &Lab, before: &Path, journal: &Journal) -> Result<Range<usize>> {
    let whole = Card::open(before, &lab.tools)?;
    let (old_root, old_tree) = (whole.place("root-a")?, whole.place("verity-a")?);
    for place in [&old_root, &old_tree] {
        let mut written = journal.written();
        let touched = written.find(|it| it.start < place.end && it.end > place.start);
        ensure!(touched.is_none(), "slot a is written to: {touched:?}");
    }
    let old_kernel = whole.file("BOOT-A", "EFI/Linux/tasuki-000001.efi")?;
    let card = lab.path("card.img");
    block::copy(before, &card)?;
    let last = journal.events_count();
    let new = System::of(&lab.bundle(NEW)?)?;
    let root = whole.place("root-b")?;
    let is_bulk = |event: usize| {
        let write = journal.write(event);
        write.is_none_or(|write| write.start >= root.start && write.end <= root.end)
    };
    let (mut looks, mut starts) = (0, 0);
    let mut first = last;
    for event in (0..=last).filter(|event| !is_bulk(*event) || event % BULK_STEP == 0) {
        for seed in first_seed()..first_seed() + SEEDS {
            let case = || format!("cut during event {event}, seed {seed}");
            block::replay(&card, journal, event, seed)?;
            let left = Card::open(&card, &lab.tools).with_context(case)?;
            let old = left.kernels("BOOT-A").with_context(case)?;
            let kernel = left.file("BOOT-A", &format!("EFI/Linux/{}", old.join(" ")));
            ensure!(
                kernel.with_context(case)? == old_kernel,
                "{}: {old:?}",
                case()
            );
            // A partition that cannot be read has no kernel that could be started.
            let kernels = left.kernels("BOOT-B").unwrap_or_default();
            // Nor has an empty file: systemd-boot passes over what is no kernel.
            let is_there = |name: &String| {
                let file = left.file("BOOT-B", &format!("EFI/Linux/{name}"));
                file.is_ok_and(|file| !file.is_empty())
            };
            if kernels.iter().any(|name| may_start(name) && is_there(name)) {
                let is_whole = new.is_in_slot_b(lab, &left);
                is_whole.with_context(|| format!("{}: {kernels:?} may start", case()))?;
                starts += 1;
                first = first.min(event);
            } else {
                // Neither the firmware nor the board gives its name up before it has the next one.
                let was_flushed = (first..event).any(|it| journal.write(it).is_none());
                ensure!(
                    !was_flushed,
                    "{}: slot b has lost its kernel: {kernels:?}",
                    case()
                );
            }
            looks += 1;
            block::undo(&card, before, journal)?;
        }
    }
    eprintln!("{last} events, {looks} cuts looked at: after {starts} the new system may start");
    ensure!(starts > 0 && starts < looks, "the model sees no difference");
    Ok(first..last)
}

/// Whether systemd-boot takes it before one without tries.
fn may_start(kernel: &str) -> bool {
    let stem = kernel.trim_end_matches(".efi");
    let tries = stem.split_once('+').map(|(_, tries)| tries);
    tries.is_none_or(|tries| !tries.starts_with('0'))
}
