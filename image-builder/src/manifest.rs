//! What an image was made of, and what came out: `manifest.json`, to the byte.
//!
//! The inputs' hash is the seed of every identifier in the image. Of two images, the inputs that
//! differ tell why the parts do.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use crate::disk::plan::Plan;
use crate::identity::{Hash, Seed};

/// Raised when the meaning of the file changes.
const FORMAT: u64 = 1;

/// Something that goes into an image: a kind and a name, as `package` and `libc6`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    pub kind: String,
    pub name: String,
}

/// What is known of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Empty for files of ours, which have none of their own.
    pub version: String,
    pub hash: Hash,
}

/// Everything that goes into an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs(BTreeMap<Name, Input>);

impl Inputs {
    pub fn add(&mut self, kind: &str, name: &str, version: &str, hash: Hash) {
        let key = Name {
            kind: kind.to_owned(),
            name: name.to_owned(),
        };
        let version = version.to_owned();
        self.0.insert(key, Input { version, hash });
    }

    /// What all identifiers of the image come from.
    pub fn seed(&self) -> Seed {
        Seed::new(Hash::of(self.to_json().to_string().as_bytes()))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Input)> {
        self.0.iter()
    }

    fn to_json(&self) -> Value {
        self.0
            .iter()
            .map(|(key, input)| {
                json!({
                    "kind": key.kind,
                    "name": key.name,
                    "version": input.version,
                    "sha256": input.hash.to_string(),
                })
            })
            .collect()
    }
}

/// What `manifest.json` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    pub board: String,
    pub version: String,
    pub root_hash: String,
    /// SHA-256 of the whole disk image.
    pub image: String,
    /// SHA-256 of `sbom.json`.
    pub sbom: String,
    pub inputs: Value,
    pub disk: Value,
}

/// Something with a place on the disk, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// A partition's label, or the path of a file of the boot package.
    pub name: String,
    pub partition: bool,
    pub offset: u64,
    pub length: u64,
    /// Length and SHA-256 of what lies at its beginning.
    pub content: Option<(u64, String)>,
}

/// The text is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("is no manifest: {0}")]
    Json(#[from] serde_json::Error),
    #[error("is no manifest: {0} is missing")]
    Missing(&'static str),
    #[error("has format {0}, which this version of tasuki does not know; use a newer one")]
    Format(u64),
}

impl Manifest {
    pub fn new(
        board: &str,
        version: &str,
        root_hash: Hash,
        image: Hash,
        sbom: Hash,
        inputs: &Inputs,
        plan: &Plan,
    ) -> Self {
        Self {
            board: board.to_owned(),
            version: version.to_owned(),
            root_hash: root_hash.to_string(),
            image: image.to_string(),
            sbom: sbom.to_string(),
            inputs: inputs.to_json(),
            disk: plan.to_json(),
        }
    }

    pub fn to_text(&self) -> String {
        let value = json!({
            "format": FORMAT,
            "board": self.board,
            "version": self.version,
            "root_hash": self.root_hash,
            "image": { "sha256": self.image },
            "sbom": { "sha256": self.sbom },
            "disk": self.disk,
            "inputs": self.inputs,
        });
        format!("{value:#}\n")
    }

    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let value: Value = serde_json::from_str(text)?;
        let format = value.get("format").and_then(Value::as_u64);
        match format.ok_or(ManifestError::Missing("format"))? {
            FORMAT => {}
            other => return Err(ManifestError::Format(other)),
        }
        let string = |pointer: &str, name: &'static str| {
            let text = value.pointer(pointer).and_then(Value::as_str);
            text.map(str::to_owned).ok_or(ManifestError::Missing(name))
        };
        Ok(Self {
            board: string("/board", "board")?,
            version: string("/version", "version")?,
            root_hash: string("/root_hash", "root_hash")?,
            image: string("/image/sha256", "image.sha256")?,
            sbom: string("/sbom/sha256", "sbom.sha256")?,
            inputs: value.get("inputs").cloned().unwrap_or_default(),
            disk: value.get("disk").cloned().unwrap_or_default(),
        })
    }

    /// Everything with a place on the disk; what the manifest leaves out is empty here.
    pub fn parts(&self) -> Vec<Part> {
        let list = |key: &str| self.disk.get(key).and_then(Value::as_array);
        let partitions = list("partitions").into_iter().flatten();
        let raw = list("raw").into_iter().flatten();
        partitions
            .map(|value| part(value, true))
            .chain(raw.map(|value| part(value, false)))
            .collect()
    }

    /// Where two manifests differ, inputs first; empty if they are the same.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let mut found = differences(
            "input",
            &named_inputs(&self.inputs),
            &named_inputs(&other.inputs),
        );
        found.extend(differences(
            "part",
            &named_parts(self.parts()),
            &named_parts(other.parts()),
        ));
        if found.is_empty() && self.image != other.image {
            found.push(Difference {
                place: "image".to_owned(),
                here: Some(self.image.clone()),
                there: Some(other.image.clone()),
            });
        }
        found
    }
}

/// Something that is not the same in two images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub place: String,
    pub here: Option<String>,
    pub there: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "not there".to_owned());
        write!(
            f,
            "{}: {} -> {}",
            self.place,
            side(&self.here),
            side(&self.there)
        )
    }
}

type Named = BTreeMap<String, String>;

fn differences(what: &str, here: &Named, there: &Named) -> Vec<Difference> {
    let mut names: Vec<&String> = here.keys().chain(there.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| here.get(*name) != there.get(*name))
        .map(|name| Difference {
            place: format!("{what} {name}"),
            here: here.get(name).cloned(),
            there: there.get(name).cloned(),
        })
        .collect()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn named_inputs(inputs: &Value) -> Named {
    let inputs = inputs.as_array().into_iter().flatten();
    inputs
        .map(|input| {
            (
                format!("{} {}", text(input, "kind"), text(input, "name")),
                format!("{} {}", text(input, "version"), text(input, "sha256"))
                    .trim()
                    .to_owned(),
            )
        })
        .collect()
}

/// Where each part lies, and what it holds. Identifiers follow from the inputs and are left out.
fn named_parts(parts: Vec<Part>) -> Named {
    let mut named = Named::new();
    for Part {
        name,
        offset,
        length,
        content,
        ..
    } in parts
    {
        let place = format!("{length} bytes at {offset}");
        named.insert(format!("{name}, its place"), place);
        if let Some((_, sha256)) = content {
            named.insert(name, sha256);
        }
    }
    named
}

fn part(value: &Value, partition: bool) -> Part {
    let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_u64).unwrap_or(0);
    let content = value.get("content").filter(|content| !content.is_null());
    let content = content.map(|content| {
        let sha256 = text(content, "sha256").to_owned();
        (number(content, "length"), sha256)
    });
    Part {
        name: text(value, if partition { "label" } else { "name" }).to_owned(),
        partition,
        offset: number(value, "offset"),
        length: number(value, "length"),
        content,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::board;
    use crate::disk::plan::{Content, Parts};

    fn manifest(inputs: &Inputs, root: &[u8]) -> Manifest {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards");
        let board = board::load(&folder, "virt").unwrap();
        let content = Content::of(b"same");
        let parts = Parts {
            config: content.clone(),
            boot_a: content.clone(),
            boot_b: content.clone(),
            root: Content::of(root),
            verity: content,
            raw: Vec::new(),
        };
        let plan = Plan::new(&board, &inputs.seed(), &parts).unwrap();
        let hash = Hash::of(root);
        Manifest::new("virt", "1.0", hash, hash, hash, inputs, &plan)
    }

    fn inputs(relay: &[u8]) -> Inputs {
        let mut inputs = Inputs::default();
        inputs.add("package", "libc6", "2.41-12", Hash::of(b"libc6"));
        inputs.add("program", "tasuki-relay", "", Hash::of(relay));
        inputs
    }

    #[test]
    fn one_byte_in_one_input_is_named_with_the_part_that_it_changed() {
        let one = manifest(&inputs(b"relay"), b"root");
        let other = manifest(&inputs(b"Relay"), b"another root");

        let places: Vec<String> = one
            .differences(&other)
            .into_iter()
            .map(|difference| difference.place)
            .collect();

        assert_eq!(places, ["input program tasuki-relay", "part root-a"]);
        assert_eq!(one.differences(&one), []);
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let manifest = manifest(&inputs(b"relay"), b"root");

        let again = Manifest::parse(&manifest.to_text()).unwrap();

        assert_eq!(again, manifest);
        let newer = manifest.to_text().replace("\"format\": 1", "\"format\": 2");
        assert!(matches!(
            Manifest::parse(&newer),
            Err(ManifestError::Format(2))
        ));
    }
}
