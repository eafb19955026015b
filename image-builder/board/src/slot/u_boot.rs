//! U-Boot's script: the state lies twice on `CONFIG`; `docs/BOOT.md` has the rules.
//!
//! The first copy is believed if it is whole, else the second. The one that is not believed is
//! written first: so whenever the power goes, the one that is believed says the old or the new.

use std::io;

use super::environment::{decode, encode};
use super::{Slot, State, Volume, Volumes};

pub(super) const FILES: [&str; 2] = ["tasuki/slot-0.env", "tasuki/slot-1.env"];

/// What the script will read; like the script, without a whole copy it means slot a.
pub(super) fn state(volumes: &impl Volumes) -> State {
    stored(volumes).unwrap_or(State {
        good: Slot::A,
        tries_left: None,
    })
}

pub(super) fn stored(volumes: &impl Volumes) -> Option<State> {
    FILES
        .iter()
        .find_map(|path| decode(&volumes.read(Volume::Config, path).ok()?))
}

pub(super) fn set(volumes: &mut impl Volumes, state: State) -> io::Result<()> {
    let [first, second] = FILES;
    let believed = |path| {
        volumes
            .read(Volume::Config, path)
            .is_ok_and(|it| decode(&it).is_some())
    };
    let order = if believed(first) {
        [second, first]
    } else {
        [first, second]
    };
    order
        .iter()
        .try_for_each(|path| volumes.overwrite(Volume::Config, path, &encode(state)))
}
