//! UEFI: systemd-boot and one unified kernel image a slot.

use crate::disk::fat::Files;

use super::{BootError, BootFiles, Ingredients, uki};

/// The first kernel of a disk; without a counter, since there is nothing to go back to.
const FIRST: &str = "EFI/Linux/tasuki-000001.efi";

/// The kernel of an update: nobody starts it before tasuki-board gives it a number and tries.
const UPDATE: &str = "EFI/Linux/tasuki-000000+0.efi";

/// Nobody stands before a board and chooses.
const LOADER: &str = "\
timeout 0
editor no
auto-entries no
auto-firmware no
secure-boot-enroll off
";

/// Without a version, so that systemd-boot orders kernels by their names, which we number.
const OS_RELEASE: &str = "\
ID=tasuki
NAME=\"Tasuki\"
PRETTY_NAME=\"Tasuki relay\"
";

pub(super) fn files(from: &Ingredients<'_>) -> Result<BootFiles, BootError> {
    let efi = from.board.architecture.efi();
    let read = |name: String| {
        from.firmware
            .read(&format!("usr/lib/systemd/boot/efi/{name}"))
    };
    let loader = read(format!("systemd-boot{efi}.efi"))?;
    let stub = read(format!("linux{efi}.efi.stub"))?;
    let kernel = from.kernel()?;
    let image = uki::build(
        stub,
        &[
            (".osrel", OS_RELEASE.as_bytes()),
            (".cmdline", from.command_line().as_bytes()),
            (".uname", from.kernel_version.as_bytes()),
            (".initrd", from.initramfs),
            (".linux", &kernel),
        ],
    )?;
    // In both slots: whichever partition the firmware can still read will do.
    let empty_slot = Files::from([
        (
            format!("EFI/BOOT/BOOT{}.EFI", efi.to_uppercase()),
            loader.to_vec(),
        ),
        ("loader/loader.conf".to_owned(), LOADER.into()),
    ]);
    let with_kernel = |name: &str| {
        let mut files = empty_slot.clone();
        files.insert(name.to_owned(), image.clone());
        files
    };
    Ok(BootFiles {
        config: Files::new(),
        slot: with_kernel(FIRST),
        update: with_kernel(UPDATE),
        empty_slot,
        raw: Vec::new(),
    })
}
