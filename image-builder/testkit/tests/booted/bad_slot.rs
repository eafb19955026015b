//! A new system that does not work: whatever is wrong with it, the old one serves again.

use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use image_builder::bundle::{Bundle, Parts};
use image_builder::identity::Hash;
use image_builder::verity::{self, Superblock};
use image_testkit::Disk;
use image_testkit::block::BlockServer;

use crate::card::{self, Card};
use crate::lab::{Lab, said};
use crate::{NEW, OLD};

/// The kernel of an update that was not started yet.
const NEW_KERNEL: &str = "EFI/Linux/tasuki-000000+0.efi";

/// What is wrong.
pub(crate) enum Fault {
    /// Words on the kernel's command line.
    Words(&'static str),
    /// One flipped bit.
    Kernel,
    Root,
    Tree,
}

/// Boots a card whose slot b has this fault and as many tries, and holds that slot a serves once
/// they are used up.
fn old_slot_comes_back(fault: &Fault, tries: u8) -> Result<()> {
    let lab = Lab::open()?;
    let path = bad_card(&lab, fault, tries)?;
    old_slot_serves(&lab, &path, &format!("tasuki-000002+0-{tries}.efi"))
}

/// A card that works, and has a system with this fault in slot b.
fn bad_card(lab: &Lab, fault: &Fault, tries: u8) -> Result<PathBuf> {
    let path = lab.card("card.img", OLD)?;
    let mut system = System::of(&lab.bundle(OLD)?)?;
    system.spoil(lab, fault)?;
    system.stage(&Card::open(&path, &lab.tools)?, &path, tries)?;
    Ok(path)
}

/// Holds that slot a serves, and that slot b has a kernel with this name then.
fn old_slot_serves(lab: &Lab, path: &Path, name: &str) -> Result<()> {
    let mut machine = lab.machine(Disk::file(path))?;
    let slot = lab.served_by(&mut machine)?;
    let said = said(&machine);
    drop(machine);

    ensure!(slot == 'a', "slot {slot} serves:\n{said}");
    let left = Card::open(path, &lab.tools)?.kernels("BOOT-B")?;
    ensure!(
        left == [name],
        "slot b was not tried as often as it may be: {left:?}\n{said}"
    );
    Ok(())
}

/// What a slot holds, as its bundle has it.
pub(crate) struct System {
    root: Vec<u8>,
    tree: Vec<u8>,
    hash: Hash,
    /// The boot partition.
    boot: Vec<u8>,
}

impl System {
    pub(crate) fn of(bundle: &Path) -> Result<Self> {
        let bundle = Bundle::read(bundle)?;
        let hash = Hash(bundle.manifest.root_hash.0);
        let [root, tree, boot] = bundle.unpack()?;
        Ok(Self {
            root,
            tree,
            hash,
            boot,
        })
    }

    /// Makes it another system, with another root hash, that has this fault.
    pub(crate) fn spoil(&mut self, lab: &Lab, fault: &Fault) -> Result<()> {
        let block = u64::try_from(verity::BLOCK)?;
        let old = Superblock::parse(&self.tree).context("the system has no hash tree")?;
        let tree = verity::hash_tree(&self.root, &old.salt.map(|byte| byte ^ 0x5a), old.id)?;
        let mut kernel = self.kernel(lab)?;
        let line = section(&kernel, b".cmdline")?;
        let words = String::from_utf8(kernel.get(line).unwrap_or_default().to_vec())?;
        let (_, rest) = words
            .split_once(' ')
            .context("a command line of one word")?;
        let mut words = format!("tasuki.root={} {rest}", tree.root);
        (self.tree, self.hash) = (tree.bytes, tree.root);
        match fault {
            Fault::Words(more) => words = format!("{words} {more}"),
            Fault::Kernel => {
                let linux = section(&kernel, b".linux\0\0")?;
                flip(&mut kernel, linux.start.midpoint(linux.end))?;
            }
            // What the mount reads first: the superblock of EROFS.
            Fault::Root => flip(&mut self.root, 1024)?,
            // The hash of the root's first block: the leaves are the tree's end.
            Fault::Tree => {
                let leaves = old.data_blocks.div_ceil(block / 32);
                let leaf = self.tree.len() - usize::try_from(leaves * block)?;
                flip(&mut self.tree, leaf)?;
            }
        }
        set_command_line(&mut kernel, &words)?;
        self.boot_file(|boot| {
            let name = format!("::/{NEW_KERNEL}");
            let copy = card::fat(&lab.tools, boot, 0, "mcopy").args(["-o", "-", &name]);
            Ok(copy.input(kernel).run()?)
        })
    }

    /// A bundle with it, which nobody has signed.
    pub(crate) fn bundle(&self, lab: &Lab, version: &str, to: &Path) -> Result<()> {
        let parts = Parts {
            root: &self.root,
            verity: &self.tree,
            boot: &self.boot,
        };
        let bundle = Bundle::new(&lab.board, version, self.hash, parts)?;
        Ok(bundle.write(File::create(to)?)?)
    }

    /// Holds that slot b of a card has all of it.
    pub(crate) fn is_in_slot_b(&self, lab: &Lab, card: &Card<'_>) -> Result<()> {
        let expected = self.kernel(lab)?;
        for name in card.kernels("BOOT-B")? {
            let kernel = card.file("BOOT-B", &format!("EFI/Linux/{name}"))?;
            ensure!(kernel.is_empty() || kernel == expected, "{name} is damaged");
        }
        ensure!(card.starts_with("root-b", &self.root)?, "root-b is damaged");
        ensure!(
            card.starts_with("verity-b", &self.tree)?,
            "verity-b is damaged"
        );
        Ok(())
    }

    /// Puts it into slot b, on probation.
    fn stage(&self, card: &Card<'_>, path: &Path, tries: u8) -> Result<()> {
        let file = File::options().write(true).open(path)?;
        file.write_all_at(&self.root, card.place("root-b")?.start)?;
        file.write_all_at(&self.tree, card.place("verity-b")?.start)?;
        file.write_all_at(&self.boot, card.place("BOOT-B")?.start)?;
        let name = format!("tasuki-000002+{tries}.efi");
        let rename = card.fat("BOOT-B", "mren")?;
        Ok(rename.args([&format!("::/{NEW_KERNEL}"), &name]).run()?)
    }

    fn kernel(&self, lab: &Lab) -> Result<Vec<u8>> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(&self.boot)?;
        let name = format!("::/{NEW_KERNEL}");
        let copy = card::fat(&lab.tools, file.path(), 0, "mcopy").args([&name, "-"]);
        Ok(copy.output()?)
    }

    /// Changes the boot partition as a file.
    fn boot_file(&mut self, change: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        fs::write(file.path(), &self.boot)?;
        change(file.path())?;
        self.boot = fs::read(file.path())?;
        Ok(())
    }
}

fn flip(bytes: &mut [u8], at: usize) -> Result<()> {
    *bytes.get_mut(at).context("too short")? ^= 1;
    Ok(())
}

/// Where the header of a section lies in a unified kernel image.
/// <https://learn.microsoft.com/windows/win32/debug/pe-format#section-table-section-headers>
fn header(kernel: &[u8], name: &[u8; 8]) -> Result<usize> {
    let at = kernel.windows(8).position(|window| window == name);
    at.context("there is no such section")
}

fn number(kernel: &[u8], at: usize) -> Result<usize> {
    let bytes = kernel.get(at..at + 4).context("too short")?;
    Ok(usize::try_from(u32::from_le_bytes(bytes.try_into()?))?)
}

/// Where a section lies in the file.
fn section(kernel: &[u8], name: &[u8; 8]) -> Result<Range<usize>> {
    let header = header(kernel, name)?;
    let (length, from) = (number(kernel, header + 8)?, number(kernel, header + 20)?);
    Ok(from..from + length)
}

fn set_command_line(kernel: &mut [u8], words: &str) -> Result<()> {
    let header = header(kernel, b".cmdline")?;
    let place = section(kernel, b".cmdline")?;
    ensure!(words.len() <= number(kernel, header + 16)?, "no room");
    let length = u32::try_from(words.len())?.to_le_bytes();
    for (at, bytes) in [(header + 8, &length[..]), (place.start, words.as_bytes())] {
        let target = kernel.get_mut(at..at + bytes.len());
        target.context("too short")?.copy_from_slice(bytes);
    }
    Ok(())
}

/// The loader of systemd waits for a key on the console: nothing but the watchdog helps.
#[test]
#[ignore = "boots a board several times: cargo xtask nightly slots"]
fn a_slot_that_hangs_is_given_up() -> Result<()> {
    old_slot_comes_back(&Fault::Words("LD_PRELOAD=/dev/console"), 1)
}

#[test]
#[ignore = "boots a board several times: cargo xtask nightly slots"]
fn a_slot_that_panics_is_given_up() -> Result<()> {
    old_slot_comes_back(&Fault::Words("rdinit=/nothing"), 3)
}

#[test]
#[ignore = "boots a board several times: cargo xtask nightly slots"]
fn a_slot_whose_relay_does_not_serve_is_given_up_at_once() -> Result<()> {
    let lab = Lab::open()?;
    let fault = Fault::Words("systemd.mask=tasuki-relay.service");
    let path = bad_card(&lab, &fault, 3)?;
    old_slot_serves(&lab, &path, "tasuki-000003+0.efi")
}

/// The kernel finds that it is damaged and gives up, and the firmware has nothing else to start: it
/// takes somebody who switches the machine off and on, as a hypervisor's watchdog does.
#[test]
#[ignore = "boots a board several times: cargo xtask nightly slots"]
fn a_slot_with_a_flipped_bit_in_its_kernel_is_given_up() -> Result<()> {
    const TRIES: u8 = 2;
    let lab = Lab::open()?;
    let path = bad_card(&lab, &Fault::Kernel, TRIES)?;
    for _ in 0..TRIES {
        let machine = lab.machine(Disk::file(&path))?;
        machine.console().wait_for("Failed to decompress kernel")?;
    }
    old_slot_serves(&lab, &path, &format!("tasuki-000002+0-{TRIES}.efi"))
}

/// A card that fails under an update: what comes back is not what was written.
#[test]
#[ignore = "boots a board: cargo xtask nightly slots"]
fn a_flipped_bit_in_any_part_of_an_update_is_found_before_it_is_started() -> Result<()> {
    let lab = Lab::open()?;
    for label in ["BOOT-B", "root-b", "verity-b"] {
        let path = lab.card(&format!("{label}.img"), OLD)?;
        lab.order(&path, &lab.bundle(NEW)?)?;
        let place = Card::open(&path, &lab.tools)?.place(label)?;
        let folder = tempfile::tempdir()?;
        let server = BlockServer::start(&path, folder.path())?;
        server.rot(place.start + 100_000);
        let mut machine = lab.machine(Disk::nbd(server.socket()))?;
        let slot = lab.served_by(&mut machine)?;
        machine.console().wait_for("the card is failing")?;
        ensure!(slot == 'a', "slot {slot} serves:\n{}", said(&machine));
        drop(machine);
        drop(server);
        let kernels = Card::open(&path, &lab.tools)?.kernels("BOOT-B");
        ensure!(
            kernels.is_err(),
            "{label}: slot b is not empty: {kernels:?}"
        );
    }
    Ok(())
}

#[test]
#[ignore = "boots a board several times: cargo xtask nightly slots"]
fn a_slot_with_a_flipped_bit_in_its_root_is_given_up() -> Result<()> {
    old_slot_comes_back(&Fault::Root, 2)
}

#[test]
#[ignore = "boots a board several times: cargo xtask nightly slots"]
fn a_slot_with_a_flipped_bit_in_its_hash_tree_is_given_up() -> Result<()> {
    old_slot_comes_back(&Fault::Tree, 2)
}
