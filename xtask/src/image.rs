//! Images of boards, for what boots them: built by `tasuki image build`, again only when what goes
//! into them has changed.

use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cache;
use crate::demo;
use crate::exec::{Call, Shell};

/// From nothing: compilers at work for the relay, packages from a mirror.
const BUILD_LIMIT: Duration = Duration::from_secs(3600);

/// What an image is made of, and what makes it.
pub(crate) const INPUTS: [&str; 8] = [
    "boards",
    "systemd",
    "image-builder",
    "relay",
    "protocol",
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
];

/// An image that is wanted.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a> {
    pub(crate) board: &'a str,
    pub(crate) version: &'a str,
    /// Lock files that count instead of the repository's.
    pub(crate) locks: Option<&'a Path>,
}

/// Builds `tasuki`, and the agents that boards are tried with; returns where `tasuki` lies.
///
/// # Errors
///
/// They cannot be built.
pub(crate) fn tasuki(shell: &Shell, root: &Path) -> Result<PathBuf> {
    let messages = shell
        .call("cargo")
        .args(["build", "--quiet", "--locked", "--bins"])
        .args(["-p", "agent", "-p", "image-builder"])
        .arg("--message-format=json-render-diagnostics")
        .dir(root)
        .output_shown(BUILD_LIMIT)?;
    demo::programs(&messages)
        .find(|program| program.ends_with("tasuki"))
        .context("cargo built no tasuki")
}

/// The folder of the image's release, `target/images/BOARD-VERSION`, as `tasuki` builds it.
///
/// # Errors
///
/// It cannot be built.
pub(crate) fn release(
    shell: &Shell,
    root: &Path,
    tasuki: &Path,
    order: &Order<'_>,
) -> Result<PathBuf> {
    let inputs = cache::key(shell, root, &INPUTS, None)?;
    let tasuki = || shell.call(tasuki).dir(root);
    release_with(shell, root, order, inputs, tasuki)
}

fn release_with<'s>(
    shell: &Shell,
    root: &Path,
    order: &Order<'_>,
    inputs: u64,
    tasuki: impl Fn() -> Call<'s>,
) -> Result<PathBuf> {
    let Order {
        board,
        version,
        locks,
    } = *order;
    let name = format!("{board}-{version}");
    let images = root.join("target/images");
    fs::create_dir_all(&images).with_context(|| format!("cannot make {}", images.display()))?;
    // Another run that wants the same waits, and finds it made.
    let lock = images.join(format!("{name}.lock"));
    let lock = File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
    shell.wait_for(
        "another build of the same image",
        BUILD_LIMIT,
        || match lock.try_lock() {
            Ok(()) => Ok(Some(())),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).context("cannot lock"),
        },
    )?;
    let folder = images.join(&name);
    // Beside the release, in which everything belongs to the image.
    let note = images.join(format!("{name}.inputs"));
    let key = format!("{inputs:016x} {:?}", locks.map(lock_files).transpose()?);
    if fs::read_to_string(&note).is_ok_and(|built| built == key) && folder.exists() {
        return Ok(folder);
    }
    if folder.exists() {
        // In this order: what is left of a folder must not look done.
        fs::write(&note, "")?;
        fs::remove_dir_all(&folder)?;
    }
    // Under its name only when it is whole.
    let partial = tempfile::tempdir_in(&images)?;
    let mut call = tasuki()
        .args([
            "image",
            "build",
            "--board",
            board,
            "--image-version",
            version,
        ])
        .arg("--out")
        .arg(partial.path().join(&name));
    if let Some(locks) = locks {
        call = call.arg("--locks").arg(locks);
    }
    call.output(BUILD_LIMIT)?;
    fs::rename(partial.path().join(&name), &folder)?;
    fs::write(&note, key).with_context(|| format!("cannot write {}", note.display()))?;
    Ok(folder)
}

/// What the lock files in a folder say, as a number.
fn lock_files(folder: &Path) -> Result<u64> {
    let refused = || format!("cannot read {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(refused)? {
        let path = entry?.path();
        files.push((fs::read(&path).with_context(refused)?, path));
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILD: &str = "echo built >> built; mkdir -p \"$8\" && echo image > \"$8/image\"";
    const ORDER: Order<'_> = Order {
        board: "virt",
        version: "1.0.0",
        locks: None,
    };

    struct Checkout {
        folder: tempfile::TempDir,
        shell: Shell,
    }

    impl Checkout {
        fn new() -> Self {
            Self {
                folder: tempfile::tempdir().unwrap(),
                shell: Shell::new(false).unwrap(),
            }
        }

        /// With a shell script in place of `tasuki`.
        fn release(&self, order: &Order<'_>, inputs: u64, script: &str) -> Result<PathBuf> {
            let root = self.folder.path();
            release_with(&self.shell, root, order, inputs, || {
                let call = self.shell.call("/bin/sh").args(["-c", script, "tasuki"]);
                call.dir(root)
            })
        }

        fn builds(&self) -> usize {
            let list = fs::read_to_string(self.folder.path().join("built"));
            list.unwrap_or_default().lines().count()
        }
    }

    #[test]
    fn an_image_is_built_again_only_when_what_goes_into_it_has_changed() {
        let checkout = Checkout::new();
        let locks = checkout.folder.path().join("locks");
        fs::create_dir(&locks).unwrap();
        fs::write(locks.join("arm64.lock"), "1").unwrap();
        let other_version = Order {
            version: "1.0.1",
            ..ORDER
        };
        let other_locks = Order {
            locks: Some(&locks),
            ..ORDER
        };
        let built = |order: &Order<'_>, inputs: u64| {
            let folder = checkout.release(order, inputs, BUILD).unwrap();
            assert!(folder.join("image").exists());
            checkout.builds()
        };

        assert_eq!(built(&ORDER, 1), 1);
        assert_eq!(built(&ORDER, 1), 1);
        assert_eq!(built(&ORDER, 2), 2);
        assert_eq!(built(&other_version, 2), 3);
        assert_eq!(built(&ORDER, 2), 3, "each version has its own folder");
        assert_eq!(built(&other_locks, 2), 4);
        assert_eq!(built(&other_locks, 2), 4);
        fs::write(locks.join("arm64.lock"), "2").unwrap();
        assert_eq!(built(&other_locks, 2), 5);
        assert_eq!(built(&ORDER, 2), 6);
    }

    #[test]
    fn a_build_that_failed_halfway_leaves_nothing_that_looks_done() {
        let checkout = Checkout::new();
        checkout.release(&ORDER, 1, BUILD).unwrap();

        let broken = format!("{BUILD}; exit 1");
        assert!(checkout.release(&ORDER, 2, &broken).is_err());

        let folder = checkout.folder.path().join("target/images/virt-1.0.0");
        assert!(!folder.exists());
        // The inputs of the first build once more: its image is gone.
        checkout.release(&ORDER, 1, BUILD).unwrap();
        assert_eq!(checkout.builds(), 3);
    }
}
