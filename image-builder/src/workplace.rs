//! Where the inputs of images lie, and what all commands about images share.
//!
//! Inputs are files of a checkout of this repository; the cache holds what their hashes name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::board::{self, Architecture, Board};
use crate::exec::Shell;
use crate::package::list::PackageList;
use crate::package::lock::Lock;
use crate::package::review::Reviewed;
use crate::package::store::Store;
use crate::progress::Progress;
use crate::tools::Tools;

const BOARDS: &str = "boards";
/// What images are made with.
pub const TOOLS_LOCK: &str = "tools.lock";
/// What images are booted with on a workstation.
pub const MACHINES_LOCK: &str = "machines.lock";

/// A checkout, a cache, and how to tell what happens.
pub struct Workplace {
    /// The checkout's top.
    pub source: PathBuf,
    pub shell: Shell,
    pub progress: Progress,
    archive: Option<PathBuf>,
    cache: PathBuf,
    offline: bool,
    locks: Option<PathBuf>,
}

impl Workplace {
    /// `source` is a checkout, else the one that the working directory is in.
    ///
    /// # Errors
    /// There is no such checkout, or no place for a cache.
    pub fn new(source: Option<PathBuf>, archive: Option<PathBuf>, verbose: bool) -> Result<Self> {
        let source = match source {
            Some(source) => source,
            None => checkout()?,
        };
        Ok(Self {
            source,
            shell: Shell::new(verbose),
            progress: Progress::new(verbose),
            archive,
            cache: cache()?,
            offline: false,
            locks: None,
        })
    }

    /// The same without a network for packages.
    pub fn offline(self) -> Self {
        Self {
            offline: true,
            ..self
        }
    }

    /// The same with the lock files of another folder than `boards`.
    pub fn with_locks(self, locks: Option<PathBuf>) -> Self {
        Self { locks, ..self }
    }

    /// The same with another cache.
    #[cfg(test)]
    pub(crate) fn caching_in(self, cache: PathBuf) -> Self {
        Self { cache, ..self }
    }

    /// The folder `boards`.
    pub fn boards(&self) -> PathBuf {
        self.source.join(BOARDS)
    }

    /// A board by name.
    pub fn board(&self, name: &str) -> Result<Board> {
        Ok(board::load(&self.boards(), name)?)
    }

    /// All boards.
    pub fn all_boards(&self) -> Result<Vec<Board>> {
        let names = board::names(&self.boards())?;
        names.iter().map(|name| self.board(name)).collect()
    }

    /// The packages that apt is asked for.
    pub fn packages(&self) -> Result<PackageList> {
        let text = self.read("packages.toml")?;
        PackageList::parse(&text).context("boards/packages.toml")
    }

    /// The maintainer scripts that somebody has read.
    pub fn reviewed(&self) -> Result<Reviewed> {
        let text = self.read("reviewed-scripts.toml")?;
        Reviewed::parse(&text).context("boards/reviewed-scripts.toml")
    }

    /// The lock of a root.
    pub fn lock(&self, architecture: Architecture) -> Result<Lock> {
        self.lock_file(&format!("{architecture}.lock"))
    }

    /// The lock of the tools.
    pub fn tools_lock(&self) -> Result<Lock> {
        self.lock_file(TOOLS_LOCK)
    }

    /// A lock by its file's name.
    pub fn lock_file(&self, name: &str) -> Result<Lock> {
        let path = self
            .locks
            .clone()
            .unwrap_or_else(|| self.boards())
            .join(name);
        let text = fs::read_to_string(&path).with_context(|| {
            let path = path.display();
            format!("cannot read {path}; make it with `tasuki image lock update`")
        })?;
        Lock::parse(&text).with_context(|| path.display().to_string())
    }

    /// The packages' cache, and the archive that was given.
    pub fn store(&self) -> Result<Store> {
        Ok(Store::new(
            self.shell,
            self.cache("packages")?,
            self.archive.clone(),
            self.offline,
        )?)
    }

    /// The programs that images are made with.
    pub fn tools(&self) -> Result<Tools> {
        self.tools_of(TOOLS_LOCK)
    }

    /// QEMU and firmware for it.
    pub fn machines(&self) -> Result<Tools> {
        self.tools_of(MACHINES_LOCK)
    }

    fn tools_of(&self, lock: &str) -> Result<Tools> {
        let cache = self.cache("tools")?;
        let (lock, store) = (self.lock_file(lock)?, self.store()?);
        Ok(Tools::open(
            self.shell,
            &lock,
            &store,
            &cache,
            &self.progress,
        )?)
    }

    /// A folder in the cache.
    pub fn cache(&self, name: &str) -> Result<PathBuf> {
        let folder = self.cache.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// A file in `boards`.
    pub fn read(&self, name: &str) -> Result<String> {
        let path = self.boards().join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }
}

fn checkout() -> Result<PathBuf> {
    let here = std::env::current_dir().context("the working directory is gone")?;
    let mut above = here.ancestors();
    let found = above.find(|folder| folder.join(BOARDS).join("packages.toml").is_file());
    match found {
        Some(folder) => Ok(folder.to_owned()),
        None => bail!(
            "{} is in no checkout of tasuki: go into one, or name it with --source",
            here.display()
        ),
    }
}

/// `$XDG_CACHE_HOME/tasuki`, by default `~/.cache/tasuki`.
fn cache() -> Result<PathBuf> {
    let set = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = match set.filter(|folder| folder.is_absolute()) {
        Some(folder) => folder,
        None => {
            let home =
                std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?;
            Path::new(&home).join(".cache")
        }
    };
    Ok(base.join("tasuki"))
}
