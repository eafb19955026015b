//! The head of an update bundle as boards in the field read it: its bytes never change.

use std::fs;

use protocol::file::update::{Head, Manifest, Order, Part, Piece, Sha256};
use protocol::secret::Secret;
use protocol::sign::SigningKey;

use crate::golden;

fn part(length: u64, seeds: &[u8]) -> Part {
    let piece = |seed: &u8| Piece {
        stored: 1_000 + u32::from(*seed),
        sha256: Sha256([*seed; 32]),
    };
    Part {
        length,
        sha256: Sha256([0x0f; 32]),
        pieces: seeds.iter().map(piece).collect(),
    }
}

fn manifest() -> Manifest {
    Manifest {
        board: "vm-x86-64".into(),
        version: "0.2.0-rc.1".parse().expect("a version"),
        root_hash: Sha256([0x0a; 32]),
        order: Order {
            generation: 3,
            expires: 1_800_000_000,
            downgrade: true,
        },
        root: part(2_097_152, &[1, 2]),
        verity: part(4_096, &[3]),
        boot: part(1_049_088, &[4, 5]),
    }
}

#[test]
fn a_signed_manifest_is_the_golden_one_and_comes_back() {
    let key = SigningKey::from_seed(&Secret::new([6; 32])).expect("a seed");
    let path = golden::folder().join("update.toml");
    let corpus = golden::folder().join("../../fuzz/corpus/update");
    if golden::bless() {
        fs::write(&path, manifest().to_signed_text(&key)).expect("writes");
        fs::create_dir_all(&corpus).expect("a folder");
        fs::write(corpus.join("signed"), manifest().to_signed_text(&key)).expect("writes");
        fs::write(corpus.join("unsigned"), manifest().to_unsigned_text()).expect("writes");
    }
    let golden = fs::read_to_string(&path).expect("is there");

    assert_eq!(manifest().to_signed_text(&key), golden);
    let head = Head::find(golden.as_bytes())
        .expect("is one")
        .expect("is whole");
    assert_eq!(head.open(&key.public_key()), Ok(manifest()));
}
