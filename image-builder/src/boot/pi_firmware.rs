//! The firmware of a Raspberry Pi 4 as its documentation describes it, from the card's first sector
//! to what the kernel is started with. It reads, and writes nothing.
//! <https://www.raspberrypi.com/documentation/computers/config_txt.html>

use std::collections::BTreeMap;
use std::path::Path;

use crate::board;
use crate::disk::fat::Files;
use crate::disk::layout::Part;
use crate::disk::mbr;
use crate::disk::plan::{Content, Parts, Plan};
use crate::identity::{Hash, Seed};

use super::tests::files_of;

/// Partition types that it takes for FAT.
const FAT: [u8; 4] = [0x06, 0x0b, 0x0c, 0x0e];
/// More of `autoboot.txt` is not read.
const AUTOBOOT_MAX: usize = 512;
/// Nor of a line of `config.txt`.
const LINE_MAX: usize = 98;

struct Card {
    first_sector: [u8; 512],
    /// By partition number.
    files: BTreeMap<usize, Files>,
}

#[derive(Debug, PartialEq, Eq)]
struct Start {
    partition: usize,
    kernel: Vec<u8>,
    initramfs: Vec<u8>,
    device_tree: Vec<u8>,
    command_line: String,
}

impl Card {
    /// From power-on, or a reset by `reboot "0 tryboot"`.
    fn start(&self, try_boot: bool) -> Result<Start, String> {
        let config = self.fat(1)?;
        let mut autoboot = Settings::default();
        if let Some(text) = config.get("autoboot.txt") {
            autoboot.read(&text[..text.len().min(AUTOBOOT_MAX)], try_boot)?;
        }
        let partition = autoboot.number("boot_partition").unwrap_or(1);
        let files = self.fat(partition)?;
        // Without the switch for whole partitions, a try means another file.
        let whole = autoboot.number("tryboot_a_b") == Some(1);
        let name = if try_boot && !whole {
            "tryboot.txt"
        } else {
            "config.txt"
        };
        let file = |name: &str| {
            let missing = || format!("no {name} in partition {partition}");
            files.get(name).cloned().ok_or_else(missing)
        };
        for firmware in ["start4.elf", "fixup4.dat"] {
            file(firmware)?;
        }
        let mut settings = Settings::default();
        settings.read(&file(name)?, try_boot)?;
        if settings.number("arm_64bit") != Some(1) {
            return Err("a kernel of 32 bits".to_owned());
        }
        let kernel = settings.text("kernel").unwrap_or("kernel8.img");
        let tree = settings.text("device_tree");
        let tree = tree.unwrap_or("bcm2711-rpi-4-b.dtb");
        let upstream = settings.number("upstream_kernel") == Some(1);
        let prefix = settings.text("os_prefix");
        let prefix = prefix.unwrap_or(if upstream { "upstream/" } else { "" });
        // A prefix under which kernel and device tree are missing does not count.
        let prefixed = |name: &str| files.contains_key(&format!("{prefix}{name}"));
        let prefix = if prefixed(kernel) && prefixed(tree) {
            prefix
        } else {
            ""
        };
        let read = |name: &str| file(&format!("{prefix}{name}"));
        let initramfs = settings.text("initramfs").unwrap_or_default();
        let Some((initramfs, "followkernel")) = initramfs.split_once(' ') else {
            return Err(format!(
                "initramfs {initramfs}: it would lie over the kernel"
            ));
        };
        let line = String::from_utf8(read("cmdline.txt")?).map_err(|error| error.to_string())?;
        Ok(Start {
            partition,
            kernel: read(kernel)?,
            initramfs: read(initramfs)?,
            device_tree: read(tree)?,
            command_line: line.lines().next().unwrap_or_default().to_owned(),
        })
    }

    /// The files of a partition that the MBR shows as FAT.
    fn fat(&self, number: usize) -> Result<&Files, String> {
        if self.first_sector[510..] != [0x55, 0xaa] || number == 0 || number > 4 {
            return Err(format!("no partition {number}"));
        }
        let kind = self.first_sector[446 + (number - 1) * 16 + 4];
        if !FAT.contains(&kind) {
            return Err(format!("partition {number} is of type {kind:02x}"));
        }
        self.files
            .get(&number)
            .ok_or(format!("no files in {number}"))
    }
}

#[derive(Default)]
struct Settings(BTreeMap<String, String>);

impl Settings {
    /// The later line counts; a filter holds until the next one.
    fn read(&mut self, text: &[u8], try_boot: bool) -> Result<(), String> {
        let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
        let mut applies = true;
        for line in text.lines() {
            let line = line.get(..LINE_MAX).unwrap_or(line);
            match line {
                "[all]" | "[pi4]" => applies = true,
                "[tryboot]" => applies = try_boot,
                _ if line.starts_with('[') => applies = false,
                // The one that is written without `=`.
                _ if applies => {
                    let line = line.replacen("initramfs ", "initramfs=", 1);
                    if let Some((key, value)) = line.split_once('=') {
                        self.0.insert(key.to_owned(), value.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn number(&self, key: &str) -> Option<usize> {
        self.text(key)?.parse().ok()
    }
}

/// A new card, with the same files in slot b but for the command line.
fn card() -> Card {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards");
    let board = board::load(&folder, "rpi4").unwrap();
    let nothing = Content::of(&[]);
    let parts = Parts {
        config: nothing.clone(),
        boot_a: nothing.clone(),
        boot_b: nothing.clone(),
        root: nothing.clone(),
        verity: nothing,
        raw: Vec::new(),
    };
    let plan = Plan::new(&board, &Seed::new(Hash::of(b"card")), &parts).unwrap();
    let boot = files_of("rpi4");
    let mut updated = boot.slot.clone();
    updated.insert("cmdline.txt".to_owned(), b"the other\n".to_vec());
    let number = |part: Part| usize::try_from(part.number()).unwrap();
    Card {
        first_sector: mbr::sector(&plan),
        files: BTreeMap::from([
            (number(Part::Config), boot.config),
            (number(Part::BootA), boot.slot),
            (number(Part::BootB), updated),
        ]),
    }
}

#[test]
fn a_new_card_starts_slot_a_with_everything_that_lies_there() {
    let start = card().start(false).unwrap();

    assert_eq!(start.partition, 2);
    assert_eq!(start.kernel, b"kernel");
    assert_eq!(start.initramfs, b"initramfs");
    assert!(start.device_tree.ends_with(b"broadcom/bcm2711-rpi-4-b.dtb"));
    let root = format!("tasuki.root={} ", Hash::of(b"root"));
    assert!(start.command_line.starts_with(&root), "{start:?}");
}

#[test]
fn a_try_starts_the_whole_other_partition_and_the_next_reset_goes_back() {
    let card = card();

    let tried = card.start(true).unwrap();

    assert_eq!((tried.partition, &*tried.command_line), (3, "the other"));
    assert_eq!(card.start(false).unwrap().partition, 2);
}

#[test]
fn a_slot_that_lacks_a_file_is_not_started() {
    let names: Vec<String> = card().files[&3].keys().cloned().collect();
    for name in names {
        let mut card = card();
        card.files.get_mut(&3).unwrap().remove(&name);

        let refused = card.start(true).unwrap_err();

        assert!(refused.contains(&name), "{refused}");
        assert!(card.start(false).is_ok(), "the old one still starts");
    }
}

#[test]
fn nothing_stands_where_the_firmware_no_longer_reads() {
    let card = card();
    assert!(card.files[&1]["autoboot.txt"].len() <= AUTOBOOT_MAX);
    for partition in [2, 3] {
        let text = String::from_utf8(card.files[&partition]["config.txt"].clone()).unwrap();
        assert!(text.lines().all(|line| line.len() <= LINE_MAX));
    }
}
