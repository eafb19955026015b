//! Rules about the tree: what lies at the top, machine paths, links between documents.

use std::collections::BTreeSet;

use super::files::File;
use super::{Finding, Findings};

/// What may lie at the top beside dot-folders: what the customer fixed, and what this workspace
/// needs there.
const TOP: [&str; 22] = [
    "relay",
    "agent",
    "image-builder",
    "boards",
    "systemd",
    "benches",
    "protocol",
    "xtask",
    "docs",
    "Cargo.toml",
    "Cargo.lock",
    "Cross.toml",
    "clippy.toml",
    "deny.toml",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "LICENSE",
    "NOTICE",
];

/// Folders that exist on one machine only.
const MACHINE_PATHS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

pub(super) fn check(files: &[File], found: &mut Findings) {
    let known = known_paths(files);
    for file in files {
        found.errors.extend(top(file));
        for (number, line) in file.lines() {
            if let Some(path) = MACHINE_PATHS
                .into_iter()
                .find(|path| names_path(line, path))
            {
                found.errors.push(Finding::at(
                    file,
                    number,
                    format!(
                        "{path} exists on one machine only: take the place from an argument, the \
                         environment or a temporary folder"
                    ),
                ));
            }
        }
        if file.path.ends_with(".md") {
            found.errors.extend(broken_links(file, &known));
        }
    }
}

fn top(file: &File) -> Option<Finding> {
    let first = file.path.split('/').next().unwrap_or_default();
    (!first.starts_with('.') && !TOP.contains(&first)).then(|| {
        Finding::of(
            &file.path,
            "the top level is fixed, so that newcomers find the same things for years: put this \
             into the folder it belongs to, or into docs/",
        )
    })
}

fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let (before, _) = line.split_at(at);
        // `etc/work/` is a path of something else.
        !before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '*'))
    })
}

/// All files and all folders above them.
fn known_paths(files: &[File]) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for file in files {
        let mut path = file.path.as_str();
        known.insert(path.to_owned());
        while let Some((folder, _)) = path.rsplit_once('/') {
            known.insert(folder.to_owned());
            path = folder;
        }
    }
    known
}

fn broken_links(file: &File, known: &BTreeSet<String>) -> Vec<Finding> {
    let mut broken = Vec::new();
    let mut in_code = false;
    for (number, line) in file.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for target in link_targets(line) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            let resolved = resolve(&file.path, path);
            if !resolved.as_ref().is_some_and(|path| known.contains(path)) {
                broken.push(Finding::at(
                    file,
                    number,
                    format!(
                        "the link to {path} leads nowhere: readers trust links, and only files \
                         that git knows reach them; correct it or add the file"
                    ),
                ));
            }
        }
    }
    broken
}

/// The targets of all `[text](target)` in a line.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next())
}

/// The path that a link in the document `from` means, seen from the top; `None` outside of it.
fn resolve(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    fn places(files: &[File]) -> Vec<String> {
        let mut found = Findings::default();
        check(files, &mut found);
        found
            .errors
            .into_iter()
            .map(|finding| finding.place)
            .collect()
    }

    #[test]
    fn only_known_names_lie_at_the_top() {
        let files = [
            file("notes.txt", ""),
            file("docs/notes.txt", ""),
            file(".ci/run", ""),
        ];

        assert_eq!(places(&files), ["notes.txt"]);
    }

    #[test]
    fn machine_paths_are_found_and_similar_ones_are_not() {
        let machine = format!("open {}x", MACHINE_PATHS[0]);
        let similar = format!("open net{}x", MACHINE_PATHS[0]);

        assert_eq!(places(&[file("docs/a.txt", &machine)]), ["docs/a.txt:1"]);
        assert!(places(&[file("docs/a.txt", &similar)]).is_empty());
    }

    #[test]
    fn links_to_files_and_folders_have_to_resolve() {
        let text = "[a](b.md#part) [up](../README.md) [dir](../relay/)\n[gone](c.md)\n";
        let files = [
            file("docs/a.md", text),
            file(
                "docs/b.md",
                "[out](../../x.md) [web](https://example.org) [here](#part)",
            ),
            file("README.md", "```\n[not](a-link.md)\n```\n"),
            file("relay/src/main.rs", ""),
        ];

        assert_eq!(places(&files), ["docs/a.md:2", "docs/b.md:1"]);
    }
}
