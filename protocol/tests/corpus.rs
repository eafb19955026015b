//! What the fuzzers start from and what they found, replayed without a fuzzer.
//!
//! The corpus lies in `fuzz/corpus/TARGET`; `TASUKI_BLESS=1` adds the golden samples to it.

use std::fs;
use std::path::PathBuf;

use protocol::board_list::SignedBoardList;
use protocol::claim::SignedClaim;
use protocol::codec::{Reader, Wire};
use protocol::file::announcement::Announcement;
use protocol::file::entry::Entry;
use protocol::file::node::NodeFile;
use protocol::file::update::Head;
use protocol::{outer, tunnel};

use crate::{golden, samples};

/// What the fuzz target of that name does with its input.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 7] = [
    ("outer_frame", |bytes| {
        if let Ok(frame) = outer::Frame::decode(bytes) {
            assert_eq!(frame.encode().expect("fits"), bytes);
        }
    }),
    ("tunnel_frame", |bytes| {
        if let Ok(frame) = tunnel::Frame::decode(bytes) {
            let mut buffer = vec![0; tunnel::FRAME_MAX];
            let length = frame.encode(&mut buffer).expect("fits");
            assert_eq!(&buffer[..length], bytes);
        }
    }),
    ("claim", |bytes| {
        let mut reader = Reader::new(bytes);
        if let Ok(claim) = SignedClaim::decode(&mut reader)
            && reader.finish().is_ok()
        {
            assert_eq!(samples::encoded(&claim), bytes);
        }
    }),
    ("board_list", |bytes| {
        if let Ok(list) = SignedBoardList::from_bytes(bytes) {
            assert_eq!(list.to_bytes().expect("fits"), bytes);
        }
    }),
    ("file", |bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            let _ = Entry::parse_unverified(text);
            let _ = NodeFile::parse(text);
        }
    }),
    ("update", |bytes| {
        if let Ok(Some(head)) = Head::find(bytes)
            && let Ok(manifest) = head.parse_unverified()
        {
            let text = manifest.to_unsigned_text();
            let again = Head::find(text.as_bytes())
                .expect("is one")
                .expect("is whole");
            assert_eq!(again.parse_unverified(), Ok(manifest));
        }
    }),
    ("announcement", |bytes| {
        if let Ok(read) = Announcement::parse_unverified(bytes) {
            let signature = "A".repeat(86);
            let text = format!("{}signature = \"{signature}==\"\n", read.to_text());
            let again = Announcement::parse_unverified(text.as_bytes());
            assert_eq!(again, Ok(read));
        }
    }),
];

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target)
}

/// Which target a golden sample feeds.
fn target_of(sample: &str) -> &'static str {
    match sample.split_once('-') {
        Some(("outer", _)) => "outer_frame",
        Some(("tunnel", _)) => "tunnel_frame",
        Some(("board", _)) => "board_list",
        Some(_) | None => "claim",
    }
}

#[test]
fn every_corpus_file_passes_its_target() {
    if golden::bless() {
        for sample in samples::all() {
            let path = folder(target_of(&sample.name)).join(&sample.name);
            fs::write(path, &sample.bytes).expect("writes");
        }
    }
    for (name, target) in TARGETS {
        let mut files = 0;
        for entry in fs::read_dir(folder(name)).expect(name) {
            let bytes = fs::read(entry.expect("reads").path()).expect("reads");
            target(&bytes);
            files += 1;
        }
        assert!(files > 0, "{name} has no corpus");
    }
}

#[test]
fn every_golden_sample_is_in_the_corpus() {
    for sample in samples::all() {
        let path = folder(target_of(&sample.name)).join(&sample.name);
        assert_eq!(fs::read(path).expect(&sample.name), sample.bytes);
    }
}

#[test]
fn every_fuzz_target_is_replayed_here() {
    let manifest = fs::read_to_string(folder("..").join("Cargo.toml")).expect("a manifest");
    let names: Vec<&str> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"targets/"))
        .filter_map(|rest| rest.strip_suffix(".rs\""))
        .collect();

    assert_eq!(names, TARGETS.map(|(name, _)| name));
}
