//! Updates with the power cut at every write: the board always comes back on a slot that works.
//!
//! The state machine runs against a model disk (`disk`) that loses what was not yet flushed, and
//! against simulators of the three boot chains (`chooser`), made from their documentation.

mod bundle;
mod chooser;
mod disk;

use std::collections::VecDeque;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tasuki_board::slot::{BootChain, Slot, SlotError, Slots, State, TRIES};

use self::chooser::Chooser;
use self::disk::{Content, Disk};

/// Power cycles after which a board must have settled.
const BOOTS_MAX: usize = 30;
/// More writes than two updates make, the boot chain's included.
const WRITES_MAX: usize = 48;
const SEEDS: u64 = 16;
const CHAINS: [BootChain; 3] = [BootChain::SdBoot, BootChain::UBoot, BootChain::TryBoot];

/// A board, and the images that are put on it one after the other.
struct Board {
    chain: BootChain,
    disk: Disk,
    chooser: Chooser,
    updates: VecDeque<Content>,
}

enum Outcome {
    /// The system runs, and has nothing left to do.
    Settled(Slot),
    /// A reboot, a watchdog's reset or a power cut.
    Again,
}

impl Board {
    fn new(chain: BootChain, updates: &[Content], cuts: Vec<usize>, seed: u64) -> Self {
        Self {
            chain,
            disk: Disk::new(chain, cuts, seed),
            chooser: Chooser::default(),
            updates: updates.iter().copied().collect(),
        }
    }

    /// One power cycle.
    fn boot(&mut self) -> Outcome {
        let Ok(slot) = self.chooser.choose(self.chain, &mut self.disk) else {
            return Outcome::Again;
        };
        match self.disk.content(slot) {
            Content::Works(_) => self.run(slot).unwrap_or(Outcome::Again),
            Content::Sick => {
                // A power cut may come before the gate gives up, and then it is tried again.
                let _ = Slots {
                    chain: self.chain,
                    volumes: &mut self.disk,
                    running: slot,
                }
                .give_up();
                Outcome::Again
            }
            // The watchdog bites, or the kernel panics: either way the boot chain is next.
            Content::Hangs | Content::Unfinished => Outcome::Again,
        }
    }

    /// What the services of a working system do.
    fn run(&mut self, running: Slot) -> Result<Outcome, SlotError> {
        let mut slots = Slots {
            chain: self.chain,
            volumes: &mut self.disk,
            running,
        };
        if slots.resume()?.is_some() {
            self.chooser.reboot_to_try();
            return Ok(Outcome::Again);
        }
        slots.mark_good()?;
        assert_eq!(slots.state()?.good, running, "marked good");
        // What a power cut interrupts is not begun anew.
        let Some(update) = self.updates.pop_front() else {
            return Ok(Outcome::Settled(running));
        };
        slots.withdraw()?;
        self.disk.write_slot(running.other(), update)?;
        let mut slots = Slots {
            chain: self.chain,
            volumes: &mut self.disk,
            running,
        };
        slots.try_other()?;
        if slots.resume()?.is_some() {
            self.chooser.reboot_to_try();
        }
        Ok(Outcome::Again)
    }

    /// Boots until nothing changes any more; returns the slot that runs then.
    fn settle(&mut self) -> Option<Slot> {
        (0..BOOTS_MAX).find_map(|_| match self.boot() {
            Outcome::Settled(slot) => Some(slot),
            Outcome::Again => None,
        })
    }
}

/// Settles, and holds that the board stays where it is.
fn settled(board: &mut Board, case: &str) -> Slot {
    let slot = board
        .settle()
        .unwrap_or_else(|| unreachable!("{case}: no slot serves"));
    assert!(
        matches!(board.disk.content(slot), Content::Works(_)),
        "{case}: slot {slot} serves"
    );
    for _ in 0..3 {
        assert_eq!(board.settle(), Some(slot), "{case}: stays");
    }
    slot
}

#[test]
fn a_working_update_is_taken_and_a_hanging_one_is_not() {
    for chain in CHAINS {
        let mut good = Board::new(chain, &[Content::Works(2)], Vec::new(), 1);
        assert_eq!(settled(&mut good, "good"), Slot::B, "{chain:?}");

        // A system that can say that it is not well needs no second try.
        for (content, tries) in [(Content::Hangs, 3), (Content::Sick, 1)] {
            let mut bad = Board::new(chain, &[content], Vec::new(), 1);
            assert_eq!(settled(&mut bad, "bad"), Slot::A, "{chain:?}");
            let slots = Slots {
                chain,
                volumes: &mut bad.disk,
                running: Slot::A,
            };
            let state = slots.state().expect("is readable");
            assert_eq!(state.tries_left, Some(0), "{chain:?}: says that it failed");
            let tried = bad.chooser.started(Slot::B);
            assert_eq!(tried, tries, "{chain:?}, {content:?}");
        }
    }
}

#[test]
fn an_old_system_comes_back_by_being_tried() {
    for chain in CHAINS {
        let mut board = Board::new(chain, &[Content::Works(2)], Vec::new(), 1);
        assert_eq!(settled(&mut board, "update"), Slot::B);
        let mut slots = Slots {
            chain,
            volumes: &mut board.disk,
            running: Slot::B,
        };
        slots.try_other().expect("is whole");
        assert_eq!(settled(&mut board, "back"), Slot::A, "{chain:?}");
    }
}

#[test]
fn a_slot_on_probation_cannot_begin_an_update() {
    for chain in CHAINS {
        let mut board = Board::new(chain, &[Content::Works(2)], Vec::new(), 1);
        let mut slots = Slots {
            chain,
            volumes: &mut board.disk,
            running: Slot::B,
        };
        assert!(matches!(
            slots.withdraw(),
            Err(SlotError::OnProbation { running: Slot::B })
        ));
    }
}

#[test]
fn after_a_power_cut_a_state_is_the_old_one_or_the_new_one() {
    for chain in CHAINS {
        for seed in 0..200 {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut disk = Disk::new(chain, Vec::new(), seed);
            disk.write_slot(Slot::B, Content::Works(2)).expect("no cut");
            let mut running = Slot::A;
            for step in 0..12 {
                let case = format!("{chain:?}, seed {seed}, step {step}");
                let old = state(chain, &mut disk, running);
                disk.cut_after(rng.gen_range(0..4));
                let mut slots = Slots {
                    chain,
                    volumes: &mut disk,
                    running,
                };
                // Either a try begins and is taken off, or the slot on probation proves itself.
                let (new, done) = match old.tries_left {
                    None | Some(0) => (Some(TRIES), slots.try_other()),
                    Some(_) => (None, Ok(())),
                };
                let expected = match new {
                    Some(_) => State {
                        tries_left: new,
                        ..old
                    },
                    None => {
                        running = old.good.other();
                        State {
                            good: running,
                            tries_left: None,
                        }
                    }
                };
                let done = done.and_then(|()| match new {
                    Some(_) => Ok(()),
                    None => Slots {
                        chain,
                        volumes: &mut disk,
                        running,
                    }
                    .mark_good(),
                });
                disk.power_on();
                let found = state(chain, &mut disk, running);
                // A kernel whose name is lost belongs to the slot that was not good.
                let lost = State {
                    tries_left: None,
                    ..old
                };
                let whole = found == expected || done.is_err() && found == old;
                let alive = chain == BootChain::SdBoot && done.is_err() && found == lost;
                assert!(
                    whole || alive,
                    "{case}: {old:?} -> {expected:?}: found {found:?}"
                );
                running = found.good;
                if alive && !whole {
                    break;
                }
            }
        }
    }
}

fn state(chain: BootChain, disk: &mut Disk, running: Slot) -> State {
    let slots = Slots {
        chain,
        volumes: disk,
        running,
    };
    slots.state().expect("is readable")
}

#[test]
fn a_power_cut_at_any_write_ends_on_a_slot_that_works() {
    const UPDATES: [[Content; 2]; 6] = [
        [Content::Sick, Content::Works(3)],
        [Content::Works(2), Content::Sick],
        [Content::Works(2), Content::Works(3)],
        [Content::Works(2), Content::Hangs],
        [Content::Hangs, Content::Works(3)],
        [Content::Hangs, Content::Hangs],
    ];
    let first: u64 = std::env::var("TASUKI_SIM_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(0);
    let mut cut = 0;
    for chain in CHAINS {
        for updates in UPDATES {
            for write in 0..WRITES_MAX {
                for seed in first..first + SEEDS {
                    let case = format!("{chain:?}, {updates:?}, write {write}, seed {seed}");
                    // Half of the cases are cut a second time, some writes later.
                    let mut rng = StdRng::seed_from_u64(seed);
                    let again = write + rng.gen_range(1..WRITES_MAX);
                    let cuts = if seed % 2 == 0 {
                        vec![write]
                    } else {
                        vec![write, again]
                    };
                    let mut board = Board::new(chain, &updates, cuts, seed);
                    let slot = settled(&mut board, &case);
                    let ran = board.disk.content(slot);
                    cut += usize::from(board.disk.was_cut());
                    if !board.disk.was_cut() && updates[1] == Content::Works(3) {
                        assert_eq!(ran, Content::Works(3), "{case}: the newest runs");
                    }
                    if updates == [Content::Hangs; 2] {
                        assert_eq!(ran, Content::Works(1), "{case}: nothing else works");
                    }
                }
            }
        }
    }
    println!("{cut} cases were cut");
    assert!(cut > 2_000, "only {cut} cases reached their cut");
}
