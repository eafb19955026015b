//! Which tapes are played by `cargo test`.

use std::fs;
use std::panic::{self, catch_unwind};
use std::path::Path;

use super::*;
use crate::seeds::{self, Random};

#[test]
fn every_seed_keeps_every_promise() {
    seeds::each("data::simulation", 1_000, |seed| {
        let tape = tape_of(seed);
        if let Err(broken) = catch_unwind(|| play(&tape)) {
            show(&shrink(tape));
            panic::resume_unwind(broken);
        }
    });
}

#[test]
fn seeds_lead_to_every_end() {
    let mut ends = EndReason::ALL.map(|_| 0);
    for seed in 0..1_000 {
        ends[play(&tape_of(seed)).index()] += 1;
    }

    assert!(ends.iter().all(|count| *count > 0), "{ends:?}");
}

#[test]
fn two_busy_directions_take_turns() {
    let mut play = Play::new(DataPath::Copy);
    for leg in [Leg::Client, Leg::Host] {
        play.world.socket(leg).peer_sends(1 << 20, false);
        play.world.socket(leg).peer_reads(1 << 20);
    }

    assert_eq!(play.visit(1_000), Visit::More);

    let share = u64::try_from(limits::ROUNDS_PER_VISIT).unwrap() * 1_000;
    assert_eq!(play.world.client.written, share);
    assert_eq!(play.world.host.written, share);
}

/// What the fuzzer found interesting.
#[test]
fn every_corpus_file_keeps_every_promise() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/session");
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        play(&fs::read(entry.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files > 0, "there is no corpus");
}

/// Half of the sessions are left alone, or none would grow old.
fn tape_of(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let calm = random.one_in(2);
    let steps = 1 + random.below(400);
    let mut tape = random.bytes(1 + STEP * usize::try_from(steps).unwrap());
    if calm {
        for kind in tape.iter_mut().skip(1).step_by(STEP) {
            *kind %= step::FIRST_THAT_ENDS;
        }
    }
    tape
}

/// Leaves out all steps that the failure does not need.
fn shrink(mut tape: Vec<u8>) -> Vec<u8> {
    // Its many failures would bury the one that is shown.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let fails = |tape: &[u8]| catch_unwind(|| play(tape)).is_err();
    let mut steps = tape.len() / STEP;
    while steps > 0 {
        let mut at = 1;
        while at < tape.len() {
            let mut shorter = tape.clone();
            shorter.drain(at..tape.len().min(at + steps * STEP));
            if fails(&shorter) {
                tape = shorter;
            } else {
                at += steps * STEP;
            }
        }
        steps /= 2;
    }
    panic::set_hook(hook);
    tape
}

fn show(tape: &[u8]) {
    let (path, rest) = tape.split_first().unwrap();
    eprintln!("the steps that it takes, {:?}:", path_of(*path));
    for step in rest.as_chunks::<STEP>().0 {
        eprintln!("  {:?}", Step::of(*step));
    }
}
