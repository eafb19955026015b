//! Raspberry Pi: the firmware reads `autoboot.txt` and never writes, so we count for it.
//!
//! `[all]` names the good slot's partition, `[tryboot]` the other's; `reboot "0 tryboot"` starts
//! the latter once, and any reset goes back to the former. The tries are counted in the same
//! two files as for U-Boot, and taken off before each such reboot.
//! <https://www.raspberrypi.com/documentation/computers/config_txt.html#autoboot-txt>

use super::{Slot, SlotError, State, Volume, Volumes, u_boot};

/// For reboot(2) with `LINUX_REBOOT_CMD_RESTART2`.
pub const REBOOT_ARGUMENT: &str = "0 tryboot";

const AUTOBOOT: &str = "autoboot.txt";
const KEY: &str = "boot_partition=";

pub(super) fn state(volumes: &impl Volumes) -> Result<State, SlotError> {
    let text = volumes.read(Volume::Config, AUTOBOOT)?;
    let good = good_slot(&text).ok_or(SlotError::Unclear)?;
    // The firmware's file decides: a power cut may have come between the two.
    let counted = u_boot::stored(volumes).filter(|state| state.good == good);
    Ok(State {
        good,
        tries_left: counted.and_then(|state| state.tries_left),
    })
}

pub(super) fn set(volumes: &mut impl Volumes, state: State) -> Result<(), SlotError> {
    let text = volumes.read(Volume::Config, AUTOBOOT)?;
    if good_slot(&text) != Some(state.good) {
        // One sector, replaced by as many bytes: it says either the one or the other.
        let exchanged = exchange(&text).ok_or(SlotError::Unclear)?;
        volumes.overwrite(Volume::Config, AUTOBOOT, &exchanged)?;
    }
    Ok(u_boot::set(volumes, state)?)
}

/// The slot of the first `boot_partition`, which stands under `[all]`.
fn good_slot(text: &[u8]) -> Option<Slot> {
    let text = std::str::from_utf8(text).ok()?;
    let number = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(KEY))?;
    match number {
        "2" => Some(Slot::A),
        "3" => Some(Slot::B),
        _ => None,
    }
}

/// The same text with the two partitions exchanged.
fn exchange(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let swapped = text
        .replace("boot_partition=2", "boot_partition=*")
        .replace("boot_partition=3", "boot_partition=2")
        .replace("boot_partition=*", "boot_partition=3");
    (swapped.matches(KEY).count() == 2).then(|| swapped.into_bytes())
}
