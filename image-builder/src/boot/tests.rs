use std::path::Path;

use jiff::Timestamp;

use super::*;
use crate::board;
use crate::root::Entry;

/// A PE program with nothing in it: headers of 1 KiB, one section of 16 bytes at 0x1000.
fn stub() -> Vec<u8> {
    let mut stub = vec![0; 0x600];
    let mut put = |at: usize, bytes: &[u8]| stub[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x3c, &0x80_u32.to_le_bytes());
    put(0x80, b"PE\0\0");
    put(0x86, &1_u16.to_le_bytes()); // sections
    put(0x94, &0xf0_u16.to_le_bytes()); // bytes of the optional header
    put(0x98, &0x20b_u16.to_le_bytes());
    put(0xb8, &0x1000_u32.to_le_bytes()); // section alignment
    put(0xbc, &0x200_u32.to_le_bytes()); // file alignment
    put(0xd4, &0x400_u32.to_le_bytes()); // bytes of headers
    put(0x188, b".text\0\0\0");
    for (at, value) in [(0x190, 16), (0x194, 0x1000), (0x198, 0x200), (0x19c, 0x400)] {
        put(at, &u32::to_le_bytes(value));
    }
    stub
}

fn number(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())).unwrap()
}

/// Name and content of each section.
fn sections(program: &[u8]) -> Vec<(String, Vec<u8>)> {
    let count = usize::from(program[0x86]);
    (0..count)
        .map(|index| {
            let at = 0x188 + index * 40;
            let name = String::from_utf8_lossy(&program[at..at + 8]);
            let (size, place) = (number(program, at + 8), number(program, at + 20));
            (
                name.trim_end_matches('\0').to_owned(),
                program[place..place + size].to_vec(),
            )
        })
        .collect()
}

pub(super) fn files_of(name: &str) -> BootFiles {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards");
    let board = board::load(&folder, name).unwrap();
    let mut kernel = Tree::new(Timestamp::UNIX_EPOCH);
    let mut firmware = kernel.clone();
    let file = |path: &str| Entry::file(path.as_bytes());
    kernel.insert("boot/vmlinuz-6", file("kernel")).unwrap();
    for path in &board.boot.device_trees {
        let path = format!("usr/lib/linux-image-6/{path}");
        kernel.insert(&path, file(&path)).unwrap();
    }
    let raw = board.boot.raw.iter().map(|raw| &raw.path);
    for path in board.boot.firmware.iter().chain(raw) {
        firmware.insert(path, file(path)).unwrap();
    }
    let efi = board.architecture.efi();
    let folder = "usr/lib/systemd/boot/efi";
    let loader = format!("{folder}/systemd-boot{efi}.efi");
    firmware.insert(&loader, file("loader")).unwrap();
    let place = format!("{folder}/linux{efi}.efi.stub");
    firmware.insert(&place, Entry::file(stub())).unwrap();
    files(&Ingredients {
        board: &board,
        version: "1.0",
        kernel_version: "6",
        kernel: &kernel,
        firmware: &firmware,
        initramfs: b"initramfs",
        root_hash: Hash::of(b"root"),
    })
    .unwrap()
}

fn text<'f>(files: &'f Files, name: &str) -> &'f str {
    std::str::from_utf8(&files[name]).unwrap()
}

#[test]
fn a_unified_kernel_image_carries_its_parts_behind_the_stub() {
    let boot = files_of("virt");

    let sections = sections(&boot.slot["EFI/Linux/tasuki-000001.efi"]);

    let names: Vec<&str> = sections.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [".text", ".osrel", ".cmdline", ".uname", ".initrd", ".linux"]
    );
    let line = String::from_utf8_lossy(&sections[2].1);
    assert!(line.starts_with(&format!("tasuki.root={} ", Hash::of(b"root"))));
    assert!(line.contains(" console=ttyAMA0 ro panic=10 gpt "), "{line}");
    assert_eq!(sections[4].1, b"initramfs");
    assert_eq!(sections[5].1, b"kernel");
    // A version would let systemd-boot order kernels by it, and not by our numbers.
    let release = String::from_utf8_lossy(&sections[1].1);
    assert!(!release.contains("VERSION"), "{release}");
}

#[test]
fn sections_are_aligned_and_the_program_says_how_large_it_is() {
    let image = uki::build(&stub(), &[(".a", &[1; 5000]), (".b", &[2])]).unwrap();

    let (first, second) = (0x188 + 40, 0x188 + 80);
    assert_eq!(number(&image, first + 12), 0x2000);
    assert_eq!(number(&image, second + 12), 0x4000);
    assert_eq!(number(&image, 0x98 + 56), 0x5000);
    assert_eq!(image.len() % 0x200, 0);
}

#[test]
fn a_stub_without_room_or_sense_is_refused() {
    let many = vec![(".x", b"x".as_slice()); 15];

    // 1 KiB of headers has room for 14 sections behind the first.
    assert!(uki::build(&stub(), &many[..14]).is_ok());
    assert_eq!(uki::build(&stub(), &many), Err(StubError::NoRoom(15)));
    for bytes in [&b"MZ"[..], &[0; 0x200], &stub()[..0x500]] {
        assert!(matches!(
            uki::build(bytes, &[]),
            Err(StubError::NoProgram(_))
        ));
    }
}

#[test]
fn both_slots_of_a_uefi_board_can_start_its_boot_loader() {
    let boot = files_of("virt");

    let names: Vec<&String> = boot.empty_slot.keys().collect();
    assert_eq!(names, ["EFI/BOOT/BOOTAA64.EFI", "loader/loader.conf"]);
    assert_eq!(boot.slot["EFI/BOOT/BOOTAA64.EFI"], b"loader");
    assert!(
        files_of("vm-x86-64")
            .slot
            .contains_key("EFI/BOOT/BOOTX64.EFI")
    );
}

#[test]
fn an_update_is_the_slot_with_a_kernel_that_nobody_starts_by_itself() {
    let boot = files_of("virt");
    let (first, waiting) = (
        "EFI/Linux/tasuki-000001.efi",
        "EFI/Linux/tasuki-000000+0.efi",
    );

    assert_eq!(boot.update[waiting], boot.slot[first]);
    assert!(!boot.update.contains_key(first));
    assert_eq!(boot.update.len(), boot.slot.len());
    for board in ["rpi4", "rockpro64"] {
        let boot = files_of(board);
        assert_eq!(boot.update, boot.slot, "{board}: the state is on CONFIG");
    }
}

#[test]
fn a_rockchip_board_has_script_state_and_every_device_tree() {
    let boot = files_of("rockpro64");

    let files = [
        "Image",
        "boot.env",
        "dtb/rockchip/rk3399-rockpro64-v2.dtb",
        "dtb/rockchip/rk3399-rockpro64.dtb",
        "initrd.img",
    ];
    for name in files {
        let sum = crc32fast::hash(&boot.slot[name]).to_be_bytes();
        assert_eq!(boot.slot[&format!("{name}.crc")], sum, "{name}");
    }
    assert_eq!(boot.slot.len(), 2 * files.len(), "{:?}", boot.slot.keys());
    assert!(text(&boot.slot, "boot.env").starts_with("bootargs=tasuki.root="));
    assert_eq!(boot.config["tasuki/slot-0.env"].len(), 512);
    assert_eq!(
        boot.config["tasuki/slot-0.env"],
        boot.config["tasuki/slot-1.env"]
    );
    assert_eq!(boot.raw.len(), 2);
}

/// The firmware's rules: raspberrypi.com, "config.txt", and "autoboot.txt" below it.
#[test]
fn a_raspberry_pi_finds_its_files_where_its_firmware_looks() {
    let boot = files_of("rpi4");

    assert_eq!(
        text(&boot.config, "autoboot.txt"),
        "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n"
    );
    let settings = text(&boot.slot, "config.txt");
    for line in settings.lines().filter(|line| !line.starts_with('[')) {
        let named = match line.split_once(['=', ' ']) {
            Some(("kernel" | "device_tree", name)) => name,
            Some(("initramfs", rest)) => rest.split(' ').next().unwrap(),
            _ => continue,
        };
        assert!(boot.slot.contains_key(named), "{line}");
    }
    for name in ["start4.elf", "fixup4.dat", "cmdline.txt"] {
        assert!(boot.slot.contains_key(name), "{name}");
    }
    // The firmware reads one line and no more.
    assert_eq!(text(&boot.slot, "cmdline.txt").lines().count(), 1);
}

#[test]
fn the_readme_names_board_and_version_in_both_languages() {
    let boot = files_of("rock64");

    let readme = text(&boot.config, "README.txt");

    assert!(readme.contains("1.0") && readme.contains("Pine64 ROCK64"));
    assert!(readme.contains("起動カード") && readme.contains("is a secret"));
    assert!(readme.lines().count() > 10 && !readme.replace("\r\n", "").contains('\n'));
}
