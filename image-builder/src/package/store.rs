//! Gets packages by their hash: from the cache, a release's archive, the mirror, the snapshot.
//!
//! Downloads go through `apt-helper`, which knows the workstation's proxies, credentials and
//! certificates; what it brings is believed only when its hash is the locked one.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::exec::Shell;
use crate::identity::Hash;
use crate::progress::Progress;

use super::lock::Locked;
use super::resolve::MIRROR;

/// Every package that Debian ever had, by date.
const SNAPSHOT: &str = "http://snapshot.debian.org/archive";
const APT_HELPER: &str = "/usr/lib/apt/apt-helper";
/// Packages in one run of `apt-helper`: one connection, and yet a progress bar that moves.
const BATCH: usize = 8;

/// Why a package is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(
        "these packages are nowhere to be had:\n  {}\nDebian's mirror forgets old versions. Give \
         --archive the folder that `tasuki image lock archive` made for this release, or take \
         today's versions with `tasuki image lock update`.",
        .0.join("\n  ")
    )]
    Gone(Vec<String>),
    #[error(
        "these packages are neither in the cache nor in the archive:\n  {}\nStart without --offline, \
         or give --archive the folder that has them.",
        .0.join("\n  ")
    )]
    Offline(Vec<String>),
}

/// Packages by hash.
pub struct Store {
    shell: Shell,
    folder: PathBuf,
    archive: Option<PathBuf>,
    offline: bool,
}

impl Store {
    /// `folder` is the cache; `archive` one that was kept beside a release; `offline` keeps it from
    /// asking mirrors.
    pub fn new(
        shell: Shell,
        folder: PathBuf,
        archive: Option<PathBuf>,
        offline: bool,
    ) -> Result<Self, StoreError> {
        make_folder(&folder)?;
        Ok(Self {
            shell,
            folder,
            archive,
            offline,
        })
    }

    /// Makes sure that all `packages` are in the cache.
    ///
    /// `time` is the lock's: it tells the snapshot which day's archive to look in.
    pub fn fetch(
        &self,
        packages: &[&Locked],
        time: Timestamp,
        progress: &Progress,
    ) -> Result<(), StoreError> {
        let mut missing = Vec::new();
        for package in packages {
            if !self.place(package).is_file() && !self.take_from_archive(package)? {
                missing.push(*package);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let total = missing.iter().map(|package| package.size).sum();
        let step = progress.step("fetching packages", total);
        let snapshot = format!("{SNAPSHOT}/{{}}/{}", time.strftime("%Y%m%dT%H%M%SZ"));
        let sources = match self.offline {
            true => Vec::new(),
            false => vec![format!("{MIRROR}/{{}}"), snapshot],
        };
        for source in sources {
            let mut left = Vec::new();
            for batch in missing.chunks(BATCH) {
                self.download(&source, batch)?;
                for package in batch {
                    if self.place(package).is_file() {
                        step.advance(package.size);
                    } else {
                        left.push(*package);
                    }
                }
            }
            missing = left;
        }
        if missing.is_empty() {
            return Ok(());
        }
        let name = |package: &&Locked| format!("{} {}", package.name, package.version);
        let names = missing.iter().map(name).collect();
        Err(if self.offline {
            StoreError::Offline(names)
        } else {
            StoreError::Gone(names)
        })
    }

    /// The bytes of a package that [`Store::fetch`] got; checked again, since disks fail.
    pub fn read(&self, package: &Locked) -> Result<Vec<u8>, StoreError> {
        let path = self.place(package);
        let bytes = fs::read(&path).map_err(|source| StoreError::File {
            path: path.clone(),
            source,
        })?;
        if Hash::of(&bytes) == package.sha256 {
            return Ok(bytes);
        }
        // Away with it, so that the next run fetches it anew.
        fs::remove_file(&path).map_err(|source| StoreError::File {
            path: path.clone(),
            source,
        })?;
        let source = io::Error::other("was damaged and has been deleted; start again");
        Err(StoreError::File { path, source })
    }

    /// Copies packages to a folder under the names that Debian gives them.
    pub fn archive(&self, packages: &[&Locked], folder: &Path) -> Result<(), StoreError> {
        make_folder(folder)?;
        for package in packages {
            let path = folder.join(package.file_name());
            fs::write(&path, self.read(package)?)
                .map_err(|source| StoreError::File { path, source })?;
        }
        Ok(())
    }

    fn place(&self, package: &Locked) -> PathBuf {
        self.folder.join(format!("{}.deb", package.sha256))
    }

    fn take_from_archive(&self, package: &Locked) -> Result<bool, StoreError> {
        let Some(archive) = &self.archive else {
            return Ok(false);
        };
        let path = archive.join(package.file_name());
        match fs::read(&path) {
            Ok(bytes) => self.keep(package, &bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(source) => Err(StoreError::File { path, source }),
        }
    }

    /// Keeps `bytes` if they are the package.
    fn keep(&self, package: &Locked, bytes: &[u8]) -> Result<bool, StoreError> {
        if Hash::of(bytes) != package.sha256 {
            return Ok(false);
        }
        let path = self.place(package);
        let failed = |source| StoreError::File {
            path: path.clone(),
            source,
        };
        // Two builds may fetch at once: each writes its own file, and the last one stays.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(failed)?;
        io::Write::write_all(&mut file, bytes).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(true)
    }

    fn download(&self, source: &str, packages: &[&Locked]) -> Result<(), StoreError> {
        let folder = tempfile::tempdir_in(&self.folder).map_err(|source| StoreError::File {
            path: self.folder.clone(),
            source,
        })?;
        let mut call = self.shell.call_local(APT_HELPER).arg("download-file");
        for package in packages {
            let base = source.replace("{}", package.archive.name());
            call = call
                .arg(format!("{base}/{}", package.path))
                .arg(folder.path().join(package.sha256.to_string()))
                .arg(format!("SHA256:{}", package.sha256));
        }
        // It fails if one of them is not there; which ones came is seen below.
        let _ = call.run();
        for package in packages {
            let path = folder.path().join(package.sha256.to_string());
            if let Ok(bytes) = fs::read(&path) {
                self.keep(package, &bytes)?;
            }
        }
        Ok(())
    }
}

fn make_folder(folder: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(folder).map_err(|source| StoreError::File {
        path: folder.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::super::lock::{Archive, Part};
    use super::*;

    fn package(content: &[u8]) -> Locked {
        Locked {
            name: "a".into(),
            meta: None,
            version: "1".into(),
            part: Part::Root,
            archive: Archive::Debian,
            path: "pool/a_1_all.deb".into(),
            size: 1,
            sha256: Hash::of(content),
            scripts: Vec::new(),
        }
    }

    fn store(folder: &Path) -> Store {
        let cache = folder.join("cache");
        Store::new(Shell::new(false), cache, Some(folder.join("archive")), true).unwrap()
    }

    #[test]
    fn an_archive_made_once_feeds_an_empty_cache() {
        let folder = tempfile::tempdir().unwrap();
        let package = package(b"content");
        let first = store(&folder.path().join("first"));
        assert!(first.keep(&package, b"content").unwrap());

        let second = folder.path().join("second");
        first.archive(&[&package], &second.join("archive")).unwrap();

        let second = store(&second);
        let quiet = Progress::quiet();
        second
            .fetch(&[&package], Timestamp::UNIX_EPOCH, &quiet)
            .unwrap();
        assert_eq!(second.read(&package).unwrap(), b"content");
    }

    #[test]
    fn what_nobody_has_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());

        let quiet = Progress::quiet();
        let gone = store.fetch(&[&package(b"x")], Timestamp::UNIX_EPOCH, &quiet);

        let text = gone.unwrap_err().to_string();
        assert!(text.contains("  a 1\n"), "{text}");
        assert!(text.contains("without --offline"), "{text}");
    }

    #[test]
    fn what_does_not_have_the_hash_is_neither_kept_nor_read() {
        let folder = tempfile::tempdir().unwrap();
        let package = package(b"content");
        let store = store(folder.path());

        assert!(!store.keep(&package, b"other").unwrap());
        assert!(!store.place(&package).exists());

        store.keep(&package, b"content").unwrap();
        fs::write(store.place(&package), b"rotten").unwrap();
        assert!(store.read(&package).is_err());
        assert!(
            !store.place(&package).exists(),
            "left for the next run to trip over"
        );
    }
}
