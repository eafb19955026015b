//! The installer on the office PC: silent, renewed, upgraded, repaired and removed, and what it
//! leaves behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{COMMAND_LIMIT, Deployment, Registry, Windows};
use crate::demo::stage::Stage;
use crate::dist::package::VERSION;
use crate::wine::Wine;

/// The computer ID of the office PC that the installer prepares.
const COMPUTER: &str = "demo-installed-pc";
/// What the second installer calls itself; its programs are the same.
pub(in crate::demo) const NEXT: &str = "99.0.0";

/// The folder of the programs, in drive C.
const PROGRAMS: &str = "Program Files/Tasuki";
const PROGRAM_FILES: [&str; 3] = [
    "tasuki-host.exe",
    "tasuki-host-settings.exe",
    "tasuki-client.exe",
];
/// The start menu of all users, in drive C.
const START_MENU: &str = "ProgramData/Microsoft/Windows/Start Menu/Programs/Tasuki";
const UNINSTALL: &str = r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall\Tasuki";
/// What changes by itself, or stays on purpose.
const ELSEWHERE: [&str; 3] = ["ProgramData/Tasuki", "windows/temp", "users"];

/// Installers of this version and of one that comes later.
pub(in crate::demo) struct Installers {
    pub(in crate::demo) this: PathBuf,
    pub(in crate::demo) next: PathBuf,
}

impl Windows<'_> {
    /// Removes what an earlier run may have left.
    pub(super) fn uninstall_leftovers(&self) -> Result<()> {
        let folder = self.programs();
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        self.uninstall_user_leftovers()
    }

    /// Lets the installer do all that it can. The service is not installed, and `before` is the
    /// registry without it.
    pub(in crate::demo) fn try_installer(
        &self,
        stage: &mut Stage<'_>,
        deployment: &Deployment<'_>,
        before: &Registry,
    ) -> Result<()> {
        let files = self.files()?;
        let unchanged = |stage: &Stage<'_>, what: &str| {
            before.is_like(&self.registry(stage)?, what)?;
            same_files(&files, &self.files()?, what)
        };

        let refused = self.setup(stage, &self.installers.this, &["/MODE=host"])?;
        ensure!(refused == Some(2), "without an entry file: {refused:?}");
        unchanged(stage, "an installation that was refused")?;

        let entry = format!("/ENTRY={}", Wine::path(&deployment.entry_file));
        let id = format!("/ID={COMPUTER}");
        self.set_up(stage, &self.installers.this, &["/MODE=both", &id, &entry])?;
        self.is_whole(stage, VERSION)?;
        check_says(&self.programs(), "The relay can be reached.")?;
        self.refuse_user(stage, &entry)?;
        let installed = self.files()?;

        // What is damaged is whole again, and what was chosen and named once is remembered.
        for program in ["tasuki-host.exe", "tasuki-client.exe"] {
            if program == "tasuki-host.exe" {
                self.service(stage, "stop")?;
            }
            fs::write(self.programs().join(program), "damaged")?;
        }
        self.service(stage, "remove")?;
        self.set_up(stage, &self.installers.this, &[])?;
        self.is_whole(stage, VERSION)?;
        same_files(&installed, &self.files()?, "a repair")?;

        self.set_up(stage, &self.installers.next, &[])?;
        self.is_whole(stage, NEXT)?;
        same_files(&installed, &self.files()?, "an upgrade")?;

        self.set_up(stage, &self.installers.next, &["/MODE=client"])?;
        let said = self
            .host(stage)
            .args(["service", "status"])
            .finish(COMMAND_LIMIT)?;
        ensure!(said.stdout.trim() == "not installed", "{}", said.stdout);
        self.set_up(stage, &self.installers.next, &["/MODE=both"])?;
        self.is_whole(stage, NEXT)?;

        self.set_up(stage, &self.programs().join("uninstall.exe"), &[])?;
        // It goes on in a copy of itself, since it cannot delete itself.
        let folder = self.programs();
        stage.wait_for("the end of the uninstaller", COMMAND_LIMIT, |_| {
            Ok((!folder.exists()).then_some(()))
        })?;
        unchanged(stage, "the uninstaller")?;
        ensure!(
            self.state().join("host/identity").exists(),
            "the uninstaller has taken the identity away"
        );
        // What comes next is an office PC that nobody has prepared.
        fs::remove_dir_all(self.state())?;
        Ok(())
    }

    fn programs(&self) -> PathBuf {
        self.office.drive_c().join(PROGRAMS)
    }

    /// Runs an installer without a window; returns its exit code.
    pub(super) fn setup(
        &self,
        stage: &Stage<'_>,
        program: &Path,
        words: &[&str],
    ) -> Result<Option<i32>> {
        let call = self.call(stage, program).arg("/S").args(words);
        // In English, whatever this machine speaks.
        let call = call.env("LC_ALL", "C");
        Ok(call.finish(COMMAND_LIMIT)?.status.code())
    }

    pub(super) fn set_up(&self, stage: &Stage<'_>, program: &Path, words: &[&str]) -> Result<()> {
        let code = self.setup(stage, program, words)?;
        ensure!(code == Some(0), "{} {words:?}: {code:?}", program.display());
        Ok(())
    }

    /// The programs as they were built, client and settings in the start menu, the service linked under
    /// its name, and the version that Windows shows.
    fn is_whole(&self, stage: &mut Stage<'_>, version: &str) -> Result<()> {
        for program in PROGRAM_FILES {
            let [built, installed] = [&self.folder, &self.programs()].map(|it| it.join(program));
            let same = fs::read(built)? == fs::read(&installed)?;
            ensure!(same, "{} is not as it was built", installed.display());
        }
        let menu = names_in(&self.office.drive_c().join(START_MENU))?;
        ensure!(
            menu == ["Tasuki host settings.lnk", "Tasuki.lnk"],
            "the start menu has {menu:?}"
        );
        self.is(stage, "running")?;
        Deployment::wait_for_link(stage, |stage| self.host(stage))?;
        let said = self.host(stage).arg("status").output(COMMAND_LIMIT)?;
        ensure!(said.contains(COMPUTER), "not under its name: {said}");
        let said = self
            .call(stage, Path::new("reg"))
            .args(["query", UNINSTALL, "/v", "DisplayVersion"])
            .output(COMMAND_LIMIT)?;
        ensure!(said.contains(version), "not version {version}: {said}");
        Ok(())
    }

    /// Everything on drive C that does not change by itself.
    fn files(&self) -> Result<BTreeSet<String>> {
        let found = files_in(&self.office.drive_c(), &ELSEWHERE)?;
        ensure!(found.len() > 100, "drive C has {} files only", found.len());
        Ok(found)
    }
}

/// What the installer has found out about the way to the relay.
pub(super) fn check_says(folder: &Path, words: &str) -> Result<()> {
    let said = fs::read_to_string(folder.join("check.txt")).context("no check.txt")?;
    ensure!(said.contains(words), "the way to the relay: {said}");
    Ok(())
}

/// The names in a folder, in order.
pub(super) fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}

/// Everything in a folder but what lies `elsewhere`.
pub(super) fn files_in(root: &Path, elsewhere: &[&str]) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder)
            .with_context(|| format!("cannot look into {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            let name = path.strip_prefix(root)?;
            if elsewhere.iter().any(|other| name == Path::new(other)) {
                continue;
            }
            let about = entry.metadata()?;
            if about.is_dir() {
                found.insert(name.display().to_string());
                folders.push(path);
            } else {
                found.insert(format!("{} ({} bytes)", name.display(), about.len()));
            }
        }
    }
    Ok(found)
}

pub(super) fn same_files(
    before: &BTreeSet<String>,
    after: &BTreeSet<String>,
    whose: &str,
) -> Result<()> {
    let changed: Vec<_> = before.symmetric_difference(after).collect();
    ensure!(changed.is_empty(), "{whose} has changed files: {changed:?}");
    Ok(())
}
