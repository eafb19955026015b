//! What of Debian's packages is not in a root: less to load, to verify and to attack.
//!
//! `boards/contents.toml` names the programs that stay, and what else goes.

use protocol::file::reader::{Problems, read};

use super::Tree;
use crate::glob::matches;

const PROGRAMS: [&str; 2] = ["usr/bin/", "usr/sbin/"];
const UNITS: &str = "usr/lib/systemd/system/";

/// The list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Patterns of names in `/usr/bin` and `/usr/sbin`; no other program stays.
    programs: Vec<String>,
    /// Patterns of paths that go, with everything below them.
    remove: Vec<String>,
    /// Patterns of systemd's units that go, with the links to them.
    units: Vec<String>,
}

/// A line that fits nothing: a slip, or what it named is no longer in the packages.
#[derive(Debug, thiserror::Error)]
#[error("boards/contents.toml: nothing fits {}; correct it or take it away", .0.join(", "))]
pub struct Stale(pub Vec<String>);

impl Contents {
    /// Reads `boards/contents.toml`.
    pub fn parse(source: &str) -> Result<Self, Problems> {
        read(source, |top| {
            let programs = top.required("programs");
            let remove = top.required("remove");
            let units = top.required("units");
            Some(Self {
                programs: programs?,
                remove: remove?,
                units: units?,
            })
        })
    }

    /// Takes out of `tree` what the list says.
    pub fn prune(&self, tree: &mut Tree) -> Result<(), Stale> {
        let mut used = vec![false; self.programs.len() + self.remove.len() + self.units.len()];
        let (programs, rest) = used.split_at_mut(self.programs.len());
        let (remove, units) = rest.split_at_mut(self.remove.len());
        tree.retain(|path, _| {
            let program = PROGRAMS.iter().find_map(|folder| path.strip_prefix(folder));
            if let Some(name) = program
                && !any(&self.programs, programs, name)
            {
                return false;
            }
            // In `/usr/lib/systemd/system`, and in its folders of links.
            if let Some(below) = path.strip_prefix(UNITS) {
                let name = below.rsplit('/').next().unwrap_or(below);
                if any(&self.units, units, name) {
                    return false;
                }
            }
            !any(&self.remove, remove, path)
        });
        let all = self.programs.iter().chain(&self.remove).chain(&self.units);
        let stale: Vec<String> = all
            .zip(&used)
            .filter(|(_, used)| !**used)
            .map(|(pattern, _)| pattern.clone())
            .collect();
        if stale.is_empty() {
            Ok(())
        } else {
            Err(Stale(stale))
        }
    }
}

/// Whether a pattern fits `text`; remembers which.
fn any(patterns: &[String], used: &mut [bool], text: &str) -> bool {
    let mut found = false;
    for (pattern, used) in patterns.iter().zip(used) {
        if matches(pattern, text) {
            *used = true;
            found = true;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::{Entry, Kind};
    use super::*;

    #[test]
    fn programs_stay_by_name_and_the_rest_goes_by_path() {
        let mut tree = Tree::new(Timestamp::UNIX_EPOCH);
        for path in [
            "usr/bin/cat",
            "usr/bin/perl",
            "usr/sbin/mkfs.ext4",
            "usr/share/doc/a/b",
            "usr/lib/x/gconv/c",
            "usr/lib/systemd/system/a.timer",
            "usr/lib/systemd/system/timers.target.wants/a.timer",
            "usr/lib/systemd/system/b.service",
        ] {
            tree.insert(path, Entry::file(*b"")).unwrap();
        }
        let list = "programs = [\"cat\", \"mkfs.*\"]\n\
                    remove = [\"usr/share/doc\", \"usr/lib/*/gconv\"]\nunits = [\"a.*\"]\n";

        Contents::parse(list).unwrap().prune(&mut tree).unwrap();

        let files: Vec<&str> = tree
            .walk()
            .filter(|(_, entry)| entry.kind != Kind::Folder)
            .map(|(path, _)| path)
            .collect();
        assert_eq!(
            files,
            [
                "usr/bin/cat",
                "usr/lib/systemd/system/b.service",
                "usr/sbin/mkfs.ext4"
            ]
        );
    }

    #[test]
    fn a_line_that_fits_nothing_is_told() {
        let mut tree = Tree::new(Timestamp::UNIX_EPOCH);
        tree.insert("usr/bin/cat", Entry::file(*b"")).unwrap();
        let list = "programs = [\"cat\", \"dog\"]\nremove = []\nunits = []\n";

        let stale = Contents::parse(list).unwrap().prune(&mut tree).unwrap_err();

        assert_eq!(stale.0, ["dog"]);
    }
}
