//! The kernel's modules: those that the board needs and what they depend on, indexed by depmod.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::board::Board;
use crate::exec::{Call, ExecError};
use crate::initramfs::modules::{Modules, Unknown};
use crate::settings::LED_TRIGGER;

use super::{Entry, Kind, Tree, TreeError, stage};

const MODULES: &str = "usr/lib/modules";
/// What the kernel package knows of the modules that are built in.
const BUILT_IN: [&str; 3] = [
    "modules.builtin",
    "modules.builtin.modinfo",
    "modules.order",
];

/// Why there are no modules.
#[derive(Debug, thiserror::Error)]
pub enum ModulesError {
    #[error("the kernel package has no modules")]
    NoKernel,
    #[error("the kernel has nothing in the folder '{0}'; mend the board file's list")]
    NoFolder(String),
    #[error(transparent)]
    Unknown(#[from] Unknown),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Tool(#[from] ExecError),
    #[error("{}", .path.display())]
    File {
        path: std::path::PathBuf,
        source: io::Error,
    },
}

/// The kernel's version, as in `/lib/modules`.
pub fn version(kernel: &Tree) -> Result<String, ModulesError> {
    let mut below = kernel.below(MODULES);
    let first = below.next().and_then(|(path, _)| path.rsplit('/').next());
    first.map(str::to_owned).ok_or(ModulesError::NoKernel)
}

/// Puts into `root` the modules that `board` names, and what depmod says about them.
///
/// depmod runs twice: over all modules to learn what depends on what, and over those that stay.
/// `folder` is for its work.
pub fn install(
    root: &mut Tree,
    kernel: &Tree,
    board: &Board,
    depmod: impl Fn() -> Call,
    folder: &Path,
) -> Result<(), ModulesError> {
    let version = version(kernel)?;
    let all = index(kernel, &version, &depmod, folder)?;
    let place = format!("{MODULES}/{version}");
    let known = Modules::read(&all, &place)?;
    let mut names = board.kernel.initramfs_modules.clone();
    names.extend(board.hardware.watchdog.clone());
    names.extend(board.hardware.led.as_ref().map(|_| LED_TRIGGER.to_owned()));
    for name in &board.kernel.modules {
        match name.strip_suffix('/') {
            None => names.push(name.clone()),
            Some(below) => names.extend(in_folder(kernel, &format!("{place}/kernel/{below}"))?),
        }
    }
    let mut kept = Tree::new(kernel.time());
    for path in known.order(&names)? {
        let path = format!("{place}/{path}");
        kept.insert(&path, Entry::file(Arc::clone(kernel.read(&path)?)))?;
    }
    for name in BUILT_IN {
        let path = format!("{place}/{name}");
        kept.insert(&path, Entry::file(Arc::clone(kernel.read(&path)?)))?;
    }
    let indexed = index(&kept, &version, &depmod, folder)?;
    for (path, entry) in indexed.below(MODULES) {
        root.insert(path, entry.clone())?;
    }
    Ok(())
}

fn in_folder(kernel: &Tree, folder: &str) -> Result<Vec<String>, ModulesError> {
    let files = kernel.below(folder).filter_map(|(path, entry)| {
        let name = path.rsplit('/').next()?.split('.').next()?;
        matches!(entry.kind, Kind::File(_)).then(|| name.to_owned())
    });
    let names: Vec<String> = files.collect();
    if names.is_empty() {
        return Err(ModulesError::NoFolder(folder.to_owned()));
    }
    Ok(names)
}

/// The modules of `tree` with the files that depmod makes of them.
fn index(
    tree: &Tree,
    version: &str,
    depmod: impl Fn() -> Call,
    folder: &Path,
) -> Result<Tree, ModulesError> {
    let failed = |source| ModulesError::File {
        path: folder.to_owned(),
        source,
    };
    let work = tempfile::tempdir_in(folder).map_err(failed)?;
    let modules = work.path().join(MODULES);
    std::fs::create_dir_all(&modules).map_err(failed)?;
    stage(tree, MODULES, &modules).map_err(failed)?;
    // Not the workstation's own settings.
    let settings = work.path().join("depmod.d");
    std::fs::create_dir(&settings).map_err(failed)?;
    depmod()
        .arg("-C")
        .arg(&settings)
        .arg("-b")
        .arg(work.path())
        .arg("-m")
        .arg("/usr/lib/modules")
        .arg(version)
        .run()?;
    let mut indexed = tree.clone();
    let mut files = std::fs::read_dir(modules.join(version))
        .map_err(failed)?
        .collect::<io::Result<Vec<_>>>()
        .map_err(failed)?;
    files.sort_by_key(std::fs::DirEntry::file_name);
    for file in files {
        if file.file_type().map_err(failed)?.is_file() {
            let name = file.file_name().to_string_lossy().into_owned();
            let content = std::fs::read(file.path()).map_err(failed)?;
            let path = format!("{MODULES}/{version}/{name}");
            indexed.insert(&path, Entry::file(content))?;
        }
    }
    Ok(indexed)
}
