//! What a power cut leaves on a card. Pure.
//!
//! A write that was flushed, or that asked to be on the card before it was answered, is there.
//! Of the others each is there, gone, or there in some of its sectors; and of two of them to one
//! sector the older may win, because a card writes in the order that suits it.

use std::collections::BTreeMap;
use std::ops::Range;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::SECTOR;
use super::journal::{Event, Piece, Write};

/// What is to be written to the card as it was before the first event, in order.
///
/// The power goes during the event of this index: those before it were answered, it was not.
pub(super) fn survivors(events: &[Event], cut: usize, seed: u64) -> Vec<Piece> {
    let answered = events.get(..cut).unwrap_or(events);
    let flushed = answered
        .iter()
        .rposition(|event| matches!(event, Event::Flush))
        .unwrap_or(0);
    let (safe, pending) = answered.split_at(flushed);
    let safe = safe.iter().filter_map(Event::write).map(Write::whole);
    let mut pending: Vec<Write> = pending.iter().filter_map(Event::write).copied().collect();
    let begun = events.get(cut).and_then(Event::write);
    pending.extend(begun.map(|write| Write {
        forced: false,
        ..*write
    }));
    safe.chain(of_unflushed(&pending, seed)).collect()
}

/// Which sectors of which of these writes are on the card.
fn of_unflushed(pending: &[Write], seed: u64) -> Vec<Piece> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut on_card: BTreeMap<u64, usize> = BTreeMap::new();
    for (index, write) in pending.iter().enumerate().filter(|(_, it)| it.forced) {
        on_card.extend(write.sectors().map(|sector| (sector, index)));
    }
    let forced = on_card.clone();
    let mut order: Vec<usize> = (0..pending.len()).collect();
    order.shuffle(&mut rng);
    for index in order {
        let Some(write) = pending.get(index).filter(|write| !write.forced) else {
            continue;
        };
        let kept = kept(write.sectors(), &mut rng);
        // INVARIANT: nothing that is older than a forced write takes its place.
        let kept = kept.filter(|sector| forced.get(sector).is_none_or(|newer| *newer < index));
        on_card.extend(kept.map(|sector| (sector, index)));
    }
    let pieces = on_card.iter().filter_map(|(sector, index)| {
        let write = pending.get(*index)?;
        Some(write.part(*sector * SECTOR..(*sector + 1) * SECTOR))
    });
    pieces.collect()
}

/// A third of the writes is kept, a third lost, a third torn: each sector for itself.
fn kept(sectors: Range<u64>, rng: &mut StdRng) -> Box<dyn Iterator<Item = u64> + '_> {
    match rng.gen_range(0..3) {
        0 => Box::new(sectors),
        1 => Box::new(std::iter::empty()),
        _ => Box::new(sectors.filter(|_| rng.r#gen())),
    }
}
