//! What must hold for a finished tree, whatever was put into it.

use std::collections::BTreeMap;

use super::{Kind, Tree, elf};

/// Folders that the dynamic loader and systemd's programs look in; `*` is Debian's name of the
/// architecture.
const LIBRARIES: [&str; 4] = ["usr/lib", "usr/lib64", "usr/lib/*", "usr/lib/*/systemd"];
/// Folders in which everybody may make files, and nobody may take away another's.
const SHARED: [&str; 2] = ["tmp", "var/tmp"];

/// Everything that is wrong with a tree.
#[derive(Debug, thiserror::Error)]
#[error("the root is not sound:\n  {}", .0.join("\n  "))]
pub struct Unsound(pub Vec<String>);

/// Fails if a program lacks a library, a file gives rights away, or a link leads nowhere that
/// matters.
pub fn check(tree: &Tree) -> Result<(), Unsound> {
    let mut wrong = Vec::new();
    let libraries = libraries(tree);
    for (path, entry) in tree.walk() {
        if entry.mode & 0o6000 != 0 {
            wrong.push(format!("/{path}: runs with its owner's rights"));
        }
        let for_all = entry.mode & 0o002 != 0 && !matches!(entry.kind, Kind::Link(_));
        if for_all && !(SHARED.contains(&path) && entry.mode & 0o1000 != 0) {
            wrong.push(format!("/{path}: everybody may write it"));
        }
        if let Kind::File(content) = &entry.kind {
            for name in elf::needed(content) {
                if !libraries.contains_key(name.as_str()) {
                    wrong.push(format!("/{path}: needs {name}, which no package brings"));
                }
            }
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Unsound(wrong))
    }
}

/// Files in folders of libraries, by name.
fn libraries(tree: &Tree) -> BTreeMap<&str, &str> {
    let files = tree.below("usr").filter_map(|(path, _)| {
        let (folder, name) = path.rsplit_once('/')?;
        let found = LIBRARIES
            .iter()
            .any(|pattern| crate::glob::matches(pattern, folder));
        // A link to what was taken out is no library.
        (found && tree.read(path).is_ok()).then_some((name, path))
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::Entry;
    use super::*;

    fn found(path: &str, mode: u32, content: &[u8]) -> Vec<String> {
        let mut tree = Tree::new(Timestamp::UNIX_EPOCH);
        let mut entry = Entry::file(content);
        entry.mode = mode;
        tree.insert(path, entry).unwrap();
        check(&tree).map_or_else(|wrong| wrong.0, |()| Vec::new())
    }

    #[test]
    fn rights_that_are_given_away_are_found() {
        assert!(found("usr/bin/a", 0o755, b"").is_empty());
        assert_eq!(found("usr/bin/a", 0o4755, b"").len(), 1);
        assert_eq!(found("usr/bin/a", 0o2755, b"").len(), 1);
        assert_eq!(found("etc/a", 0o666, b"").len(), 1);
    }

    #[test]
    fn a_missing_library_is_named() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();

        let wrong = found("usr/bin/a", 0o755, &program);

        assert!(
            wrong.iter().any(|line| line.contains("libc.so.6")),
            "{wrong:?}"
        );
    }

    #[test]
    fn a_shared_folder_has_to_be_sticky() {
        let mut tree = Tree::new(Timestamp::UNIX_EPOCH);
        let mut folder = Entry::folder();
        folder.mode = 0o1777;
        tree.insert("tmp", folder).unwrap();
        assert!(check(&tree).is_ok());

        tree.get_mut("tmp").unwrap().mode = 0o777;
        assert!(check(&tree).is_err());
    }
}
