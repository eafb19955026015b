//! Holds an image against its manifest: every byte, part by part, so that a difference has a name.

use std::fs::File;
use std::io;

use crate::disk::read::{self, Found, TableError};
use crate::disk::root::{self, Root};
use crate::manifest::{Manifest, Part};
use crate::release;

/// The slot that a new image starts.
const ROOT: &str = "root-a";

/// What is not as the manifest says, one line each; empty: nothing.
///
/// # Errors
/// The image cannot be read, or is none.
pub fn differences(
    disk: &mut File,
    length: u64,
    manifest: &Manifest,
) -> Result<Vec<String>, TableError> {
    let mut found = Vec::new();
    let whole = release::hash(disk, 0, length)?.to_string() == manifest.image;
    for part in manifest.parts() {
        found.extend(in_part(disk, &part)?);
    }
    if !whole && found.is_empty() {
        found.push("the partition table, or what should be empty between the parts".to_owned());
    }
    let table = match read::partitions(disk) {
        Ok(table) => table,
        // Its bytes have been missed already.
        Err(TableError::NoTable | TableError::Damaged) if !whole => return Ok(found),
        Err(error) => return Err(error),
    };
    found.extend(in_table(&table, manifest));
    match root::look(disk, ROOT, &table)? {
        Root::Sound(hash) if hash.to_string() == manifest.root_hash => {}
        Root::Sound(hash) => found.push(format!(
            "the root's hash is {hash}, and the manifest's {}",
            manifest.root_hash
        )),
        other @ (Root::Empty | Root::Damaged(_)) => found.push(format!("{ROOT} is {other}")),
    }
    Ok(found)
}

fn in_part(disk: &mut File, part: &Part) -> io::Result<Option<String>> {
    let Some((length, hash)) = &part.content else {
        return Ok(None);
    };
    let is = release::hash(disk, part.offset, *length)?.to_string();
    Ok((is != *hash).then(|| format!("{} has the hash {is}, and should have {hash}", part.name)))
}

/// Whether the disk's own table names the same places as the manifest.
fn in_table(table: &[Found], manifest: &Manifest) -> Vec<String> {
    let parts = manifest.parts().into_iter().filter(|part| part.partition);
    let parts: Vec<Part> = parts.collect();
    let mut found: Vec<String> = parts
        .iter()
        .filter(|part| {
            !table.iter().any(|other| {
                other.label == part.name
                    && other.offset == part.offset
                    && other.length == part.length
            })
        })
        .map(|part| format!("{} does not lie where the manifest says", part.name))
        .collect();
    if table.len() != parts.len() {
        let (is, should) = (table.len(), parts.len());
        found.push(format!("there are {is} partitions instead of {should}"));
    }
    found
}
