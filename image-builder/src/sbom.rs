//! The list of what is in an image, as CycloneDX 1.5: Debian packages and Rust crates.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::board::Architecture;
use crate::identity::{Seed, Uuid};

/// Something that somebody else made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    pub origin: Origin,
    pub name: String,
    pub version: String,
    /// SHA-256 of the package as it was fetched, in hexadecimal.
    pub sha256: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Debian(Architecture),
    /// Debian's packages for every architecture.
    DebianAll,
    Cargo,
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
        }
    }

    fn to_json(&self) -> Value {
        let mut value = json!({
            "type": "library",
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

/// The document, with the components in order and each once.
pub fn document(board: &str, version: &str, seed: &Seed, mut components: Vec<Component>) -> String {
    components.sort();
    components.dedup();
    let serial: Uuid = seed.uuid("sbom");
    let list: Vec<Value> = components.iter().map(Component::to_json).collect();
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
    });
    format!("{value:#}\n")
}

/// The lock file of cargo is not as expected.
#[derive(Debug, thiserror::Error)]
pub enum CargoLockError {
    #[error("Cargo.lock: {0}")]
    Toml(#[from] toml::de::Error),
    #[error("Cargo.lock has no package {0}")]
    Missing(String),
}

/// The crates that `programs` consist of, by the listing of `cargo tree --prefix none`.
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
        // `name v1.2.3 (proc-macro) (/path)`
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

        let found = crates("relay v0.1.0 (/src)\nmio v1.2.0\nmio v1.2.0\n", lock).unwrap();

        assert_eq!(found.len(), 2);
        assert_eq!(found[0].url(), "pkg:cargo/mio@1.2.0");
        assert_eq!(found[0].sha256.as_deref(), Some("aa"));
        assert!(crates("serde v1.0.0", lock).is_err());
    }

    #[test]
    fn a_document_lists_everything_once_and_in_order() {
        let component = |origin, name: &str| Component {
            origin,
            name: name.to_owned(),
            version: "1:2.0+b1".to_owned(),
            sha256: None,
        };
        let debian = component(Origin::Debian(Architecture::Arm64), "zlib1g");
        let list = vec![
            component(Origin::Cargo, "mio"),
            debian.clone(),
            component(Origin::Cargo, "mio"),
        ];

        let text = document("virt", "0.1.0", &Seed::new(Hash::of(b"x")), list);

        let value: Value = serde_json::from_str(&text).unwrap();
        let urls: Vec<&str> = value["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|component| component["purl"].as_str().unwrap())
            .collect();
        assert_eq!(
            urls,
            [
                "pkg:deb/debian/zlib1g@1%3A2.0%2Bb1?arch=arm64",
                "pkg:cargo/mio@1%3A2.0%2Bb1"
            ]
        );
    }
}
