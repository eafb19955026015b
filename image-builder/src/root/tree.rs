//! A file tree in memory: what stands in a root file system, with owners that no disk here has.
//!
//! Owns the order and the rules of such a tree; reads and writes no disk.
//! All times in it are one and the same, which [`Tree::time`] tells.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

/// Symbolic links that a path may lead through, as in Linux (`path_resolution(7)`).
const LINKS_MAX: usize = 40;

/// Paths from the top, without a leading slash; the top itself is "".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    time: Timestamp,
    entries: BTreeMap<String, Entry>,
}

/// One file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Permissions with set-user-ID, set-group-ID and sticky bits: the low 12 bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Folder,
    File(Arc<[u8]>),
    /// A symbolic link and its target.
    Link(String),
}

impl Entry {
    /// A folder of root's, mode 755.
    pub fn folder() -> Self {
        Self::of_root(0o755, Kind::Folder)
    }

    /// A file of root's, mode 644.
    pub fn file(content: impl Into<Arc<[u8]>>) -> Self {
        Self::of_root(0o644, Kind::File(content.into()))
    }

    /// A program of root's, mode 755.
    pub fn program(content: impl Into<Arc<[u8]>>) -> Self {
        Self::of_root(0o755, Kind::File(content.into()))
    }

    /// A symbolic link.
    pub fn link(target: impl Into<String>) -> Self {
        Self::of_root(0o777, Kind::Link(target.into()))
    }

    fn of_root(mode: u32, kind: Kind) -> Self {
        Self {
            mode,
            uid: 0,
            gid: 0,
            kind,
        }
    }
}

/// Why a tree is not as somebody expects it.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    #[error("/{path}: not there")]
    Missing { path: String },
    #[error("/{path}: is no file")]
    NoFile { path: String },
    #[error("/{path}: is not text")]
    NoText { path: String },
    #[error("/{path}: leads through too many links")]
    Circle { path: String },
    #[error("/{path}: two packages bring it, and not the same")]
    Conflict { path: String },
    #[error("/{path}: is a folder with something in it, and was to become a file or a link")]
    Occupied { path: String },
    #[error("/{path}: is no path of a tree")]
    Path { path: String },
}

impl Tree {
    /// An empty tree with its top folder; `time` is every file's time.
    pub fn new(time: Timestamp) -> Self {
        let entries = BTreeMap::from([(String::new(), Entry::folder())]);
        Self { time, entries }
    }

    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Puts an entry at `path`, over whatever is there; folders above it are made where missing.
    /// Returns where that is: a link in the middle of the path is followed, as `/lib` leads to
    /// `/usr/lib`.
    ///
    /// # Errors
    /// A path with empty parts, `.` or `..`, one that leads through a file, or a file or link in
    /// place of a folder with something in it.
    pub fn insert(&mut self, path: &str, entry: Entry) -> Result<String, TreeError> {
        let place = self.place(path)?;
        if entry.kind != Kind::Folder && self.below(&place).next().is_some() {
            return Err(TreeError::Occupied { path: place });
        }
        let mut above = place.as_str();
        while let Some((folder, _)) = above.rsplit_once('/') {
            let entry = self
                .entries
                .entry(folder.to_owned())
                .or_insert_with(Entry::folder);
            if entry.kind != Kind::Folder {
                return Err(TreeError::NoFile {
                    path: folder.to_owned(),
                });
            }
            above = folder;
        }
        self.entries.insert(place.clone(), entry);
        Ok(place)
    }

    /// Puts an entry at `path` where nothing is, or the same; a folder may meet a link to one.
    ///
    /// # Errors
    /// [`TreeError::Conflict`] when something else is there.
    pub fn insert_new(&mut self, path: &str, entry: Entry) -> Result<String, TreeError> {
        let place = self.place(path)?;
        match self.entries.get(&place) {
            None => self.insert(path, entry),
            Some(old) if *old == entry => Ok(place),
            // Packages differ over the mode of shared folders; dpkg keeps the first one's.
            Some(old) if entry.kind == Kind::Folder && !matches!(old.kind, Kind::File(_)) => {
                Ok(place)
            }
            Some(_) => Err(TreeError::Conflict { path: place }),
        }
    }

    /// Takes away `path` and everything below it; whether anything was there.
    pub fn remove(&mut self, path: &str) -> bool {
        let before = self.entries.len();
        let below = format!("{path}/");
        self.entries
            .retain(|other, _| other != path && !other.starts_with(&below));
        self.entries.len() < before
    }

    /// Keeps what `keep` says yes to; what is below a folder that goes, goes too.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Entry) -> bool) {
        // Folders that went; what is in them need not follow at once: "a-b" lies between "a" and "a/b".
        let mut gone: BTreeSet<String> = BTreeSet::new();
        self.entries.retain(|path, entry| {
            let above = path.rsplit_once('/').map(|(folder, _)| folder);
            let above_gone = above.is_some_and(|folder| gone.contains(folder));
            let kept = path.is_empty() || (!above_gone && keep(path, entry));
            if !kept && entry.kind == Kind::Folder {
                gone.insert(path.clone());
            }
            kept
        });
    }

    /// The entry at `path` itself.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    pub fn contains(&self, path: &str) -> bool {
        self.entries.contains_key(path)
    }

    /// The entry at `path`, to change its mode or owner.
    pub fn get_mut(&mut self, path: &str) -> Option<&mut Entry> {
        self.entries.get_mut(path)
    }

    /// The content of the file at `path`; links are followed.
    pub fn read(&self, path: &str) -> Result<&Arc<[u8]>, TreeError> {
        let place = self.resolve(path)?;
        match self.entries.get(&place).map(|entry| &entry.kind) {
            Some(Kind::File(content)) => Ok(content),
            Some(Kind::Folder | Kind::Link(_)) => Err(TreeError::NoFile { path: place }),
            None => Err(TreeError::Missing { path: place }),
        }
    }

    /// The same as text.
    pub fn read_text(&self, path: &str) -> Result<&str, TreeError> {
        std::str::from_utf8(self.read(path)?).map_err(|_| TreeError::NoText {
            path: path.to_owned(),
        })
    }

    /// Everything, ordered by the bytes of the path; a folder comes before what is in it.
    pub fn walk(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries
            .iter()
            .map(|(path, entry)| (path.as_str(), entry))
    }

    /// Everything below the folder `path`, with paths from the top, ordered as in [`Tree::walk`].
    pub fn below<'t>(&'t self, path: &str) -> impl Iterator<Item = (&'t str, &'t Entry)> + use<'t> {
        let prefix = match path {
            "" => String::new(),
            path => format!("{path}/"),
        };
        self.entries
            .range(prefix.clone()..)
            .take_while(move |(path, _)| path.starts_with(&prefix))
            .map(|(path, entry)| (path.as_str(), entry))
            .filter(|(path, _)| !path.is_empty())
    }

    /// `path` with the links above its last part followed: where an entry of that name belongs.
    fn place(&self, path: &str) -> Result<String, TreeError> {
        let refused = || TreeError::Path {
            path: path.to_owned(),
        };
        let bad = |part: &str| part.is_empty() || part == "." || part == "..";
        if path.split('/').any(bad) {
            return Err(refused());
        }
        match path.rsplit_once('/') {
            None => Ok(path.to_owned()),
            Some((folder, name)) => Ok(join(&self.resolve(folder)?, name)),
        }
    }

    /// `path` with all links followed; parts that are not there stay as they are.
    pub fn resolve(&self, path: &str) -> Result<String, TreeError> {
        let mut links = 0;
        let mut done = String::new();
        let mut todo: Vec<String> = parts(path);
        while let Some(part) = todo.pop() {
            if part == ".." {
                done.truncate(done.rfind('/').unwrap_or(0));
                continue;
            }
            let next = join(&done, &part);
            let Some(Kind::Link(target)) = self.entries.get(&next).map(|entry| &entry.kind) else {
                done = next;
                continue;
            };
            links += 1;
            if links > LINKS_MAX {
                return Err(TreeError::Circle {
                    path: path.to_owned(),
                });
            }
            if target.starts_with('/') {
                done.clear();
            }
            todo.extend(parts(target));
        }
        Ok(done)
    }
}

/// The parts of a path, the last one first.
fn parts(path: &str) -> Vec<String> {
    let parts = path.split('/').rev();
    parts
        .filter(|part| !part.is_empty() && *part != ".")
        .map(str::to_owned)
        .collect()
}

fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        let mut tree = Tree::new(Timestamp::UNIX_EPOCH);
        tree.insert("lib", Entry::link("usr/lib")).unwrap();
        tree.insert("usr/lib", Entry::folder()).unwrap();
        tree
    }

    fn paths(tree: &Tree) -> Vec<&str> {
        tree.walk().map(|(path, _)| path).collect()
    }

    #[test]
    fn what_is_put_below_a_link_lands_where_it_leads() {
        let mut tree = tree();

        tree.insert("lib/modules/a.ko", Entry::file(*b"x")).unwrap();

        assert_eq!(
            paths(&tree),
            [
                "",
                "lib",
                "usr",
                "usr/lib",
                "usr/lib/modules",
                "usr/lib/modules/a.ko"
            ]
        );
        assert_eq!(&**tree.read("lib/modules/a.ko").unwrap(), b"x");
    }

    #[test]
    fn links_are_followed_up_and_absolutely_but_not_for_ever() {
        let mut tree = tree();
        tree.insert("usr/lib/real", Entry::file(*b"x")).unwrap();
        tree.insert("etc/up", Entry::link("../lib/real")).unwrap();
        tree.insert("etc/top", Entry::link("/etc/up")).unwrap();
        tree.insert("etc/self", Entry::link("self")).unwrap();

        assert_eq!(tree.resolve("etc/top").unwrap(), "usr/lib/real");
        assert!(matches!(
            tree.read("etc/self"),
            Err(TreeError::Circle { .. })
        ));
        assert!(matches!(
            tree.read("etc/none"),
            Err(TreeError::Missing { .. })
        ));
        assert!(matches!(
            tree.read("usr/lib"),
            Err(TreeError::NoFile { .. })
        ));
    }

    #[test]
    fn two_packages_may_bring_the_same_and_nothing_else() {
        let mut tree = tree();
        tree.insert_new("etc/a", Entry::file(*b"one")).unwrap();

        assert!(tree.insert_new("etc/a", Entry::file(*b"one")).is_ok());
        assert!(tree.insert_new("lib", Entry::folder()).is_ok());
        let other = tree.insert_new("etc/a", Entry::file(*b"two"));
        assert!(matches!(other, Err(TreeError::Conflict { .. })));
        assert!(matches!(tree.get("lib").unwrap().kind, Kind::Link(_)));
    }

    #[test]
    fn no_path_leads_out_or_through_a_file() {
        let mut tree = tree();
        tree.insert("etc/a", Entry::file(*b"x")).unwrap();

        for path in ["", "/etc", "../x", "etc//b", "etc/./b", "etc/a/b"] {
            assert!(tree.insert(path, Entry::folder()).is_err(), "{path}");
        }
        // What is below it would be written to wherever the link leads.
        let link = tree.insert("etc", Entry::link("/home"));
        assert!(matches!(link, Err(TreeError::Occupied { .. })));
    }

    #[test]
    fn a_folder_goes_with_everything_below_it() {
        let mut tree = tree();
        tree.insert("usr/lib/a/b", Entry::file(*b"x")).unwrap();
        tree.insert("usr/lib/a-b", Entry::folder()).unwrap();
        tree.insert("usr/lib/a.b", Entry::folder()).unwrap();

        tree.retain(|path, _| !["usr/lib/a", "usr/lib/a-b"].contains(&path));
        assert!(!tree.contains("usr/lib/a/b") && tree.contains("usr/lib/a.b"));

        assert!(tree.remove("usr") && !tree.remove("usr"));
        assert_eq!(paths(&tree), ["", "lib"]);
    }

    #[test]
    fn below_lists_a_folder_and_not_its_neighbours() {
        let mut tree = tree();
        tree.insert("usr/lib/a/b", Entry::file(*b"x")).unwrap();
        tree.insert("usr/lib/a-b", Entry::file(*b"x")).unwrap();

        let below: Vec<&str> = tree.below("usr/lib/a").map(|(path, _)| path).collect();

        assert_eq!(below, ["usr/lib/a/b"]);
    }
}
