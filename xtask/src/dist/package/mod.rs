//! What people install: for Linux a Debian package, for Windows installers and portable folders.
//! Their own files lie in `agent/packages`.

mod deb;
mod installer;
mod portable;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use super::System;
use super::sign::Signer;
use crate::debian::Package;
use crate::exec::Shell;

pub(crate) use self::installer::{Scope, installer};

/// The version of every program here.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// 2025-01-01, the date of every file in a package, in seconds since 1970.
const EPOCH_S: u64 = 1_735_689_600;

const LIMIT: Duration = Duration::from_secs(300);

pub(super) const PACKAGES: [Package; 1] = [Package {
    name: "nsis",
    purpose: "makes the installer for Windows",
}];

/// What goes into the packages of a system.
struct Contents<'a> {
    /// `agent/packages`.
    texts: PathBuf,
    programs: &'a Path,
    out: &'a Path,
}

/// Makes the packages of a system from its programs, into the folder `out`; returns their paths.
/// With a signer, the installers are signed.
pub(super) fn make(
    shell: &Shell,
    root: &Path,
    system: System,
    programs: &Path,
    signer: Option<&Signer<'_>>,
    out: &Path,
) -> Result<Vec<PathBuf>> {
    let contents = Contents {
        texts: root.join("agent/packages"),
        programs,
        out,
    };
    let installer = |scope| installer(shell, root, programs, VERSION, scope, signer, out);
    Ok(match system {
        System::Windows => vec![
            portable::folder(&contents, &portable::CLIENT)?,
            portable::folder(&contents, &portable::HOST)?,
            installer(Scope::Machine)?,
            installer(Scope::User)?,
        ],
        System::Linux => vec![deb::package(shell, &contents, "amd64")?],
        System::LinuxArm => vec![deb::package(shell, &contents, "arm64")?],
    })
}

/// Copies a file into what will be packed, with the date that all files have there.
fn pack(from: &Path, to: &Path) -> Result<()> {
    let refused = || format!("cannot copy {} to {}", from.display(), to.display());
    fs::copy(from, to).with_context(refused)?;
    let file = File::options().write(true).open(to).with_context(refused)?;
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(EPOCH_S);
    file.set_modified(date).with_context(refused)
}
