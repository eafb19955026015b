//! A tools root: programs at locked versions, whatever the workstation has.
//!
//! One has depmod, mkfs.erofs and mtools, which make images; another QEMU, which boots them.
//! A plain folder in the cache, named by the hash of what is in it. Its programs are started by its
//! own dynamic loader, so that nobody has to be root and no kernel feature is needed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::exec::{Call, Shell};
use crate::identity::Hash;
use crate::package::lock::{Lock, Locked};
use crate::package::store::{Store, StoreError};
use crate::package::{Deb, deb::DebError};
use crate::progress::Progress;
use crate::root::{Tree, TreeError, stage};

const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
const LOADER: &str = "ld-linux-x86-64.so.2";
/// Where programs may lie.
const PROGRAMS: [&str; 2] = ["usr/bin", "usr/sbin"];
/// What of `usr/share` a program reads: QEMU's own files, and UEFI firmware.
const SHARED: [&str; 3] = [
    "usr/share/qemu/",
    "usr/share/OVMF/OVMF_",
    "usr/share/AAVMF/AAVMF_",
];

/// Why there are no tools.
#[derive(Debug, thiserror::Error)]
pub enum ToolsError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{package}")]
    Package { package: String, source: DebError },
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("{}", .path.display())]
    File { path: PathBuf, source: io::Error },
}

/// Programs by name, and files that belong to them.
#[derive(Debug, Clone)]
pub struct Tools {
    shell: Shell,
    folder: PathBuf,
}

impl Tools {
    /// Takes the tools of `lock` from `cache`, or unpacks them there.
    pub fn open(
        shell: Shell,
        lock: &Lock,
        store: &Store,
        cache: &Path,
        progress: &Progress,
    ) -> Result<Self, ToolsError> {
        let sums: Vec<String> = lock.packages.iter().map(|p| p.sha256.to_string()).collect();
        let folder = cache.join(Hash::of(sums.join("\n").as_bytes()).to_string());
        if !folder.is_dir() {
            unpack(lock, store, cache, &folder, progress)?;
        }
        Ok(Self { shell, folder })
    }

    /// A tool by name, about to be started.
    pub fn call(&self, name: &str) -> Call {
        let mut places = PROGRAMS
            .iter()
            .map(|place| self.folder.join(place).join(name));
        let program = places.find(|place| place.exists());
        let program = program.unwrap_or_else(|| self.folder.join(name));
        let libraries = self.folder.join(LIBRARIES);
        self.shell
            .call(libraries.join(LOADER))
            .arg("--library-path")
            .arg(&libraries)
            .args(["--argv0", name])
            .arg(program)
            // mtools converts file names with them.
            .env("GCONV_PATH", libraries.join("gconv"))
    }

    /// Where a file of the packages lies, by its path without the leading slash.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }
}

fn unpack(
    lock: &Lock,
    store: &Store,
    cache: &Path,
    folder: &Path,
    progress: &Progress,
) -> Result<(), ToolsError> {
    let packages: Vec<&Locked> = lock.packages.iter().collect();
    store.fetch(&packages, lock.time, progress)?;
    let _step = progress.step("unpacking the tools", 0);
    let mut tree = Tree::new(lock.time);
    for package in packages {
        let shared = |path: &str| SHARED.iter().any(|folder| path.starts_with(folder));
        let wanted = |path: &str| {
            path.starts_with("usr/") && (!path.starts_with("usr/share/") || shared(path))
        };
        let deb = Deb::read(&store.read(package)?, wanted);
        let deb = deb.map_err(|source| ToolsError::Package {
            package: package.name.clone(),
            source,
        })?;
        for (path, entry) in deb.data {
            tree.insert_new(&path, entry)?;
        }
    }
    let failed = |source| ToolsError::File {
        path: cache.to_owned(),
        source,
    };
    let work = tempfile::tempdir_in(cache).map_err(failed)?;
    stage(&tree, "", work.path()).map_err(failed)?;
    let work = work.keep();
    // Whoever is second finds the same folder there already.
    match fs::rename(&work, folder) {
        Err(_) if folder.is_dir() => fs::remove_dir_all(&work).map_err(failed),
        other => other.map_err(failed),
    }
}
