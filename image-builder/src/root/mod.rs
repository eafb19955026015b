//! The root file system: Debian packages and our own parts become one read-only tree.
//!
//! [`build`] is the story: unpack, finish, add our own, prune, enable units, check.
//! [`tree`] is what it works on; [`erofs()`] writes the result.

pub mod check;
pub mod contents;
mod elf;
pub mod erofs;
mod finish;
pub mod listing;
pub mod modules;
mod stage;
pub mod tree;
pub mod units;
pub mod users;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};

use crate::board::Board;
use crate::exec::Call;
use crate::package::lock::{Lock, Locked, Part};
use crate::package::{Deb, Store};
use crate::workplace::Workplace;

pub use self::erofs::erofs;
pub use self::stage::stage;
pub use self::tree::{Entry, Kind, Tree, TreeError};

/// Folder of the checkout with our units, and below [`OVERLAY`] whatever else the root gets.
const SYSTEMD: &str = "systemd";
const OVERLAY: &str = "systemd/root";
const PRESETS: &str = "usr/lib/systemd/system-preset";

/// Parts of packages that nobody needs in a root; left out while unpacking.
const DOCUMENTS: [&str; 8] = [
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/bug",
    "usr/share/bash-completion",
    "usr/share/zsh",
];

/// What [`build`] makes.
#[derive(Debug)]
pub struct Built {
    pub root: Tree,
    /// The kernel package without its modules.
    pub kernel: Tree,
    /// The package of the boot program or firmware.
    pub firmware: Tree,
    /// As in `vmlinuz-6.12.0-arm64`.
    pub kernel_version: String,
    /// Names of the packages of which something is left, in the root or as kernel and firmware.
    pub present: BTreeSet<String>,
}

/// A program of this workspace: its path in the root, and its bytes.
pub type Program<'p> = (&'p str, &'p [u8]);

/// Makes the root of `board` at `version` from the packages of `lock`.
///
/// `tool` gives a program of the tools root by name; `folder` is for its work.
///
/// # Errors
/// A package is not to be had, a maintainer script is not reviewed, the lists in `boards/` do not
/// fit the packages, or the finished tree is not sound.
pub fn build(
    workplace: &Workplace,
    tool: impl Fn(&str) -> Call,
    board: &Board,
    lock: &Lock,
    version: &str,
    programs: &[Program<'_>],
    folder: &Path,
) -> Result<Built> {
    let packages: Vec<&Locked> = lock.of_board(board).collect();
    workplace.reviewed()?.check(packages.iter().copied())?;
    let store = workplace.store()?;
    store.fetch(&packages, lock.time, &workplace.progress)?;

    let progress = &workplace.progress;
    let step = progress.step("unpacking packages", packages.iter().map(|p| p.size).sum());
    let mut root = Tree::new(lock.time);
    let mut firmware = Tree::new(lock.time);
    let mut kernel = Tree::new(lock.time);
    let mut origins = Origins::default();
    let mut present = BTreeSet::new();
    for package in in_order(packages) {
        let tree = match package.part {
            Part::Root => &mut root,
            Part::Boot if package.meta.is_some() => &mut kernel,
            Part::Boot => &mut firmware,
        };
        let brought = unpack(tree, package, &store)
            .with_context(|| format!("{} {}", package.name, package.version))?;
        match package.part {
            Part::Root => origins.add(&package.name, brought),
            Part::Boot => drop(present.insert(package.name.clone())),
        }
        step.advance(package.size);
    }
    drop(step);

    let step = progress.step("choosing modules", 0);
    let kernel_version = modules::version(&kernel)?;
    modules::install(&mut root, &kernel, board, || tool("depmod"), folder)?;
    kernel.remove("usr/lib/modules");
    drop(step);

    let _step = progress.step("finishing the root", 0);
    finish::finish(&mut root, &board.name, version)?;
    let users = users::Users::parse(&workplace.read("users.toml")?);
    let users = users.context("boards/users.toml")?;
    let contents = contents::Contents::parse(&workplace.read("contents.toml")?);
    contents.context("boards/contents.toml")?.prune(&mut root)?;
    // Debian's own presets would switch on what we did not choose.
    root.remove(PRESETS);
    add_our_own(&mut root, &workplace.source)?;
    for (path, bytes) in programs {
        root.insert(path, Entry::program(*bytes))?;
    }
    users.install(&mut root)?;
    root.remove("usr/share/base-passwd");
    units::enable(&mut root)?;
    check::check(&root)?;
    present.extend(origins.left_in(&root));
    Ok(Built {
        root,
        kernel,
        firmware,
        kernel_version,
        present,
    })
}

/// Which package brought which file.
#[derive(Default)]
struct Origins(BTreeMap<String, String>);

impl Origins {
    fn add(&mut self, package: &str, paths: Vec<String>) {
        let paths = paths.into_iter();
        self.0.extend(paths.map(|path| (path, package.to_owned())));
    }

    /// The packages whose files are there, or what became of them. A path that a finishing step
    /// filled anew still counts: better one package too many on a list than one too few.
    fn left_in(&self, tree: &Tree) -> BTreeSet<String> {
        let turned = |path: &str| finish::TURNED.iter().any(|folder| inside(path, folder));
        let left = self
            .0
            .iter()
            .filter(|(path, _)| tree.contains(path) || turned(path));
        left.map(|(_, package)| package.clone()).collect()
    }
}

/// `base-files` first, for its links that merge `/lib` into `/usr/lib`; then by name.
fn in_order(mut packages: Vec<&Locked>) -> Vec<&Locked> {
    packages.sort_by_key(|package| (package.name != "base-files", &package.name));
    packages
}

/// Returns where the package's files and links lie now.
fn unpack(tree: &mut Tree, package: &Locked, store: &Store) -> Result<Vec<String>> {
    let wanted = |path: &str| !DOCUMENTS.iter().any(|folder| inside(path, folder));
    let mut brought = Vec::new();
    for (path, entry) in Deb::read(&store.read(package)?, wanted)?.data {
        let folder = entry.kind == Kind::Folder;
        let place = tree.insert_new(&path, entry)?;
        if !folder {
            brought.push(place);
        }
    }
    Ok(brought)
}

/// Whether a path is a folder or lies in it.
fn inside(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Adds the units in `systemd/`, and `systemd/root` as it lies there.
fn add_our_own(root: &mut Tree, source: &Path) -> Result<()> {
    for (path, content) in files(&source.join(SYSTEMD), false)? {
        let place = match path.rsplit_once('.').map(|(_, kind)| kind) {
            Some("preset") => format!("{PRESETS}/{path}"),
            Some("service" | "socket" | "target" | "timer" | "path" | "mount" | "slice") => {
                format!("usr/lib/systemd/system/{path}")
            }
            // Documents for people.
            _ => continue,
        };
        root.insert(&place, Entry::file(content))?;
    }
    let overlay = source.join(OVERLAY);
    if overlay.is_dir() {
        for (path, content) in files(&overlay, true)? {
            root.insert(&path, Entry::file(content))?;
        }
    }
    Ok(())
}

/// The files of a folder, by path below it and ordered by that.
fn files(folder: &Path, deep: bool) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((place, prefix)) = folders.pop() {
        let read = || format!("cannot read {}", place.display());
        for entry in std::fs::read_dir(&place).with_context(read)? {
            let entry = entry.with_context(read)?;
            let name = entry.file_name();
            let name = name
                .to_str()
                .with_context(|| format!("{name:?} is no text"))?;
            let path = format!("{prefix}{name}");
            if !entry.file_type().with_context(read)?.is_dir() {
                found.push((path, std::fs::read(entry.path()).with_context(read)?));
            } else if deep {
                folders.push((entry.path(), format!("{path}/")));
            }
        }
    }
    found.sort();
    Ok(found)
}
