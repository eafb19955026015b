//! The systems that a board is given, a few sectors each, as bundles.

use std::cell::RefCell;
use std::collections::BTreeMap;

use protocol::file::update::{Manifest, Order, Part, Piece, Sha256};
use tasuki_board::update::install::Place;

use super::disk::Content;

const SECTOR: usize = 512;

/// What lies in the partitions of a slot.
pub(crate) type Parts = BTreeMap<Place, Vec<u8>>;
pub(crate) type Bundle = (Manifest, Vec<u8>);

/// Every sector of every system is another one; a slot without a system is zeros.
pub(crate) fn parts(content: Content) -> Parts {
    let tag = match content {
        Content::Unfinished => 0,
        Content::Hangs => 1,
        Content::Sick => 3,
        Content::Works(version) => 2 * u8::try_from(version).expect("small"),
    };
    [(Place::Root, 5), (Place::Verity, 2), (Place::Boot, 3)]
        .into_iter()
        .map(|(place, sectors)| {
            let sector = |number: u8| [tag * (16 + number); SECTOR];
            let sectors: Vec<_> = (0..sectors).map(sector).collect();
            (place, sectors.concat())
        })
        .collect()
}

/// The bundle of a system: its manifest, and the pieces behind it.
pub(crate) fn bundle(content: Content) -> Bundle {
    thread_local! {
        // Thousands of boards are given the same few systems.
        static MADE: RefCell<BTreeMap<Content, Bundle>> = RefCell::default();
    }
    MADE.with_borrow_mut(|made| made.entry(content).or_insert_with(|| make(content)).clone())
}

fn make(content: Content) -> Bundle {
    let parts = parts(content);
    let mut pieces = Vec::new();
    let [root, verity, boot] = Place::ALL.map(|place| {
        let bytes = &parts[&place];
        let stored = zstd::bulk::compress(bytes, 1).expect("packs");
        let piece = Piece {
            stored: u32::try_from(stored.len()).expect("small"),
            sha256: Sha256::of(&stored),
        };
        pieces.extend(stored);
        Part {
            length: u64::try_from(bytes.len()).expect("small"),
            sha256: Sha256::of(bytes),
            pieces: vec![piece],
        }
    });
    let manifest = Manifest {
        board: "virt".into(),
        version: "0.2.0".parse().expect("a version"),
        root_hash: Sha256([0; 32]),
        order: Order::default(),
        root,
        verity,
        boot,
    };
    (manifest, pieces)
}
