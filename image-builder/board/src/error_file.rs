//! `CONFIG/ERROR.txt`: what is wrong with the card, for whoever opens it on a PC.
//!
//! Provisioning and updates each have a section; it is written only if that changes anything.

use std::io;

use crate::file;
use crate::places;
use crate::sys::System;

pub const NAME: &str = "ERROR.txt";
/// The first line of the section about updates, which comes last.
pub const UPDATE: &str = "The update was not taken. / アップデートは適用されませんでした。";
/// Far more than there is to say about 32 files.
const FILE_MAX: u64 = 256 * 1024;
/// Lines end as on Windows.
const LINE_END: &str = "\r\n";

/// Whose section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    NodeFile,
    /// Begins with [`UPDATE`].
    Update,
}

/// Puts `lines` in place of the section; empty: there is nothing wrong.
///
/// # Errors
/// The card cannot be read or written.
pub fn set(system: &System, section: Section, lines: &[String]) -> io::Result<()> {
    let config = system.at(places::CONFIG);
    if !config.is_dir() {
        return Ok(());
    }
    let path = config.join(NAME);
    let found = match file::read_at_most(&path, FILE_MAX) {
        Ok(found) => Some(String::from_utf8_lossy(&found).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(String::new()),
        // It is damaged: what we have to say takes its place.
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => None,
        Err(error) => return Err(error),
    };
    let wanted = replaced(found.as_deref().unwrap_or_default(), section, lines);
    if found.as_ref() == Some(&wanted) {
        return Ok(());
    }
    system.writable(&config, || {
        if wanted.is_empty() {
            file::remove(&path)
        } else {
            file::replace(&path, wanted.as_bytes(), 0o644)
        }
    })
}

fn replaced(found: &str, section: Section, lines: &[String]) -> String {
    let (node, update) = found.split_at(found.find(UPDATE).unwrap_or(found.len()));
    let text: String = lines
        .iter()
        .map(|line| format!("{line}{LINE_END}"))
        .collect();
    let (node, update) = match section {
        Section::NodeFile => (text.as_str(), update),
        Section::Update => (node.trim_end(), text.as_str()),
    };
    match (node.trim_end(), update) {
        ("", update) => update.to_owned(),
        (node, "") => format!("{node}{LINE_END}"),
        (node, update) => format!("{node}{LINE_END}{LINE_END}{update}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_comes_and_goes_and_leaves_the_other_alone() {
        let node = ["node.toml: line 3".to_owned()];
        let update = [UPDATE.to_owned(), "it is damaged".to_owned()];

        let first = replaced("", Section::NodeFile, &node);
        let both = replaced(&first, Section::Update, &update);
        let again = replaced(&both, Section::NodeFile, &node);
        let one = replaced(&both, Section::NodeFile, &[]);

        assert_eq!(first, "node.toml: line 3\r\n");
        assert_eq!(both, format!("{first}\r\n{UPDATE}\r\nit is damaged\r\n"));
        assert_eq!(again, both);
        assert_eq!(one, format!("{UPDATE}\r\nit is damaged\r\n"));
        assert_eq!(replaced(&both, Section::Update, &[]), first);
        assert_eq!(replaced(&one, Section::Update, &[]), "");
    }

    #[test]
    fn a_damaged_file_is_not_taken_into_memory_and_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let system = System::new(folder.path());
        let path = system.at(places::CONFIG).join(NAME);
        let damaged = vec![b'x'; usize::try_from(FILE_MAX).expect("small") + 1];
        let line = ["node.toml: line 3".to_owned()];
        for (lines, left) in [(&line[..], Some("node.toml: line 3\r\n")), (&[], None)] {
            file::replace(&path, &damaged, 0o644).expect("writes");
            set(&system, Section::NodeFile, lines).expect("writes");
            let text = std::fs::read_to_string(&path).ok();
            assert_eq!(text.as_deref(), left);
        }
    }
}
