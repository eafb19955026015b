//! FAT file systems: described here, made by mtools in user space, never mounted.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use jiff::Timestamp;

use crate::exec::{Call, ExecError};

use super::SECTOR;

/// Paths with `/` between the parts, and what is in the files.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A FAT file system; nothing in it depends on when or where it is made.
#[derive(Debug, PartialEq, Eq)]
pub struct Fat<'a> {
    /// At most 11 letters.
    pub label: &'a str,
    pub serial: u32,
    /// Bytes.
    pub size: u64,
    pub kind: FatKind,
    pub files: &'a Files,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FatKind {
    /// For small partitions: a table of a few sectors.
    Fat16,
    /// What UEFI asks for in a system partition; at least 65,525 clusters.
    Fat32,
}

/// Why a FAT file system is not made.
#[derive(Debug, thiserror::Error)]
pub enum FatError {
    #[error(transparent)]
    Tool(#[from] ExecError),
    #[error("cannot make the FAT file system in {folder}: {error}")]
    Folder { folder: String, error: io::Error },
}

/// Makes the file system in `folder` and returns its bytes.
///
/// `tool` gives a program of mtools by its name; `time` becomes every file's time.
pub fn make(
    fat: &Fat<'_>,
    tool: impl Fn(&str) -> Call,
    time: Timestamp,
    folder: &Path,
) -> Result<Vec<u8>, FatError> {
    let refused = |error| FatError::Folder {
        folder: folder.display().to_string(),
        error,
    };
    let image = folder.join(format!("{}.fat", fat.label));
    let file = File::create(&image).map_err(refused)?;
    file.set_len(fat.size).map_err(refused)?;
    let call = |name: &str| on(&image, tool(name), time);
    let format = call("mformat")
        .args(["-T", &(fat.size / SECTOR).to_string()])
        .args(["-h", "64", "-s", "32"])
        .args(["-N", &format!("{:08x}", fat.serial), "-v", fat.label]);
    match fat.kind {
        FatKind::Fat16 => format.args(["-c", "4"]),
        FatKind::Fat32 => format.args(["-F", "-c", "1"]),
    }
    .arg("::")
    .run()?;
    for path in folders(fat.files) {
        call("mmd").arg(format!("::/{path}")).run()?;
    }
    for (path, content) in fat.files {
        call("mcopy")
            .args(["-", &format!("::/{path}")])
            .input(content.as_slice())
            .run()?;
    }
    let bytes = fs::read(&image).map_err(refused)?;
    fs::remove_file(&image).map_err(refused)?;
    Ok(bytes)
}

/// Puts one file into the top folder of a file system that is there, over one of the same name.
pub fn put(
    bytes: &[u8],
    (name, content): (&str, &[u8]),
    tool: impl Fn(&str) -> Call,
    time: Timestamp,
    folder: &Path,
) -> Result<Vec<u8>, FatError> {
    let refused = |error| FatError::Folder {
        folder: folder.display().to_string(),
        error,
    };
    let image = folder.join("put.fat");
    fs::write(&image, bytes).map_err(refused)?;
    on(&image, tool("mcopy"), time)
        .args(["-o", "-", &format!("::/{name}")])
        .input(content)
        .run()?;
    let bytes = fs::read(&image).map_err(refused)?;
    fs::remove_file(&image).map_err(refused)?;
    Ok(bytes)
}

fn on(image: &Path, call: Call, time: Timestamp) -> Call {
    call.env("SOURCE_DATE_EPOCH", time.as_second().to_string())
        // mtools refuses sizes that no floppy of the last century had.
        .env("MTOOLS_SKIP_CHECK", "1")
        .arg("-i")
        .arg(image)
}

/// Every folder that the files need, outer ones first.
fn folders(files: &Files) -> Vec<&str> {
    let mut folders = Vec::new();
    for path in files.keys() {
        for (end, _) in path.match_indices('/') {
            let (folder, _) = path.split_at(end);
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
    }
    folders
}
