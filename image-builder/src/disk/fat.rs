//! FAT file systems: described here, made by mtools in user space, changed in memory, never mounted.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Cursor, Write};
use std::path::Path;

use fatfs::{Date, DateTime, FileSystem, FsOptions, Time};
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

/// Puts a file into the top folder of a file system that is there, over one of the same name.
///
/// In memory, by `fatfs`: an operator's workstation has no mtools. `fatfs` 0.3 does not make file
/// systems here, because fsck.fat does not like the folders that it makes.
pub fn put(bytes: &mut [u8], name: &str, content: &[u8]) -> io::Result<()> {
    let volume = FileSystem::new(Cursor::new(bytes), FsOptions::new())?;
    {
        let mut file = volume.root_dir().create_file(name)?;
        file.truncate()?;
        file.write_all(content)?;
        // Always the same, so that the bytes are; FAT begins with that day.
        let date = DateTime {
            date: Date {
                year: 1980,
                month: 1,
                day: 1,
            },
            time: Time {
                hour: 0,
                min: 0,
                sec: 0,
                millis: 0,
            },
        };
        #[expect(
            deprecated,
            reason = "the other way is a clock for the whole process, and this is no clock's time"
        )]
        {
            file.set_created(date);
            file.set_modified(date);
            file.set_accessed(date.date);
        }
        file.flush()?;
    }
    volume.unmount()
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

#[cfg(test)]
mod tests {
    use std::io::Read;

    use fatfs::{FatType, FormatVolumeOptions};

    use super::*;

    const SIZE: usize = 12 << 20;

    /// An empty file system of the kind that `CONFIG` has.
    fn empty() -> Vec<u8> {
        let mut bytes = vec![0; SIZE];
        let options = FormatVolumeOptions::new().fat_type(FatType::Fat16);
        fatfs::format_volume(Cursor::new(&mut bytes), options).unwrap();
        bytes
    }

    fn read(bytes: &[u8], name: &str) -> Vec<u8> {
        let volume = FileSystem::new(Cursor::new(bytes.to_vec()), FsOptions::new()).unwrap();
        let mut content = Vec::new();
        let mut file = volume.root_dir().open_file(name).unwrap();
        file.read_to_end(&mut content).unwrap();
        content
    }

    #[test]
    fn a_file_is_put_beside_others_and_over_its_own_name() {
        let mut bytes = empty();

        put(&mut bytes, "other.txt", b"stays").unwrap();
        put(&mut bytes, "node.toml", &[1; 9_000]).unwrap();
        put(&mut bytes, "node.toml", b"new").unwrap();

        assert_eq!(read(&bytes, "node.toml"), b"new");
        assert_eq!(read(&bytes, "other.txt"), b"stays");
        let mut again = empty();
        put(&mut again, "other.txt", b"stays").unwrap();
        put(&mut again, "node.toml", &[1; 9_000]).unwrap();
        put(&mut again, "node.toml", b"new").unwrap();
        assert!(bytes == again, "the same bytes whenever");
    }

    #[test]
    fn what_does_not_fit_and_what_is_no_file_system_are_errors() {
        let mut bytes = empty();
        assert!(put(&mut bytes, "a", &vec![1; SIZE - (1 << 20)]).is_ok());
        assert!(put(&mut bytes, "b", &vec![1; 1 << 20]).is_err());

        assert!(put(&mut vec![0xff; 4096], "a", b"").is_err());
    }
}
