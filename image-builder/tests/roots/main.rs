//! The real roots of all boards, from Debian's packages: their layout is the one agreed on, and what
//! the board files name is there.
//!
//! Paths, modes and owners count, contents do not: those are what the lock file pins.
//! `TASUKI_BLESS=1` writes the golden file anew; `tasuki image contents --board BOARD` shows what is
//! behind a line of it.

#![expect(
    clippy::unwrap_used,
    reason = "clippy does not see that all of this file is a test"
)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use image_builder::board::Board;
use image_builder::identity::Hash;
use image_builder::package::{Deb, Lock, Locked, Part, Store};
use image_builder::root::{self, Built, Kind, Program, Tree};
use image_builder::workplace::Workplace;

const GOLDEN: &str = "tests/golden/roots.txt";
const PROGRAMS: [Program<'_>; 2] = [("usr/bin/tasuki-relay", b""), ("usr/bin/tasuki-board", b"")];

#[test]
#[ignore = "fetches Debian's packages where they are not in the cache; nothing else in cargo test asks a network"]
fn the_layout_of_every_board_is_the_one_that_was_agreed_on() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workplace = Workplace::new(Some(here.join("..")), None, false).unwrap();
    let tools = workplace.tools().unwrap();
    let mut found = String::new();
    for board in workplace.all_boards().unwrap() {
        let lock = workplace.lock(board.architecture).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let tool = |name: &str| tools.call(name);
        let (work, place) = (&workplace, folder.path());
        let built = root::build(work, tool, &board, &lock, "1", &PROGRAMS, place).unwrap();
        everything_named_is_there(&board, &built);
        let layout = layout(&built.root);
        let packages = packages_in(&built.root, &board, &lock, &workplace.store().unwrap());
        assert_eq!(packages, built.present, "{}", board.name);
        let (count, hash) = (layout.lines().count(), Hash::of(layout.as_bytes()));
        writeln!(found, "{} {count} {hash}", board.name).unwrap();
    }

    let golden = here.join(GOLDEN);
    if std::env::var_os("TASUKI_BLESS").is_some() {
        fs::write(&golden, &found).unwrap();
    }
    assert_eq!(found, fs::read_to_string(golden).unwrap());
}

/// The packages of which a file is in the tree, to the byte, or a link, or in a boot partition; found without
/// knowing how the tree was made.
fn packages_in(tree: &Tree, board: &Board, lock: &Lock, store: &Store) -> BTreeSet<String> {
    let files: BTreeSet<Hash> = tree
        .walk()
        .filter_map(|(_, entry)| match &entry.kind {
            Kind::File(content) if !content.is_empty() => Some(Hash::of(content)),
            Kind::File(_) | Kind::Folder | Kind::Link(_) => None,
        })
        .collect();
    // Its bytes are among others' in one file.
    let is_part = |content: &[u8]| {
        let all = tree.read("etc/ssl/certs/ca-certificates.crt").unwrap();
        all.windows(content.len()).any(|window| window == content)
    };
    let found = |package: &Locked| {
        let deb = Deb::read(&store.read(package).unwrap(), |_| true).unwrap();
        deb.data.iter().any(|(path, entry)| match &entry.kind {
            Kind::File(content) if path.ends_with(".crt") => is_part(content),
            Kind::File(content) => files.contains(&Hash::of(content)),
            Kind::Link(_) => tree.get(path).is_some_and(|it| it.kind == entry.kind),
            Kind::Folder => false,
        })
    };
    lock.of_board(board)
        .filter(|package| {
            // Its masters become lines of /etc/passwd.
            package.part == Part::Boot || package.name == "base-passwd" || found(package)
        })
        .map(|package| package.name.clone())
        .collect()
}

/// Modules are looked for when the root is built; these are the other names of a board file.
fn everything_named_is_there(board: &Board, built: &Built) {
    let name = &board.name;
    let raw = board.boot.raw.iter().map(|raw| &raw.path);
    for path in board.boot.firmware.iter().chain(raw) {
        assert!(built.firmware.read(path).is_ok(), "{name}: {path}");
    }
    for path in &board.boot.device_trees {
        let place = format!("usr/lib/linux-image-{}/{path}", built.kernel_version);
        let tree = built.kernel.read(&place).unwrap();
        let says = |word: &str| {
            let word = format!("{word}\0");
            tree.windows(word.len()).any(|it| it == word.as_bytes())
        };
        // The kernel calls an LED by its label or its node.
        let led = board.hardware.led.as_deref().unwrap_or_default();
        assert!(says(led), "{path} has no LED {led}");
        // systemd calls the first one so.
        assert_eq!(board.network.interface, "end0", "{name}");
        assert!(says("ethernet0"), "{path} does not say which is the first");
    }
}

fn layout(tree: &Tree) -> String {
    let mut text = String::new();
    for (path, entry) in tree.walk() {
        let target = match &entry.kind {
            Kind::Link(target) => target,
            Kind::Folder => "/",
            Kind::File(_) => "",
        };
        let (mode, uid, gid) = (entry.mode, entry.uid, entry.gid);
        writeln!(text, "{path} {mode:o} {uid} {gid} {target}").unwrap();
    }
    text
}
