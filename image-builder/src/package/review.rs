//! Maintainer scripts: none is run, and each one in use has been read by somebody.
//!
//! `boards/reviewed-scripts.toml` is written by people: one entry a script, by hash, with a word on
//! who does the script's work now.

use std::collections::BTreeMap;

use protocol::file::reader::{Problems, read};

use crate::identity::Hash;

use super::lock::{Locked, Part, Script};

/// The scripts that run when a package is installed; removal is nothing that an image knows.
pub const NAMES: [&str; 2] = ["preinst", "postinst"];

/// The reviewed scripts by hash, with what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewed(BTreeMap<Hash, String>);

/// Scripts that nobody has read.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} maintainer scripts are new or changed, and nobody has said what becomes of their work:\n{}\n\
     Read them (`tasuki image lock scripts FOLDER` writes them out), make sure that a step in \
     image-builder/src/root does what the image needs of them, and add to \
     boards/reviewed-scripts.toml:\n\n{}",
    .0.len(),
    .0.iter().map(|open| format!("  {}: {}", open.package, open.script.name)).collect::<Vec<_>>().join("\n"),
    .0.iter().map(Unreviewed::entry).collect::<Vec<_>>().join("\n")
)]
pub struct NotReviewed(pub Vec<Unreviewed>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreviewed {
    pub package: String,
    pub script: Script,
}

impl Unreviewed {
    fn entry(&self) -> String {
        format!(
            "[[script]]\npackage = \"{}\"\nname = \"{}\"\nsha256 = \"{}\"\nfinding = \"WHO DOES ITS WORK\"\n",
            self.package, self.script.name, self.script.sha256
        )
    }
}

impl Reviewed {
    /// Reads the list.
    pub fn parse(source: &str) -> Result<Self, Problems> {
        read(source, |top| {
            let scripts = top.tables("script", |script| {
                // For people; the hash alone decides.
                script.required::<String>("package");
                script.required::<String>("name");
                let sha256 = script.required::<Hash>("sha256");
                let finding = script.required::<String>("finding");
                Some((sha256?, finding?))
            });
            Some(Self(scripts.into_iter().collect()))
        })
    }

    /// Fails if a script of the root's packages is not on the list.
    pub fn check<'l>(
        &self,
        packages: impl IntoIterator<Item = &'l Locked>,
    ) -> Result<(), NotReviewed> {
        let root = packages
            .into_iter()
            .filter(|package| package.part == Part::Root);
        let open: Vec<Unreviewed> = root
            .flat_map(|package| package.scripts.iter().map(move |script| (package, script)))
            .filter(|(_, script)| !self.0.contains_key(&script.sha256))
            .map(|(package, script)| Unreviewed {
                package: package.name.clone(),
                script: script.clone(),
            })
            .collect();
        if open.is_empty() {
            Ok(())
        } else {
            Err(NotReviewed(open))
        }
    }

    /// Entries whose script no package has any more.
    pub fn stale<'l>(&self, packages: impl IntoIterator<Item = &'l Locked>) -> Vec<Hash> {
        let used: Vec<Hash> = packages
            .into_iter()
            .flat_map(|package| package.scripts.iter().map(|script| script.sha256))
            .collect();
        let sums = self.0.keys().copied();
        sums.filter(|sum| !used.contains(sum)).collect()
    }
}

/// The scripts among a package's control files.
pub fn scripts(
    control: &BTreeMap<String, std::sync::Arc<[u8]>>,
) -> impl Iterator<Item = (Script, &[u8])> {
    NAMES.into_iter().filter_map(|name| {
        let content: &[u8] = control.get(name)?;
        let script = Script {
            name: name.to_owned(),
            sha256: Hash::of(content),
        };
        Some((script, content))
    })
}

#[cfg(test)]
mod tests {
    use super::super::lock::Archive;
    use super::*;

    fn package(name: &str, part: Part, script: &[u8]) -> Locked {
        Locked {
            name: name.into(),
            meta: None,
            version: "1".into(),
            part,
            archive: Archive::Debian,
            path: String::new(),
            size: 0,
            sha256: Hash::of(b""),
            scripts: vec![Script {
                name: "postinst".into(),
                sha256: Hash::of(script),
            }],
        }
    }

    #[test]
    fn a_changed_script_stops_the_build_and_its_own_advice_lets_it_go_on() {
        let packages = [
            package("a", Part::Root, b"read"),
            package("b", Part::Root, b"changed"),
            package("kernel", Part::Boot, b"never run in a root"),
        ];
        let known = format!(
            "[[script]]\npackage = \"a\"\nname = \"postinst\"\nsha256 = \"{}\"\nfinding = \"x\"\n",
            Hash::of(b"read")
        );

        let refused = Reviewed::parse(&known)
            .unwrap()
            .check(&packages)
            .unwrap_err();
        assert_eq!(refused.0.len(), 1);
        assert_eq!(refused.0[0].package, "b");

        let text = refused.to_string();
        let advice = text.split_once("\n\n").unwrap().1;
        let grown = Reviewed::parse(&format!("{known}{advice}")).unwrap();
        assert!(grown.check(&packages).is_ok());
        assert_eq!(grown.stale(&packages[..1]), [Hash::of(b"changed")]);
    }
}
