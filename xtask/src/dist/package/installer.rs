//! The installer for Windows, by NSIS.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{EPOCH_S, LIMIT, pack};
use crate::dist::WINDOWS_PROGRAMS;
use crate::dist::sign::Signer;
use crate::exec::Shell;

/// Makes an installer that calls itself `version` of the programs for Windows. With a signer, it
/// and its uninstaller are signed.
pub(crate) fn installer(
    shell: &Shell,
    root: &Path,
    programs: &Path,
    version: &str,
    signer: Option<&Signer<'_>>,
    out: &Path,
) -> Result<PathBuf> {
    let folder = tempfile::tempdir()?;
    for program in WINDOWS_PROGRAMS {
        let name = format!("{program}.exe");
        pack(&programs.join(&name), &folder.path().join(&name))?;
    }
    let path = out.join(format!("tasuki-setup-{version}.exe"));
    fs::create_dir_all(out)?;
    let sign = signer.map(|signer| format!("-DSIGN={}", signer.program().display()));
    shell
        .call("makensis")
        .args(["-V2", "-WX", "-INPUTCHARSET", "UTF8"])
        .args(sign)
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
