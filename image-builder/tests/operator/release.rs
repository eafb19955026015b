//! What an operator does with a release, and nothing else at hand: no checkout, no tools.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image_builder::assemble::Assembled;
use image_builder::board::{self, Board};
use image_builder::disk::fat;
use image_builder::disk::image::Bytes;
use image_builder::disk::plan::{Content, Parts, Plan};
use image_builder::identity::{Hash, Seed};
use image_builder::manifest::Inputs;
use image_builder::progress::Progress;
use image_builder::release::{self, Papers};
use image_builder::verity::{self, BLOCK};

use crate::shell::Shell;

const FOLDER: &str = "tasuki-virt-1.0.0";
const IMAGE: &str = "tasuki-virt-1.0.0/tasuki-virt-1.0.0.img.zst";

const MIB: usize = 1 << 20;
/// `virt` with partitions that a test writes in no time.
const SMALL: &str = "inherit = \"virt\"\ntitle = \"Small\"\n[disk]\nfirst_mib = 1\n\
    config_mib = 12\nboot_mib = 1\nroot_mib = 1\nhash_mib = 1\n";

fn small_board() -> Board {
    let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards");
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["common", "uefi", "virt"] {
        let name = format!("{name}.toml");
        fs::copy(boards.join(&name), folder.path().join(&name)).expect("copies");
    }
    fs::write(folder.path().join("small.toml"), SMALL).expect("writes");
    board::load(folder.path(), "small").expect("a board")
}

/// A file system like that of `CONFIG`.
fn config(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    let options = fatfs::FormatVolumeOptions::new();
    fatfs::format_volume(Cursor::new(&mut bytes), options).expect("a file system");
    fat::put(&mut bytes, "README.txt", b"read me").expect("takes it");
    bytes
}

/// Writes a small release; `root` is what its root is filled with.
fn write(folder: &Path, root: u8) {
    let board = small_board();
    let mut inputs = Inputs::default();
    inputs.add("program", "tasuki-relay", "", Hash::of(&[root]));
    let seed: Seed = inputs.seed();
    let root = vec![root; 4 * BLOCK];
    let tree = verity::hash_tree(&root, &[1; 32], seed.uuid("verity")).expect("a tree");
    let bytes = Bytes {
        config: config(usize::try_from(board.disk.config).expect("fits")),
        root,
        verity: tree.bytes,
        ..Bytes::default()
    };
    let parts = Parts {
        config: Content::of(&bytes.config),
        boot_a: Content::of(&bytes.boot_a),
        boot_b: Content::of(&bytes.boot_b),
        root: Content::of(&bytes.root),
        verity: Content::of(&bytes.verity),
        raw: Vec::new(),
    };
    let assembled = Assembled {
        plan: Plan::new(&board, &seed, &parts).expect("a plan"),
        bytes,
        root_hash: tree.root,
        update: vec![9; 512],
    };
    let papers = Papers {
        board: "virt",
        version: "1.0.0",
        inputs: &inputs,
        sbom: "{}\n".to_owned(),
        recipe: serde_json::Value::Null,
    };
    release::write(&assembled, &papers, folder, &Progress::quiet()).expect("writes");
}

/// The image, unpacked.
fn unpack(shell: &Shell, to: &str) -> Vec<u8> {
    let compressed = fs::read(shell.path(IMAGE)).expect("an image");
    let plain = zstd::decode_all(Cursor::new(compressed)).expect("unpacks");
    fs::write(shell.path(to), &plain).expect("writes");
    plain
}

#[test]
fn a_release_is_looked_at_and_proven_without_a_checkout() {
    let shell = Shell::new();
    write(&shell.path(FOLDER), 7);

    let seen = shell.told(&format!("image inspect {FOLDER}"));
    assert!(
        seen.starts_with("By its manifest: tasuki 1.0.0 for virt.\n"),
        "{seen}"
    );
    for line in [
        "1   CONFIG    1 MiB        12 MiB       FAT\n",
        "2   BOOT-A    13 MiB       1 MiB        empty\n",
        "4   root-a    15 MiB       1 MiB        root hash ",
        "6   root-b    17 MiB       1 MiB        empty\n",
    ] {
        assert!(seen.contains(line), "{seen}");
    }
    for image in [FOLDER, IMAGE] {
        let proven = shell.told(&format!("image verify {image}"));
        assert!(proven.contains("tasuki 1.0.0 for virt"), "{proven}");
        assert!(proven.contains("brings the same root"), "{proven}");
    }
    let same = shell.told(&format!("image diff {FOLDER} {FOLDER}"));
    assert_eq!(same, "the same\n");

    let refused = shell.refused(&format!("image verify --rebuild {FOLDER}"));
    assert!(refused.contains("is in no checkout of tasuki"), "{refused}");
    let refused = shell.refused("image build --board virt");
    assert!(refused.contains("--source"), "{refused}");
}

#[test]
fn an_update_that_is_not_the_images_is_named() {
    let shell = Shell::new();
    write(&shell.path(FOLDER), 7);
    write(&shell.path("other"), 8);
    let name = "tasuki-virt-1.0.0.update";
    let update = shell.path(&format!("{FOLDER}/{name}"));
    fs::copy(shell.path(&format!("other/{name}")), &update).expect("copies");
    let refused = shell.refused(&format!("image verify {FOLDER}"));
    assert!(
        refused.contains("tasuki-virt-1.0.0.update is another image's"),
        "{refused}"
    );

    fs::write(&update, "nonsense").expect("writes");
    assert!(
        shell
            .refused(&format!("image verify {FOLDER}"))
            .contains("tasuki-virt-1.0.0.update: ")
    );
    fs::remove_file(&update).expect("removes");
    let proven = shell.told(&format!("image verify {FOLDER}"));
    assert!(!proven.contains("update"), "{proven}");
}

#[test]
fn the_part_that_is_not_as_the_manifest_says_is_named() {
    let shell = Shell::new();
    write(&shell.path(FOLDER), 7);
    let plain = unpack(&shell, "plain.img");
    let manifest = shell.read(&format!("{FOLDER}/manifest.json"));
    fs::write(shell.path("manifest.json"), manifest).expect("writes");
    assert!(shell.told("image verify plain.img").contains("root hash"));

    let root = root_offset(&plain);
    for (at, names) in [
        // The name of a partition, whose bytes the table's checksum covers.
        (1024 + 56, "the partition table"),
        (MIB + 5, "CONFIG has the hash"),
        (MIB - 1, "what should be empty between the parts"),
        (root, "root-a has the hash"),
        (root, "does not fit its hash tree"),
    ] {
        let mut flipped = plain.clone();
        flipped[at] ^= 1;
        fs::write(shell.path("plain.img"), &flipped).expect("writes");

        let refused = shell.refused("image verify plain.img");

        assert!(refused.contains(names), "byte {at}: {refused}");
    }
    fs::write(shell.path("plain.img"), &plain).expect("writes");
    fs::write(shell.path("sbom.json"), "{ }\n").expect("writes");
    let refused = shell.refused("image verify plain.img");
    assert!(
        refused.contains("sbom.json is another image's"),
        "{refused}"
    );
}

/// Where the root's bytes begin.
fn root_offset(plain: &[u8]) -> usize {
    let content = [7; 4 * BLOCK];
    let mut places = plain.chunks(BLOCK).enumerate();
    let (number, _) = places
        .find(|(_, block)| content.starts_with(block))
        .expect("the root is there");
    number * BLOCK
}

#[test]
fn two_releases_differ_by_the_input_that_was_changed() {
    let shell = Shell::new();
    write(&shell.path("one"), 7);
    write(&shell.path("other"), 8);

    let output = shell.tasuki("image diff one other", None);

    let said = crate::shell::text(&output.stdout);
    assert!(!output.status.success());
    assert!(said.contains("input program tasuki-relay"), "{said}");
    let parts: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("part ")?.split_once(": "))
        .map(|(part, _)| part)
        .collect();
    assert_eq!(parts, ["root-a", "verity-a"], "{said}");
}

#[test]
fn a_card_gets_the_image_and_its_node_file_without_a_checkout() {
    let shell = Shell::with_deployment();
    shell.done("node add tokyo-1 --address a:443 --lone");
    write(&shell.path(FOLDER), 7);

    let said = shell.told(&format!(
        "card flash {FOLDER} card.img --node tokyo-1.node.toml"
    ));
    assert!(said.contains("It is a secret now"), "{said}");
    let node = "--node tokyo-1.node.toml";
    shell.told(&format!("card verify {IMAGE} card.img {node}"));

    let card = fs::read(shell.path("card.img")).expect("a card");
    let config = card[MIB..13 * MIB].to_vec();
    let volume = fatfs::FileSystem::new(Cursor::new(config), fatfs::FsOptions::new());
    let volume = volume.expect("a file system");
    let names: Vec<String> = volume
        .root_dir()
        .iter()
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(names, ["README.txt", "node.toml"]);
    let refused = shell.refused(&format!("card verify {IMAGE} card.img"));
    assert!(
        refused.contains("of CONFIG") && refused.contains("--node"),
        "{refused}"
    );
    let refused = shell.refused(&format!(
        "card flash {FOLDER} x.img --node {FOLDER}/manifest.json"
    ));
    assert!(refused.contains("manifest.json"), "{refused}");
}
