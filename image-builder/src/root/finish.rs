//! What Debian's maintainer scripts would have done, as far as an image wants it.
//!
//! `boards/reviewed-scripts.toml` says for each script which step here does its work.

use super::{Entry, Tree, TreeError};

const CERTIFICATES: &str = "usr/share/ca-certificates";
/// Folders whose files finishing steps turn into others, and take away: here and in `users`.
pub(super) const TURNED: [&str; 2] = [CERTIFICATES, "usr/share/base-passwd"];
/// Folders that things are mounted on, or that programs expect.
const FOLDERS: [&str; 4] = ["mnt", "srv", "etc/tasuki", "usr/local/bin"];

/// Makes the settled files of a root for `board` at `version`.
pub(super) fn finish(tree: &mut Tree, board: &str, version: &str) -> Result<(), TreeError> {
    for folder in FOLDERS {
        tree.insert_new(folder, Entry::folder())?;
    }
    for (path, text) in [
        ("etc/hostname", "tasuki\n"),
        ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
        (
            "etc/nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
        ),
        // Empty: a new one at each boot, and not the first boot of `systemd-firstboot(1)`.
        ("etc/machine-id", ""),
        (
            "etc/fstab",
            "# The root comes from the initramfs, everything else from units.\n",
        ),
    ] {
        tree.insert(path, Entry::file(text.as_bytes()))?;
    }
    for (path, target) in [
        ("etc/resolv.conf", "../run/systemd/resolve/resolv.conf"),
        ("etc/localtime", "../usr/share/zoneinfo/Etc/UTC"),
        ("var/run", "/run"),
        ("var/lock", "/run/lock"),
        ("etc/mtab", "../proc/self/mounts"),
        ("etc/os-release", "../usr/lib/os-release"),
    ] {
        tree.remove(path);
        tree.insert(path, Entry::link(target))?;
    }
    tree.insert(
        "usr/lib/os-release",
        Entry::file(os_release(board, version)),
    )?;
    certificates(tree)?;
    // Nobody logs in, so nothing has to run with its owner's rights.
    let paths: Vec<String> = tree.walk().map(|(path, _)| path.to_owned()).collect();
    for path in paths {
        if let Some(entry) = tree.get_mut(&path) {
            entry.mode &= 0o1777;
        }
    }
    Ok(())
}

/// The keys of `os-release(5)`; `IMAGE_ID` and `IMAGE_VERSION` are what updates compare.
fn os_release(board: &str, version: &str) -> Vec<u8> {
    format!(
        "NAME=\"Tasuki\"\n\
         PRETTY_NAME=\"Tasuki {version} for {board}\"\n\
         ID=tasuki\n\
         ID_LIKE=debian\n\
         VERSION_ID=\"{version}\"\n\
         IMAGE_ID=\"tasuki-{board}\"\n\
         IMAGE_VERSION=\"{version}\"\n"
    )
    .into_bytes()
}

/// All certificates in one file, ordered by name, for programs that look there.
fn certificates(tree: &mut Tree) -> Result<(), TreeError> {
    let mut all = Vec::new();
    for (path, _) in tree.below(CERTIFICATES) {
        if path.ends_with(".crt") {
            all.extend_from_slice(tree.read(path)?);
        }
    }
    if all.is_empty() {
        return Err(TreeError::Missing {
            path: CERTIFICATES.to_owned(),
        });
    }
    tree.remove(CERTIFICATES);
    tree.insert("etc/ssl/certs/ca-certificates.crt", Entry::file(all))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_bare_tree_becomes_one_that_says_who_it_is() {
        let mut tree = Tree::new(Timestamp::UNIX_EPOCH);
        for (name, text) in [("b.crt", "two\n"), ("a.crt", "one\n")] {
            let path = format!("{CERTIFICATES}/mozilla/{name}");
            tree.insert(&path, Entry::file(text.as_bytes())).unwrap();
        }
        let mut program = Entry::program(*b"");
        program.mode = 0o4755;
        tree.insert("usr/bin/mount", program).unwrap();

        finish(&mut tree, "virt", "1.2.3").unwrap();

        let release = tree.read_text("etc/os-release").unwrap();
        assert!(release.contains("IMAGE_ID=\"tasuki-virt\"\nIMAGE_VERSION=\"1.2.3\"\n"));
        assert_eq!(
            tree.read_text("etc/ssl/certs/ca-certificates.crt").unwrap(),
            "one\ntwo\n"
        );
        assert_eq!(tree.get("usr/bin/mount").unwrap().mode, 0o755);
        assert!(tree.read("etc/machine-id").unwrap().is_empty());
    }
}
