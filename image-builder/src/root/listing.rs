//! A tree as text: one line a path, for people, for `diff` and for golden files.

use std::fmt::Write;

use crate::identity::Hash;

use super::{Kind, Tree};

/// `MODE UID:GID SIZE HASH /PATH`, or `-> TARGET` for links; ordered as [`Tree::walk`].
pub fn of(tree: &Tree) -> String {
    let mut text = String::new();
    for (path, entry) in tree.walk() {
        let owner = format!("{}:{}", entry.uid, entry.gid);
        let mode = entry.mode;
        // Writing to a string cannot fail.
        let _ = match &entry.kind {
            Kind::Folder => writeln!(text, "d{mode:04o} {owner} /{path}"),
            Kind::Link(target) => writeln!(text, "l{mode:04o} {owner} /{path} -> {target}"),
            Kind::File(content) => {
                let hash = Hash::of(content).to_string();
                let hash = hash.get(..16).unwrap_or(&hash);
                writeln!(text, "f{mode:04o} {owner} /{path} {} {hash}", content.len())
            }
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::Entry;
    use super::*;

    #[test]
    fn every_kind_has_its_line() {
        let mut tree = Tree::new(Timestamp::UNIX_EPOCH);
        tree.insert("a", Entry::link("b")).unwrap();
        tree.insert("b", Entry::program(*b"")).unwrap();

        assert_eq!(
            of(&tree),
            "d0755 0:0 /\nl0777 0:0 /a -> b\nf0755 0:0 /b 0 e3b0c44298fc1c14\n"
        );
    }
}
