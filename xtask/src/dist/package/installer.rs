//! The installers for Windows, by NSIS: for a PC, and for one user of it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{EPOCH_S, LIMIT, pack};
use crate::dist::sign::Signer;
use crate::dist::{DESKTOP, WINDOWS_PROGRAMS};
use crate::exec::Shell;

/// Whom an installer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everybody on a PC, by its administrator; the host is a service.
    Machine,
    /// One user, who is no administrator; the host is in user mode.
    User,
}

/// Makes an installer that calls itself `version` of the programs for Windows. With a signer, it
/// and its uninstaller are signed.
pub(crate) fn installer(
    shell: &Shell,
    root: &Path,
    programs: &Path,
    version: &str,
    scope: Scope,
    signer: Option<&Signer<'_>>,
    out: &Path,
) -> Result<PathBuf> {
    let folder = tempfile::tempdir()?;
    let (name, more) = match scope {
        Scope::Machine => ("tasuki-setup", None),
        Scope::User => ("tasuki-setup-user", Some(DESKTOP)),
    };
    for program in WINDOWS_PROGRAMS.into_iter().chain(more) {
        let name = format!("{program}.exe");
        pack(&programs.join(&name), &folder.path().join(&name))?;
    }
    let path = out.join(format!("{name}-{version}.exe"));
    fs::create_dir_all(out)?;
    let sign = signer.map(|signer| format!("-DSIGN={}", signer.program().display()));
    shell
        .call("makensis")
        .args(["-V2", "-WX", "-INPUTCHARSET", "UTF8"])
        .args(sign)
        .args((scope == Scope::User).then_some("-DUSER"))
        .arg(format!("-DVERSION={version}"))
        .arg(format!("-DPROGRAMS={}", folder.path().display()))
        .arg(format!("-DOUT={}", path.display()))
        .arg(root.join("agent/packages/windows/installer.nsi"))
        .env("SOURCE_DATE_EPOCH", EPOCH_S.to_string())
        .output(LIMIT)?;
    if let Some(signer) = signer {
        signer.check(&path)?;
    }
    Ok(path)
}
