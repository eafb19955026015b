//! systemd-boot: the state is the names of the two slots' kernels.
//!
//! `tasuki-000002+3.efi`: the second update, three tries left. systemd-boot takes the highest
//! number that has tries left, renames it to `+2-1` first, and looks at names without a counter
//! as good. A name with `+0` comes last: so does the kernel of an update that is not tried yet.
//! <https://systemd.io/AUTOMATIC_BOOT_ASSESSMENT/>,
//! <https://uapi-group.org/specifications/specs/boot_loader_specification/>

use std::fmt;

use super::{Slot, SlotError, State, Volume, Volumes};

pub(super) const FOLDER: &str = "EFI/Linux";

/// A kernel's file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kernel {
    sequence: u32,
    /// Tries left; none: good.
    left: Option<u8>,
    /// Tries done, which systemd-boot counts; of no meaning here.
    done: u8,
}

pub(super) fn state(volumes: &impl Volumes) -> Result<State, SlotError> {
    let [a, b] = [kernel(volumes, Slot::A)?, kernel(volumes, Slot::B)?];
    let good = match (a, b) {
        (None, None) => return Err(SlotError::Unclear),
        (Some(_), None) => Slot::A,
        (None, Some(_)) => Slot::B,
        (Some(a), Some(b)) => match (a.left, b.left) {
            (None, Some(_)) => Slot::A,
            (Some(_), None) => Slot::B,
            (None, None) if a.sequence < b.sequence => Slot::B,
            (None, None) => Slot::A,
            // Neither is good: the older one was before.
            (Some(_), Some(_)) if b.sequence < a.sequence => Slot::B,
            (Some(_), Some(_)) => Slot::A,
        },
    };
    let (good_kernel, other) = match good {
        Slot::A => (a, b),
        Slot::B => (b, a),
    };
    let newer = other.filter(|other| Some(other.sequence) > good_kernel.map(|it| it.sequence));
    Ok(State {
        good,
        tries_left: newer.and_then(|other| other.left),
    })
}

pub(super) fn set(volumes: &mut impl Volumes, state: State) -> Result<(), SlotError> {
    let good = kernel(volumes, state.good)?.ok_or(SlotError::Empty(state.good))?;
    let other = kernel(volumes, state.good.other())?;
    let highest = other.map_or(good.sequence, |other| other.sequence.max(good.sequence));
    let rename = |volumes: &mut _, slot, from: Kernel, to: Kernel| {
        if from == to {
            return Ok(());
        }
        let path = |kernel| format!("{FOLDER}/{kernel}");
        Volumes::rename(volumes, Volume::Boot(slot), &path(from), &path(to))
    };
    // First the good one: the other may only go once there is something to go back to.
    let ahead = other.is_some_and(|it| it.left.is_none() && it.sequence > good.sequence);
    let now_good = Kernel {
        sequence: if ahead { highest + 1 } else { good.sequence },
        left: None,
        done: 0,
    };
    rename(volumes, state.good, good, now_good)?;
    match (other, state.tries_left) {
        (None, Some(_)) => return Err(SlotError::Empty(state.good.other())),
        (Some(from), Some(left)) => {
            let to = Kernel {
                sequence: highest + 1,
                left: Some(left),
                done: 0,
            };
            rename(volumes, state.good.other(), from, to)?;
        }
        (Some(from), None) if from.left.is_some_and(|left| left > 0) => {
            let to = Kernel {
                left: Some(0),
                ..from
            };
            rename(volumes, state.good.other(), from, to)?;
        }
        (Some(_) | None, None) => {}
    }
    Ok(())
}

/// The kernel of a slot. A power cut while it was renamed can leave both names: the one without
/// a counter counts, then the newer one.
fn kernel(volumes: &impl Volumes, slot: Slot) -> Result<Option<Kernel>, SlotError> {
    let names = match volumes.list(Volume::Boot(slot), FOLDER) {
        Ok(names) => names,
        // An empty slot.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let kernels = names.iter().filter_map(|name| parse(name));
    Ok(kernels.max_by_key(|kernel| (kernel.left.is_none(), kernel.sequence, kernel.done)))
}

fn parse(name: &str) -> Option<Kernel> {
    let stem = name.strip_prefix("tasuki-")?.strip_suffix(".efi")?;
    let (sequence, counter) = match stem.split_once('+') {
        Some((sequence, counter)) => (sequence, Some(counter)),
        None => (stem, None),
    };
    let (left, done) =
        match counter.map(|counter| counter.split_once('-').unwrap_or((counter, "0"))) {
            Some((left, done)) => (Some(left.parse().ok()?), done.parse().ok()?),
            None => (None, 0),
        };
    Some(Kernel {
        sequence: sequence.parse().ok()?,
        left,
        done,
    })
}

impl fmt::Display for Kernel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sequence,
            left,
            done,
        } = self;
        write!(formatter, "tasuki-{sequence:06}")?;
        match (left, done) {
            (None, _) => {}
            (Some(left), 0) => write!(formatter, "+{left}")?,
            (Some(left), done) => write!(formatter, "+{left}-{done}")?,
        }
        formatter.write_str(".efi")
    }
}
