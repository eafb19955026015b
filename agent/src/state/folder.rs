//! A folder of small files: read whole, written atomically, one writer at a time.
//!
//! A write goes to `NAME.new`, is flushed to the disk and renamed, so that after `kill -9`
//! or a power cut either the old file or the new one is there. The lock makes the fixed
//! name safe, and read-modify-write too; the kernel frees it when its holder dies.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{StateError, sealed};
use crate::platform;

const LOCK: &str = "write.lock";
/// A writer holds the lock for one small file; one that takes longer hangs.
const LOCK_TRIES: u32 = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// No file of ours is larger (the largest is a board list in base64).
pub(super) const FILE_MAX: u64 = 256 * 1024;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Owner,
    Everybody,
}

/// A folder that only its owner can look into.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

/// The right to change the files of a folder.
pub(super) struct Writer<'f> {
    folder: &'f Folder,
    _lock: File,
}

impl Folder {
    /// Opens a folder and makes it if needed.
    pub(super) fn open(path: PathBuf) -> Result<Self, StateError> {
        match platform::make_private_folder(&path) {
            Ok(()) => Ok(Self { path }),
            Err(source) => Err(StateError::Io {
                action: "make",
                path,
                source,
            }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The file's bytes; `None` if there is no such file.
    pub(super) fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
        let path = self.path_of(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("open", &path)(error)),
        };
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(FILE_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(failed("read", &path))?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_MAX) {
            return Err(self.damaged(name, "it is too large"));
        }
        Ok(Some(bytes))
    }

    /// The file's text; `None` if there is no such file.
    pub(super) fn read_text(&self, name: &str) -> Result<Option<Zeroizing<String>>, StateError> {
        let Some(bytes) = self.read(name)? else {
            return Ok(None);
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Some(Zeroizing::new(text.to_owned()))),
            Err(_) => Err(self.damaged(name, "it is not text")),
        }
    }

    /// The text of a sealed file.
    pub(super) fn sealed(&self, name: &str, bytes: &[u8]) -> Result<Zeroizing<String>, StateError> {
        sealed::seal(name, bytes).map_err(failed("protect", &self.path_of(name)))
    }

    /// Waits for the right to change files.
    pub(super) fn writer(&self) -> Result<Writer<'_>, StateError> {
        for _ in 0..LOCK_TRIES {
            if let Some(writer) = self.writer_now()? {
                return Ok(writer);
            }
            thread::sleep(LOCK_PAUSE);
        }
        let path = self.path_of(LOCK);
        Err(StateError::InUse { path })
    }

    /// The right to change files, unless somebody else has it.
    pub(super) fn writer_now(&self) -> Result<Option<Writer<'_>>, StateError> {
        let path = self.path_of(LOCK);
        let lock = platform::open_private(&path).map_err(failed("open", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Writer {
                folder: self,
                _lock: lock,
            })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
        }
    }

    /// Replaces a file that only the owner may read.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        self.writer()?.write(name, bytes, Access::Owner)
    }

    pub(super) fn damaged(&self, name: &str, reason: impl Into<String>) -> StateError {
        StateError::Damaged {
            path: self.path_of(name),
            reason: reason.into(),
        }
    }
}

impl<'f> Writer<'f> {
    pub(super) fn folder(&self) -> &'f Folder {
        self.folder
    }

    /// Replaces a file. When this returns, the new one is on the disk.
    pub(super) fn write(&self, name: &str, bytes: &[u8], access: Access) -> Result<(), StateError> {
        let path = self.folder.path_of(name);
        let new = self.folder.path_of(&format!("{name}.new"));
        let opened = match access {
            Access::Owner => platform::open_private(&new),
            Access::Everybody => platform::open_public(&new),
        };
        let mut file = opened.map_err(failed("create", &new))?;
        // The file of a writer that was killed half-way is still there, perhaps longer.
        file.set_len(0)
            .and_then(|()| file.write_all(bytes))
            .and_then(|()| file.sync_all())
            .map_err(failed("write", &new))?;
        std::fs::rename(&new, &path).map_err(failed("replace", &path))?;
        self.sync()
    }

    /// Removes a file; one that is not there is as good as removed.
    pub(super) fn remove(&self, name: &str) -> Result<(), StateError> {
        let path = self.folder.path_of(name);
        match std::fs::remove_file(&path) {
            Ok(()) => self.sync(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("remove", &path)(error)),
        }
    }

    /// Makes renames and removals last through a power cut.
    fn sync(&self) -> Result<(), StateError> {
        let path = self.folder.path();
        platform::sync_folder(path).map_err(failed("flush", path))
    }
}

pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let root = tempfile::tempdir().expect("temporary folder");
        let folder = Folder::open(root.path().join("part")).expect("opens");
        (root, folder)
    }

    #[test]
    fn write_replaces_and_leaves_nothing_behind() {
        let (_root, folder) = folder();

        folder
            .write("a", b"a longer first version")
            .expect("writes");
        folder.write("a", b"second").expect("writes");

        assert_eq!(
            **folder.read("a").expect("reads").expect("is there"),
            *b"second"
        );
        assert!(!folder.path_of("a.new").exists());
    }

    #[test]
    fn remains_of_a_killed_writer_do_not_show() {
        let (_root, folder) = folder();
        folder.write("a", b"old").expect("writes");
        std::fs::write(folder.path_of("a.new"), b"half of something much longer").expect("writes");

        assert_eq!(
            **folder.read("a").expect("reads").expect("is there"),
            *b"old"
        );
        folder.write("a", b"new").expect("writes");
        assert_eq!(
            **folder.read("a").expect("reads").expect("is there"),
            *b"new"
        );
    }

    #[test]
    fn file_is_read_up_to_its_limit_and_refused_one_past_it() {
        let (_root, folder) = folder();
        let limit = usize::try_from(FILE_MAX).expect("fits");

        std::fs::write(folder.path_of("a"), vec![0; limit]).expect("writes");
        assert!(folder.read("a").is_ok());

        std::fs::write(folder.path_of("a"), vec![0; limit + 1]).expect("writes");
        assert!(matches!(folder.read("a"), Err(StateError::Damaged { .. })));
    }

    #[test]
    fn writers_take_turns() {
        let (_root, folder) = folder();
        folder.write("count", b"0").expect("writes");

        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        let writer = folder.writer().expect("its turn");
                        let text = folder.read_text("count").expect("reads").expect("is there");
                        let next = text.parse::<u32>().expect("is a number") + 1;
                        let text = next.to_string();
                        writer
                            .write("count", text.as_bytes(), Access::Owner)
                            .expect("writes");
                    }
                });
            }
        });

        assert_eq!(
            **folder.read("count").expect("reads").expect("is there"),
            *b"100"
        );
    }

    /// Names the folder in which a child process writes without end.
    const VICTIM: &str = "TASUKI_TEST_VICTIM";
    const LENGTH: usize = 100_000;

    #[test]
    fn killed_writer_leaves_a_whole_file_and_a_free_lock() {
        if let Some(path) = std::env::var_os(VICTIM) {
            write_for_ever(PathBuf::from(path));
        }
        let (_root, folder) = folder();
        for lines in 1..=12 {
            let test = "state::folder::tests::killed_writer_leaves_a_whole_file_and_a_free_lock";
            let mut victim = Command::new(std::env::current_exe().expect("is known"))
                .args(["--exact", test, "--nocapture"])
                .env(VICTIM, folder.path())
                .stdout(Stdio::piped())
                .spawn()
                .expect("runs");
            let told = BufReader::new(victim.stdout.take().expect("is piped")).lines();
            let told = told.filter(|line| line.as_ref().is_ok_and(|line| line.contains("written")));
            assert_eq!(
                told.take(lines).count(),
                lines,
                "the victim ended by itself"
            );
            victim.kill().expect("is killed");
            victim.wait().expect("ends");

            let bytes = folder.read("a").expect("reads").expect("is there");
            assert_eq!(bytes.len(), LENGTH);
            assert!(
                bytes.iter().all(|byte| *byte == bytes[0]),
                "two versions mixed"
            );
            folder
                .write("b", b"free")
                .expect("the lock died with its holder");
        }
    }

    fn write_for_ever(path: PathBuf) -> ! {
        let folder = Folder::open(path).expect("opens");
        loop {
            for byte in 0..=u8::MAX {
                folder.write("a", &[byte; LENGTH]).expect("writes");
                println!("written");
            }
        }
    }
}
