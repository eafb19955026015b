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
/// Six digits sort by their value; no card lives for a tenth of that many updates.
const SEQUENCE_END: u32 = 1_000_000;

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
    // Only names that come out as they went in: a rename has to find its file.
    let kernels = names
        .iter()
        .filter_map(|name| parse(name).filter(|kernel| kernel.to_string() == *name));
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
        sequence: sequence.parse().ok().filter(|it| *it < SEQUENCE_END)?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written_and_no_other_name_counts() {
        let kernel = |sequence, left, done| Kernel {
            sequence,
            left,
            done,
        };
        for (name, wanted) in [
            ("tasuki-000001.efi", kernel(1, None, 0)),
            ("tasuki-000002+3.efi", kernel(2, Some(3), 0)),
            ("tasuki-000002+2-1.efi", kernel(2, Some(2), 1)),
            ("tasuki-999998+0-3.efi", kernel(999_998, Some(0), 3)),
        ] {
            assert_eq!(parse(name), Some(wanted), "{name}");
            assert_eq!(wanted.to_string(), name);
        }
        for name in [
            "tasuki-4294967295.efi",
            "tasuki-1000000.efi",
            "tasuki-000001+256.efi",
            "tasuki-000001+3-.efi",
            "tasuki-.efi",
            "other.efi",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }

    /// A boot partition a with these kernels.
    struct Names(&'static [&'static str]);

    impl Volumes for Names {
        fn read(&self, _: Volume, _: &str) -> std::io::Result<Vec<u8>> {
            unreachable!("names are all that counts")
        }

        fn list(&self, volume: Volume, _: &str) -> std::io::Result<Vec<String>> {
            let names = if volume == Volume::Boot(Slot::A) {
                self.0
            } else {
                &[]
            };
            Ok(names.iter().map(|name| (*name).to_owned()).collect())
        }

        fn overwrite(&mut self, _: Volume, _: &str, _: &[u8]) -> std::io::Result<()> {
            unreachable!("nothing is written")
        }

        fn rename(&mut self, _: Volume, _: &str, _: &str) -> std::io::Result<()> {
            unreachable!("nothing is renamed")
        }
    }

    #[test]
    fn of_two_names_of_one_kernel_the_one_without_a_counter_counts_and_foreign_names_do_not() {
        let found = |names| kernel(&Names(names), Slot::A).unwrap();
        let good = found(&["tasuki-000002+2-1.efi", "tasuki-000002.efi"]);
        assert_eq!(good.map(|it| it.left), Some(None));
        // They would be renamed to something from a name that is not there.
        for name in [
            "tasuki-2.efi",
            "tasuki-000002+03.efi",
            "tasuki-000002+3-0.efi",
        ] {
            assert_eq!(parse(name).map(|it| it.sequence), Some(2), "{name}");
        }
        assert_eq!(
            found(&[
                "tasuki-2.efi",
                "tasuki-000002+03.efi",
                "tasuki-000002+3-0.efi"
            ]),
            None
        );
    }

    /// One kernel in each boot partition, a and b.
    struct Kernels([String; 2]);

    impl Volumes for Kernels {
        fn read(&self, _: Volume, _: &str) -> std::io::Result<Vec<u8>> {
            unreachable!("names are all that counts")
        }

        fn list(&self, volume: Volume, _: &str) -> std::io::Result<Vec<String>> {
            let [a, b] = &self.0;
            Ok(vec![
                if volume == Volume::Boot(Slot::A) {
                    a
                } else {
                    b
                }
                .clone(),
            ])
        }

        fn overwrite(&mut self, _: Volume, _: &str, _: &[u8]) -> std::io::Result<()> {
            unreachable!("nothing is written")
        }

        fn rename(&mut self, volume: Volume, from: &str, to: &str) -> std::io::Result<()> {
            let [a, b] = &mut self.0;
            let kernel = if volume == Volume::Boot(Slot::A) {
                a
            } else {
                b
            };
            assert_eq!(from, format!("{FOLDER}/{kernel}"));
            *kernel = to.trim_start_matches(FOLDER).trim_matches('/').to_owned();
            Ok(())
        }
    }

    #[test]
    fn each_state_has_its_names() {
        let named = |a: &str, b: &str, good, tries_left| {
            let mut kernels = Kernels([a, b].map(|name| format!("tasuki-{name}.efi")));
            set(&mut kernels, State { good, tries_left }).unwrap();
            assert_eq!(state(&kernels).unwrap().good, good);
            kernels.0.map(|name| name[7..name.len() - 4].to_owned())
        };
        // Off probation: nobody starts it while it is written.
        let withdrawn = named("000001", "000002+3", Slot::A, None);
        assert_eq!(withdrawn, ["000001", "000002+0"]);
        let tried = named("000001", "000000+0", Slot::A, Some(3));
        assert_eq!(tried, ["000001", "000002+3"]);
        let kept = named("000001", "000002+2-1", Slot::B, None);
        assert_eq!(kept, ["000001", "000002"]);
        // An old system that is kept has to come before the newer one.
        let back = named("000001", "000002", Slot::A, None);
        assert_eq!(back, ["000003", "000002"]);
    }
}
