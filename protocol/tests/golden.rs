//! The bytes of version 1: agents and boards of the field speak exactly these.
//!
//! A difference here means that old peers stop understanding new ones. Where that is
//! intended (it needs a new protocol version), `TASUKI_BLESS=1` writes the files anew.

use std::fs;
use std::path::PathBuf;

use protocol::board_list::SignedBoardList;
use protocol::claim::SignedClaim;
use protocol::codec::{Reader, Wire};
use protocol::{outer, tunnel};

use crate::samples;

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Whether to write what was found instead of comparing with it.
pub(crate) fn bless() -> bool {
    std::env::var_os("TASUKI_BLESS").is_some()
}

/// Sixteen bytes a line.
pub(crate) fn dump(bytes: &[u8]) -> String {
    bytes
        .chunks(16)
        .map(|line| {
            let pairs: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
            pairs.join(" ") + "\n"
        })
        .collect()
}

fn undump(text: &str) -> Vec<u8> {
    let pairs = text.split_whitespace();
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).expect("two hexadecimal digits"))
        .collect()
}

#[test]
fn every_encoding_is_the_golden_one() {
    for sample in samples::all() {
        let path = folder().join(format!("{}.hex", sample.name));
        let found = dump(&sample.bytes);
        if bless() {
            fs::write(&path, &found).expect("writes");
        }
        let golden = fs::read_to_string(&path).expect(&sample.name);
        assert_eq!(found, golden, "{}", sample.name);
    }
}

#[test]
fn every_golden_file_decodes_to_its_sample() {
    let read = |name: &str| {
        let path = folder().join(format!("{name}.hex"));
        undump(&fs::read_to_string(path).expect(name))
    };
    for frame in samples::outer() {
        let bytes = read(&format!("outer-{}", samples::kebab(frame.name())));
        assert_eq!(outer::Frame::decode(&bytes), Ok(frame));
    }
    for frame in samples::tunnel() {
        let bytes = read(&format!("tunnel-{}", samples::kebab(frame.name())));
        assert_eq!(tunnel::Frame::decode(&bytes), Ok(frame));
    }
    let claim = read("claim");
    assert_eq!(
        SignedClaim::decode(&mut Reader::new(&claim)),
        Ok(samples::claim())
    );
    assert_eq!(
        SignedBoardList::from_bytes(&read("board-list")),
        Ok(samples::board_list())
    );
}

#[test]
fn no_golden_file_is_forgotten() {
    let entries = fs::read_dir(folder()).expect("is there");
    let mut files: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("reads")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    files.sort();
    let mut known: Vec<String> = samples::all()
        .iter()
        .map(|sample| format!("{}.hex", sample.name))
        // Text, which `node.rs`, `update.rs` and `announcement.rs` hold against the code.
        .chain(["announcement.toml", "node.toml", "update.toml"].map(str::to_owned))
        .collect();
    known.sort();

    assert_eq!(files, known);
}
