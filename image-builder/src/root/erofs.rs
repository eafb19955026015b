//! Writes a tree as an EROFS file system: mkfs.erofs reads it as a tar, which carries owners.

use std::io;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use crate::exec::{Call, ExecError};
use crate::identity::Uuid;

use super::{Kind, Tree};

/// The kernel reads a file in pieces of this size; larger ones pack better and read more.
const CLUSTER: &str = "-C65536";
/// The strongest levels cost twice the time for one percent.
const COMPRESSION: &str = "-zlz4hc,9";

/// Why there is no file system.
#[derive(Debug, thiserror::Error)]
pub enum ErofsError {
    #[error("cannot write the tree as a tar")]
    Tar(#[source] io::Error),
    #[error("in {}", .folder.display())]
    File {
        folder: std::path::PathBuf,
        source: io::Error,
    },
    #[error(transparent)]
    Tool(#[from] ExecError),
}

/// Returns the file system's bytes, whole blocks of 4,096.
///
/// `mkfs` is mkfs.erofs of the tools root; `folder` is for its work.
pub fn erofs(tree: &Tree, uuid: Uuid, mkfs: Call, folder: &Path) -> Result<Vec<u8>, ErofsError> {
    let failed = |source| ErofsError::File {
        folder: folder.to_owned(),
        source,
    };
    let work = tempfile::tempdir_in(folder).map_err(failed)?;
    let (input, output) = (work.path().join("root.tar"), work.path().join("root.erofs"));
    std::fs::write(&input, to_tar(tree).map_err(ErofsError::Tar)?).map_err(failed)?;
    mkfs.args(["--quiet", "--tar=f", COMPRESSION, CLUSTER, "-Eztailpacking"])
        .arg(format!("-T{}", tree.time().as_second()))
        .arg(format!("-U{uuid}"))
        .arg(&output)
        .arg(&input)
        .run()?;
    std::fs::read(&output).map_err(failed)
}

/// The tree as a tar, in the order of [`Tree::walk`].
pub fn to_tar(tree: &Tree) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for (path, entry) in tree.walk() {
        let mut header = Header::new_gnu();
        header.set_mode(entry.mode);
        header.set_uid(entry.uid.into());
        header.set_gid(entry.gid.into());
        header.set_mtime(u64::try_from(tree.time().as_second()).unwrap_or(0));
        let path = if path.is_empty() { "./" } else { path };
        match &entry.kind {
            Kind::Folder => {
                header.set_entry_type(EntryType::Directory);
                header.set_size(0);
                builder.append_data(&mut header, path, io::empty())?;
            }
            Kind::File(content) => {
                header.set_entry_type(EntryType::Regular);
                header.set_size(u64::try_from(content.len()).map_err(io::Error::other)?);
                builder.append_data(&mut header, path, &content[..])?;
            }
            Kind::Link(target) => {
                header.set_entry_type(EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, path, target)?;
            }
        }
    }
    builder.into_inner()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::Entry;
    use super::*;

    fn tree(paths: &[&str]) -> Tree {
        let mut tree = Tree::new(Timestamp::from_second(1_700_000_000).unwrap());
        for path in paths {
            let mut entry = Entry::file(path.as_bytes());
            entry.uid = 998;
            entry.mode = 0o4711;
            tree.insert(path, entry).unwrap();
        }
        tree.insert("link", Entry::link("/a/b")).unwrap();
        tree
    }

    #[test]
    fn the_order_of_insertion_leaves_no_trace() {
        let long = "a/".repeat(80) + "end";
        let one = to_tar(&tree(&["b", "a/c", "a-b", &long])).unwrap();
        let other = to_tar(&tree(&[&long, "a-b", "b", "a/c"])).unwrap();

        assert!(one == other);
    }

    #[test]
    fn owners_modes_times_and_targets_are_in_the_tar() {
        let bytes = to_tar(&tree(&["a"])).unwrap();

        let mut archive = tar::Archive::new(&bytes[..]);
        let seen: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                format!(
                    "{} {:o} {} {} {}",
                    String::from_utf8_lossy(&entry.path_bytes()),
                    header.mode().unwrap(),
                    header.uid().unwrap(),
                    header.mtime().unwrap(),
                    String::from_utf8_lossy(&entry.link_name_bytes().unwrap_or_default()),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                "./ 755 0 1700000000 ",
                "a 4711 998 1700000000 ",
                "link 777 0 1700000000 /a/b",
            ]
        );
    }
}
