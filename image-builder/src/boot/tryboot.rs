//! Raspberry Pi: the firmware starts the kernel, and tries another partition once when told to.

use crate::disk::fat::Files;

use super::{BootError, BootFiles, Ingredients, name_of};

/// Partition 2 is good, partition 3 is tried by `reboot "0 tryboot"`
/// (raspberrypi.com, "config.txt", "The autoboot.txt file").
const AUTOBOOT: &str = "\
[all]
tryboot_a_b=1
boot_partition=2
[tryboot]
boot_partition=3
";

pub(super) fn files(from: &Ingredients<'_>) -> Result<BootFiles, BootError> {
    let mut slot = Files::from([
        ("Image".to_owned(), from.kernel()?),
        ("initrd.img".to_owned(), from.initramfs.to_vec()),
        (
            "cmdline.txt".to_owned(),
            format!("{}\n", from.command_line()).into_bytes(),
        ),
    ]);
    let mut settings = "\
[all]
arm_64bit=1
upstream_kernel=1
kernel=Image
initramfs initrd.img followkernel
enable_uart=1
disable_splash=1
boot_delay=0
"
    .to_owned();
    for path in &from.board.boot.device_trees {
        let name = name_of(path)?;
        settings.push_str(&format!("device_tree={name}\n"));
        slot.insert(name, from.device_tree(path)?);
    }
    slot.insert("config.txt".to_owned(), settings.into_bytes());
    for path in &from.board.boot.firmware {
        slot.insert(name_of(path)?, from.firmware.read(path)?.to_vec());
    }
    Ok(BootFiles {
        // The firmware does not count; tasuki-board does, in the same files as U-Boot's script.
        config: super::u_boot::state_files()
            .into_iter()
            .chain([("autoboot.txt".to_owned(), AUTOBOOT.into())])
            .collect(),
        update: slot.clone(),
        slot,
        empty_slot: Files::new(),
        raw: Vec::new(),
    })
}
