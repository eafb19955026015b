//! The list of what is in an image, as CycloneDX 1.5: Debian packages, our programs, and the Rust
//! crates in each. It lies beside the image, and in it: a board that runs can be held against it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::board::Architecture;
use crate::identity::{Seed, Uuid};

/// Where it lies in the root, and a shorter one for people: a package URL and a hash a line.
pub const PLACE: &str = "usr/share/tasuki/sbom.json";
pub const LIST: &str = "usr/share/tasuki/packages";

/// What is in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    pub packages: Vec<Component>,
    /// Each with the crates that it consists of.
    pub programs: Vec<(Component, Vec<Component>)>,
}

/// One thing that has a name and a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    pub origin: Origin,
    pub name: String,
    pub version: String,
    /// SHA-256 in hexadecimal: of a package as it was fetched, of a program as it lies in the image.
    pub sha256: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Debian(Architecture),
    /// Debian's packages for every architecture.
    DebianAll,
    Cargo,
    /// A program of this workspace.
    Ours,
}

impl Component {
    /// The package URL (github.com/package-url/purl-spec).
    fn url(&self) -> String {
        let (name, version) = (escaped(&self.name), escaped(&self.version));
        match self.origin {
            Origin::Debian(architecture) => {
                format!("pkg:deb/debian/{name}@{version}?arch={architecture}")
            }
            Origin::DebianAll => format!("pkg:deb/debian/{name}@{version}?arch=all"),
            Origin::Cargo => format!("pkg:cargo/{name}@{version}"),
            Origin::Ours => format!("pkg:generic/{name}@{version}"),
        }
    }

    fn to_json(&self) -> Value {
        let mut value = json!({
            "type": if self.origin == Origin::Ours { "application" } else { "library" },
            "bom-ref": self.url(),
            "name": self.name,
            "version": self.version,
            "purl": self.url(),
        });
        if let (Some(sha256), Some(fields)) = (&self.sha256, value.as_object_mut()) {
            let hash = json!([{ "alg": "SHA-256", "content": sha256 }]);
            fields.insert("hashes".to_owned(), hash);
        }
        value
    }
}

/// Everything but letters, digits and `.-_~` as `%XX`.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'.' | b'-' | b'_' | b'~' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

impl Contents {
    /// Everything, in order and each once.
    fn components(&self) -> BTreeSet<&Component> {
        let programs = self.programs.iter();
        let programs = programs.flat_map(|(program, crates)| crates.iter().chain([program]));
        self.packages.iter().chain(programs).collect()
    }

    /// The document.
    pub fn document(&self, board: &str, version: &str, seed: &Seed) -> String {
        let serial: Uuid = seed.uuid("sbom");
        let components = self.components().into_iter();
        let list: Vec<Value> = components.map(Component::to_json).collect();
        let value = json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "serialNumber": format!("urn:uuid:{serial}"),
            "version": 1,
            "metadata": {
                "component": {
                    "type": "firmware",
                    "bom-ref": "image",
                    "name": format!("tasuki-{board}"),
                    "version": version,
                },
            },
            "components": list,
            "dependencies": self.dependencies(),
        });
        format!("{value:#}\n")
    }

    /// A line each, for whoever looks on a board.
    pub fn list(&self) -> String {
        let mut text = String::new();
        for component in self.components() {
            let sha256 = component.sha256.as_deref().unwrap_or("-");
            text.push_str(&format!("{} {sha256}\n", component.url()));
        }
        text
    }

    /// What consists of what: the image of packages and programs, a program of crates.
    fn dependencies(&self) -> Vec<Value> {
        let urls = |components: &[&Component]| -> BTreeSet<String> {
            components.iter().map(|component| component.url()).collect()
        };
        let mut direct: Vec<&Component> = self.packages.iter().collect();
        direct.extend(self.programs.iter().map(|(program, _)| program));
        let mut all = vec![json!({ "ref": "image", "dependsOn": urls(&direct) })];
        for (program, crates) in &self.programs {
            let crates: Vec<&Component> = crates.iter().collect();
            all.push(json!({ "ref": program.url(), "dependsOn": urls(&crates) }));
        }
        all
    }
}

/// The lock file of cargo is not as expected.
#[derive(Debug, thiserror::Error)]
pub enum CargoLockError {
    #[error("Cargo.lock: {0}")]
    Toml(#[from] toml::de::Error),
    #[error("Cargo.lock has no package {0}")]
    Missing(String),
}

/// The crates that a program consists of, by a listing with a line `name v1.2.3` for each.
///
/// Crates of this workspace have no checksum in `Cargo.lock`, and are left out.
pub fn crates(listing: &str, cargo_lock: &str) -> Result<Vec<Component>, CargoLockError> {
    let lock: toml::Table = cargo_lock.parse()?;
    let packages = lock.get("package").and_then(|packages| packages.as_array());
    let mut checksums = BTreeMap::new();
    for package in packages.into_iter().flatten() {
        let text = |key: &str| package.get(key).and_then(|value| value.as_str());
        if let (Some(name), Some(version)) = (text("name"), text("version")) {
            checksums.insert((name, version), text("checksum"));
        }
    }
    let mut components = Vec::new();
    for line in listing.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(version)) = (words.next(), words.next()) else {
            continue;
        };
        let version = version.strip_prefix('v').unwrap_or(version);
        let checksum = checksums
            .get(&(name, version))
            .ok_or_else(|| CargoLockError::Missing(format!("{name} {version}")))?;
        if let Some(checksum) = checksum {
            components.push(Component {
                origin: Origin::Cargo,
                name: name.to_owned(),
                version: version.to_owned(),
                sha256: Some((*checksum).to_owned()),
            });
        }
    }
    Ok(components)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Hash;

    #[test]
    fn crates_of_others_are_listed_with_their_checksums() {
        let lock = "[[package]]\nname = \"relay\"\nversion = \"0.1.0\"\n\n\
            [[package]]\nname = \"mio\"\nversion = \"1.2.0\"\nchecksum = \"aa\"\n";

        let found = crates("relay v0.1.0\nmio v1.2.0\nmio v1.2.0\n", lock).unwrap();

        assert_eq!(found.len(), 2);
        assert_eq!(found[0].url(), "pkg:cargo/mio@1.2.0");
        assert_eq!(found[0].sha256.as_deref(), Some("aa"));
        assert!(crates("serde v1.0.0", lock).is_err());
    }

    fn component(origin: Origin, name: &str) -> Component {
        Component {
            origin,
            name: name.to_owned(),
            version: "1:2.0+b1".to_owned(),
            sha256: None,
        }
    }

    #[test]
    fn a_document_lists_everything_once_and_says_what_consists_of_what() {
        let contents = Contents {
            packages: vec![component(Origin::Debian(Architecture::Arm64), "zlib1g")],
            programs: ["relay", "board"]
                .map(|name| {
                    let program = component(Origin::Ours, name);
                    (program, vec![component(Origin::Cargo, "mio")])
                })
                .to_vec(),
        };

        let text = contents.document("virt", "0.1.0", &Seed::new(Hash::of(b"x")));

        let value: Value = serde_json::from_str(&text).unwrap();
        let list = value["components"].as_array().unwrap().iter();
        let urls: Vec<&str> = list
            .map(|component| component["purl"].as_str().unwrap())
            .collect();
        let expected = [
            "pkg:deb/debian/zlib1g@1%3A2.0%2Bb1?arch=arm64",
            "pkg:cargo/mio@1%3A2.0%2Bb1",
            "pkg:generic/board@1%3A2.0%2Bb1",
            "pkg:generic/relay@1%3A2.0%2Bb1",
        ];
        assert_eq!(urls, expected);
        let lines: Vec<String> = expected.map(|url| format!("{url} -")).to_vec();
        assert_eq!(contents.list().lines().collect::<Vec<_>>(), lines);
        assert_eq!(
            value["dependencies"],
            json!([
                { "ref": "image", "dependsOn": [expected[0], expected[2], expected[3]] },
                { "ref": expected[3], "dependsOn": [expected[1]] },
                { "ref": expected[2], "dependsOn": [expected[1]] },
            ])
        );
    }
}
