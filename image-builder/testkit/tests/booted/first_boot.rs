//! The power is cut while a new card boots for the first time: the partition table gets `data`, the
//! node file is taken, the relay's state begins.

use anyhow::{Context, Result, ensure};
use image_testkit::block;

use crate::OLD;
use crate::card::Card;
use crate::lab::{Lab, SERVING, cuts, first_seed};

/// Of the fifty that a night makes; an update has the others.
const CUTS: u64 = 24;
/// How often each cut is looked at with other sectors lost.
const SEEDS: u64 = 4;

#[test]
#[ignore = "boots a board two dozen times: cargo xtask nightly power"]
fn a_new_card_starts_wherever_its_first_boot_is_cut() -> Result<()> {
    let lab = Lab::open()?;
    let before = lab.card("before.img", OLD)?;
    let journal = lab.record(&before, |machine| {
        lab.served_by(machine)?;
        // The screen comes behind everything that is written.
        machine.console().wait_for(SERVING).map(drop)
    })?;

    // At every event: the two partition tables are never torn both, and what boots is not touched.
    let whole = Card::open(&before, &lab.tools)?;
    for label in ["BOOT-A", "root-a", "verity-a"] {
        let place = whole.place(label)?;
        let mut written = journal.written();
        let touched = written.find(|it| it.start < place.end && it.end > place.start);
        ensure!(touched.is_none(), "{label} is written to: {touched:?}");
    }
    let card = lab.path("card.img");
    block::copy(&before, &card)?;
    let (mut torn, mut unmade) = (0, 0);
    for event in 0..=journal.events_count() {
        for seed in first_seed()..first_seed() + SEEDS {
            block::replay(&card, &journal, event, seed)?;
            let left = Card::open(&card, &lab.tools);
            let left = left.with_context(|| format!("cut during event {event}, seed {seed}"))?;
            for label in ["CONFIG", "BOOT-A", "root-a", "verity-a"] {
                ensure!(left.place(label)? == whole.place(label)?, "{label} moved");
            }
            torn += usize::from(left.first_table_is_damaged);
            unmade += usize::from(!left.has("data"));
            block::undo(&card, &before, &journal)?;
        }
    }
    let events = journal.events_count();
    eprintln!("{events} events: first table torn {torn} times, no data {unmade} times");
    ensure!(unmade > 0, "no cut came before the table was written");

    lab.cut(&before, &journal, cuts(CUTS)?, |_, _, machine, _| {
        let slot = lab.served_by(machine)?;
        ensure!(slot == 'a', "slot {slot} serves");
        Ok("slot a serves".to_owned())
    })
}
