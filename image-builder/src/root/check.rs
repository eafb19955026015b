//! What must hold for a finished tree, whatever was put into it.

use std::collections::BTreeMap;

use super::{Kind, Tree, elf};

/// Folders that the dynamic loader and systemd's programs look in; `*` is Debian's name of the
/// architecture.
const LIBRARIES: [&str; 4] = ["usr/lib", "usr/lib64", "usr/lib/*", "usr/lib/*/systemd"];
const UNITS: &str = "usr/lib/systemd/system";
/// Folders in which everybody may make files, and nobody may take away another's.
const SHARED: [&str; 2] = ["tmp", "var/tmp"];

/// Everything that is wrong with a tree.
#[derive(Debug, thiserror::Error)]
#[error("the root is not sound:\n  {}", .0.join("\n  "))]
pub struct Unsound(pub Vec<String>);

/// Fails if a program lacks a library, a unit its program, or a file gives rights away.
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
    for (path, _) in tree.below(UNITS) {
        for program in programs(tree.read_text(path).unwrap_or_default()) {
            if tree.read(program.trim_start_matches('/')).is_err() {
                wrong.push(format!("/{path}: starts {program}, which is not there"));
            }
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Unsound(wrong))
    }
}

/// What a unit starts (`systemd.service(5)`), but for what may fail.
fn programs(unit: &str) -> impl Iterator<Item = &str> {
    let lines = unit.lines().filter(|line| line.starts_with("Exec"));
    lines.filter_map(|line| {
        let (_, command) = line.split_once('=')?;
        let word = command.split_whitespace().next()?;
        let path = word.trim_start_matches(['@', ':', '+', '!', '|']);
        path.starts_with('/').then_some(path)
    })
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
    fn a_unit_without_its_program_is_found() {
        let unit = |line: &str| found("usr/lib/systemd/system/a.service", 0o644, line.as_bytes());

        let wrong = unit("[Service]\nExecStartPre=-/bin/none\nExecStart=+/bin/none --all\n");
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(unit("ExecStart=\nDescription=/bin/none\n").is_empty());
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
