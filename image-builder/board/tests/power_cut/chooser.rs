//! The boot chains as their documentation describes them.

use std::io;

use tasuki_board::slot::environment::{decode, encode};
use tasuki_board::slot::{BootChain, Slot, State, Volume, Volumes};

use super::disk::{Content, Disk};

/// What outlives a reset beside the disk, and what the test wants to know.
#[derive(Debug, Default)]
pub(crate) struct Chooser {
    /// The Pi's flag of `reboot "0 tryboot"`: a reset clears it, a start uses it up.
    try_once: bool,
    started: [usize; 2],
}

impl Chooser {
    pub(crate) fn reboot_to_try(&mut self) {
        self.try_once = true;
    }

    /// How often a slot was started.
    pub(crate) fn started(&self, slot: Slot) -> usize {
        self.started[usize::from(slot == Slot::B)]
    }

    /// From reset to kernel. Fails if the power goes on the way.
    pub(crate) fn choose(&mut self, chain: BootChain, disk: &mut Disk) -> io::Result<Slot> {
        let slot = match chain {
            BootChain::SdBoot => sd_boot(disk),
            BootChain::UBoot => u_boot(disk),
            BootChain::TryBoot => Ok(self.firmware(disk)),
        }?;
        self.started[usize::from(slot == Slot::B)] += 1;
        Ok(slot)
    }

    /// Raspberry Pi firmware: `[all]` first, a filter `[tryboot]` counts if the flag is set, and
    /// the flag is cleared before anything is started. It writes nothing.
    /// <https://www.raspberrypi.com/documentation/computers/config_txt.html#the-tryboot-filter>
    fn firmware(&mut self, disk: &mut Disk) -> Slot {
        let text = disk.read(Volume::Config, "autoboot.txt").expect("is there");
        let text = String::from_utf8(text).expect("is text");
        let try_once = std::mem::take(&mut self.try_once);
        let mut applies = true;
        let mut partition = "";
        for line in text.lines() {
            match (line, line.strip_prefix("boot_partition=")) {
                ("[all]", _) => applies = true,
                ("[tryboot]", _) => applies = try_once,
                (_, Some(number)) if applies => partition = number,
                _ => {}
            }
        }
        match partition {
            "2" => Slot::A,
            "3" => Slot::B,
            other => unreachable!("no such boot partition: {other:?}"),
        }
    }
}

/// The script of `docs/BOOT.md`: one try is taken off before the slot on probation is started;
/// the other slot is started if a file of the chosen one cannot be loaded.
fn u_boot(mut disk: &mut Disk) -> io::Result<Slot> {
    let paths = ["tasuki/slot-0.env", "tasuki/slot-1.env"];
    let whole = paths
        .iter()
        .find_map(|path| decode(&disk.read(Volume::Config, path).ok()?));
    let state = whole.unwrap_or(State {
        good: Slot::A,
        tries_left: None,
    });
    let mut chosen = state.good;
    if let Some(left @ 1..) = state.tries_left {
        chosen = state.good.other();
        let fewer = State {
            tries_left: Some(left - 1),
            ..state
        };
        for path in paths {
            disk.overwrite(Volume::Config, path, &encode(fewer))?;
        }
    }
    if disk.content(chosen) == Content::Unfinished {
        chosen = chosen.other();
    }
    Ok(chosen)
}

/// systemd-boot: names with tries left or without a counter before those without tries left, then
/// the higher name first; a counted one is renamed before it is started.
/// <https://systemd.io/AUTOMATIC_BOOT_ASSESSMENT/>
fn sd_boot(mut disk: &mut Disk) -> io::Result<Slot> {
    let mut entries = Vec::new();
    for slot in [Slot::A, Slot::B] {
        for name in disk.list(Volume::Boot(slot), "EFI/Linux")? {
            let stem = name.strip_suffix(".efi").expect("a kernel");
            let (id, counter) = match stem.split_once('+') {
                Some((id, counter)) => (id.to_owned(), Some(counter.to_owned())),
                None => (stem.to_owned(), None),
            };
            let numbers = counter.map(|counter| {
                let (left, done) = counter.split_once('-').unwrap_or((&counter, "0"));
                let number = |text: &str| text.parse::<u32>().expect("a number");
                (number(left), number(done))
            });
            let bad = matches!(numbers, Some((0, _)));
            entries.push((!bad, id, slot, name, numbers));
        }
    }
    let (_, id, slot, name, numbers) = entries.into_iter().max().expect("something to start");
    if let Some((left @ 1.., done)) = numbers {
        let to = format!("{id}+{}-{}.efi", left - 1, done + 1);
        let path = |name: &str| format!("EFI/Linux/{name}");
        disk.rename(Volume::Boot(slot), &path(&name), &path(&to))?;
    }
    Ok(slot)
}
