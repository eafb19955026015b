use std::path::Path;

use super::*;
use crate::board;
use crate::disk::{gpt, image, mbr, read};
use crate::exec::Shell;

fn boards() -> Vec<Board> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards");
    let names = board::names(&folder).unwrap();
    names
        .iter()
        .map(|name| board::load(&folder, name).unwrap())
        .collect()
}

fn board(name: &str) -> Board {
    boards().into_iter().find(|b| b.name == name).unwrap()
}

fn seed() -> Seed {
    Seed::new(Hash::of(b"golden"))
}

/// Contents of made-up sizes.
fn parts(board: &Board) -> Parts {
    let content = |length: u64, text: &str| Content {
        length,
        hash: Hash::of(text.as_bytes()),
    };
    Parts {
        config: content(board.disk.config, "config"),
        boot_a: content(board.disk.boot, "boot a"),
        boot_b: content(board.disk.boot, "boot b"),
        root: content(60 << 20, "root"),
        verity: content(500 << 10, "verity"),
        raw: board
            .boot
            .raw
            .iter()
            .map(|_| content(1 << 20, "raw"))
            .collect(),
    }
}

#[test]
fn every_board_has_the_plan_that_was_agreed_on() {
    for board in boards() {
        let plan = Plan::new(&board, &seed(), &parts(&board)).unwrap();

        let text = format!("{:#}\n", plan.to_json());
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("tests/golden/plan-{}.json", board.name));
        if std::env::var_os("TASUKI_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, golden, "TASUKI_BLESS=1 rewrites {}", path.display());
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let board = board("virt");
    let mut large = parts(&board);
    large.root.length = board.disk.root + 1;

    let refused = Plan::new(&board, &seed(), &large).unwrap_err();

    assert_eq!(
        refused,
        PlanError::TooLarge {
            place: "root-a".to_owned(),
            needed: board.disk.root + 1,
            room: board.disk.root,
        }
    );
    large.root.length = board.disk.root;
    assert!(Plan::new(&board, &seed(), &large).is_ok());
}

#[test]
fn raw_areas_keep_off_the_table_each_other_and_the_partitions() {
    let rock64 = board("rock64");
    let second = rock64.boot.raw[1].offset;
    let plan = |board: &Board, first: u64| {
        let mut parts = parts(board);
        parts.raw[0].length = first;
        Plan::new(board, &seed(), &parts)
    };
    let mut early = rock64.clone();
    early.boot.raw[0].offset = 33 * SECTOR;
    let mut late = rock64.clone();
    late.boot.raw[1].offset = late.disk.first - SECTOR;

    assert!(plan(&rock64, second - 64 * SECTOR).is_ok());
    assert!(matches!(
        plan(&rock64, second - 64 * SECTOR + 1),
        Err(PlanError::Overlap { .. })
    ));
    assert!(matches!(plan(&early, 1), Err(PlanError::Overlap { .. })));
    assert!(matches!(plan(&late, 1), Err(PlanError::TooLarge { .. })));
}

/// sfdisk of util-linux is on every Debian.
#[test]
fn sfdisk_reads_the_tables_as_they_were_planned() {
    for board in boards() {
        let parts = parts(&board);
        let plan = Plan::new(&board, &seed(), &parts).unwrap();
        let mut disk = tempfile::NamedTempFile::new().unwrap();
        disk.as_file().set_len(plan.length).unwrap();
        image::write(&plan, &image::Bytes::default(), disk.as_file_mut()).unwrap();

        let table = sfdisk(disk.path(), &["--json"]);

        let table = &table["partitiontable"];
        assert_eq!(table["label"], "gpt");
        assert_eq!(upper(&table["id"]), plan.id.to_string().to_uppercase());
        let found = table["partitions"].as_array().unwrap();
        assert_eq!(found.len(), Part::ALL.len());
        for (partition, found) in plan.partitions.iter().zip(found) {
            assert_eq!(found["name"], partition.part.label());
            assert_eq!(found["start"], partition.offset / SECTOR);
            assert_eq!(found["size"], partition.length / SECTOR);
            assert_eq!(
                upper(&found["type"]),
                partition.kind.to_string().to_uppercase()
            );
            assert_eq!(
                upper(&found["uuid"]),
                partition.id.to_string().to_uppercase()
            );
        }
        assert!(sfdisk_is_content(disk.path()));
        let read = read::partitions(disk.as_file_mut()).unwrap();
        let places = read.iter().map(|found| (found.offset, found.length));
        let planned = plan.partitions.iter().map(|p| (p.offset, p.length));
        assert!(places.eq(planned));
    }
}

#[test]
fn a_hybrid_board_shows_its_fat_partitions_to_firmware_that_knows_no_gpt() {
    let board = board("rpi4");
    let plan = Plan::new(&board, &seed(), &parts(&board)).unwrap();
    let mut disk = tempfile::NamedTempFile::new().unwrap();
    disk.as_file().set_len(plan.length).unwrap();
    std::io::Write::write_all(&mut disk, &mbr::sector(&plan)).unwrap();

    let table = sfdisk(disk.path(), &["--json", "--label-nested", "dos"]);

    let found = table["partitiontable"]["partitions"].as_array().unwrap();
    let kinds: Vec<&str> = found.iter().map(|p| p["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["c", "c", "c", "ee"]);
    for (partition, found) in plan.partitions.iter().zip(found).take(3) {
        assert_eq!(found["start"], partition.offset / SECTOR);
        assert_eq!(found["size"], partition.length / SECTOR);
    }
    assert_eq!(found[3]["start"], 1);
    assert_eq!(found[3]["size"], gpt::HEAD_SECTORS - 1);
}

fn sfdisk(disk: &Path, arguments: &[&str]) -> Value {
    let text = Shell::new(false)
        .call("/usr/sbin/sfdisk")
        .args(arguments)
        .arg(disk)
        .text()
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Checksums, both copies, and nothing out of place.
fn sfdisk_is_content(disk: &Path) -> bool {
    let said = Shell::new(false)
        .call("/usr/sbin/sfdisk")
        .arg("--verify")
        .arg(disk)
        .text()
        .unwrap();
    said.contains("No errors detected")
}

fn upper(value: &Value) -> String {
    value.as_str().unwrap().to_uppercase()
}
