//! The installer for one user: client, and the host in user mode, which shares the user's desktop.
//!
//! Renewed while the host runs, repaired and removed; the user's files and registry, and the PC's,
//! have to be as they were.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::setup::{NEXT, check_says, files_in, names_in, same_files};
use super::{COMMAND_LIMIT, Deployment, Registry, Windows, wait_for_passage};
use crate::demo::shared::RUN;
use crate::demo::stage::Stage;
use crate::dist::package::VERSION;
use crate::exec::Call;
use crate::wine::{Wine, write_locale};

const COMPUTER: &str = "demo-user-pc";

/// In the user's folder: the programs, the host's state, and the start menu.
const PROGRAMS: &str = "AppData/Local/Programs/Tasuki";
const STATE: &str = "AppData/Local/Tasuki";
const START_MENU: &str = "AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Tasuki";
/// What changes by itself, or stays on purpose.
const ELSEWHERE: [&str; 3] = ["AppData/Local/Temp", "Temp", STATE];

const REGISTRY: &str = r"HKCU\Software";
/// Every Windows has it, a Wine not before the first installation.
const UNINSTALL: &str = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Uninstall";
impl Windows<'_> {
    pub(super) fn uninstall_user_leftovers(&self) -> Result<()> {
        for folder in [PROGRAMS, START_MENU] {
            let folder = self.user_path(folder)?;
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
        }
        Ok(())
    }

    /// Where an administrator's host is a service, nobody has another one (A19).
    pub(super) fn refuse_user(&self, stage: &Stage<'_>, entry: &str) -> Result<()> {
        let refused = self.setup(stage, &self.user_installers.this, &["/MODE=host", entry])?;
        ensure!(refused == Some(2), "beside the service: {refused:?}");
        let programs = self.user_path(PROGRAMS)?;
        ensure!(!programs.exists(), "{} is there", programs.display());
        Ok(())
    }

    /// Lets the installer do all that it can for a user. No service is installed, and `machine` is
    /// the PC's registry.
    pub(in crate::demo) fn try_user_installer(
        &self,
        stage: &mut Stage<'_>,
        deployment: &Deployment<'_>,
        machine: &Registry,
    ) -> Result<()> {
        let [programs, state] = [self.user_path(PROGRAMS)?, self.user_path(STATE)?];
        if state.exists() {
            fs::remove_dir_all(&state)?;
        }
        if let Some(folder) = programs.parent() {
            fs::create_dir_all(folder)?;
        }
        self.reg(stage, &["add", &format!(r"{UNINSTALL}\Tasuki"), "/f"])?;
        self.reg(stage, &["delete", &format!(r"{UNINSTALL}\Tasuki"), "/f"])?;
        let before = self.registry_of(stage, &[REGISTRY])?;
        let files = self.user_files()?;
        let installers = &self.user_installers;

        self.try_without_a_way(stage, deployment)?;

        let entry = format!("/ENTRY={}", Wine::path(&deployment.entry_file));
        let id = format!("/ID={COMPUTER}");
        self.set_up(stage, &installers.this, &["/MODE=both", &id, &entry])?;
        self.is_whole_for_user(stage, VERSION)?;
        check_says(&programs, "The relay can be reached.")?;
        let installed = self.user_files()?;

        // As the settings do it.
        let starter = programs.join("tasuki-host-background.exe");
        let share = |stage: &Stage<'_>| -> Result<()> {
            let call = self.call(stage, &starter).arg("--state");
            let call = call.arg(self.user_folder(STATE)?);
            call.output(COMMAND_LIMIT).map(drop)
        };
        share(stage)?;
        self.user_host_is_linked(stage, 1)?;
        self.user_host_stops(stage)?;
        share(stage)?;
        self.user_host_is_linked(stage, 2)?;

        // A running host is renewed, and runs again.
        self.set_up(stage, &installers.next, &[])?;
        self.is_whole_for_user(stage, NEXT)?;
        same_files(&installed, &self.user_files()?, "an upgrade")?;
        self.user_host_is_linked(stage, 3)?;
        self.refuse_while_in_use(stage)?;
        fs::remove_file(programs.join("tasuki-desktop.exe"))?;
        self.set_up(stage, &installers.next, &[])?;
        self.is_whole_for_user(stage, NEXT)?;
        same_files(&installed, &self.user_files()?, "a repair")?;
        self.user_host_is_linked(stage, 4)?;

        self.let_it_start_with_windows(stage)?;
        self.set_up(stage, &installers.next, &["/MODE=client"])?;
        ensure!(!programs.join("tasuki-host.exe").exists(), "it is there");
        ensure!(
            !self.starts_with_windows(stage)?,
            "what has gone is started"
        );
        let said = self.user_host(stage)?.arg("status").finish(COMMAND_LIMIT)?;
        ensure!(!said.status.success(), "a host that is gone still runs");
        self.set_up(stage, &installers.next, &["/MODE=both"])?;
        same_files(&installed, &self.user_files()?, "both again")?;

        self.let_it_start_with_windows(stage)?;
        self.set_up(stage, &programs.join("uninstall.exe"), &[])?;
        stage.wait_for("the end of the uninstaller", COMMAND_LIMIT, |_| {
            Ok((!programs.exists()).then_some(()))
        })?;
        same_files(&files, &self.user_files()?, "the user's uninstaller")?;
        let after = self.registry_of(stage, &[REGISTRY])?;
        before.is_like(&after, "the user's uninstaller")?;
        machine.is_like(&self.registry(stage)?, "an installer for a user")?;
        ensure!(
            state.join("host/identity").exists(),
            "the uninstaller has taken the identity away"
        );
        fs::remove_dir_all(&state)?;
        Ok(())
    }

    fn let_it_start_with_windows(&self, stage: &Stage<'_>) -> Result<()> {
        self.call(stage, &self.user_path(PROGRAMS)?.join("tasuki-host.exe"))
            .args(["--state", &self.user_folder(STATE)?, "autostart", "on"])
            .output(COMMAND_LIMIT)?;
        ensure!(self.starts_with_windows(stage)?, "Windows starts no host");
        Ok(())
    }

    fn starts_with_windows(&self, stage: &Stage<'_>) -> Result<bool> {
        let call = self.call(stage, Path::new("reg"));
        let asked = call.args(["query", RUN, "/v", "Tasuki host"]);
        Ok(asked.finish(COMMAND_LIMIT)?.status.success())
    }

    /// Where no relay can be reached yet, all is installed, and the step that fails is named in the
    /// language of Windows.
    fn try_without_a_way(&self, stage: &mut Stage<'_>, deployment: &Deployment<'_>) -> Result<()> {
        let programs = self.user_path(PROGRAMS)?;
        let locales = stage.path("installer-locales");
        fs::create_dir(&locales)?;
        write_locale(stage.shell(), &locales, "ja_JP")?;
        let entry = Wine::path(&deployment.lost_entry(stage)?);
        let entry = format!("/ENTRY={entry}");
        for (locale, words) in [("C", "connection FAILED"), ("ja_JP.UTF-8", "接続 失敗")] {
            let call = self.call(stage, &self.user_installers.this);
            let call = call.args(["/S", &entry]).env("LOCPATH", &locales);
            let code = call.env("LC_ALL", locale).finish(COMMAND_LIMIT)?.status;
            ensure!(code.success(), "without a way: {code}");
            check_says(&programs, words)?;
        }
        ensure!(
            !programs.join("tasuki-host.exe").exists(),
            "a first installation is the client alone"
        );
        Ok(())
    }

    /// A program that somebody uses stays, and with it everything else.
    fn refuse_while_in_use(&self, stage: &mut Stage<'_>) -> Result<()> {
        let programs = self.user_path(PROGRAMS)?;
        let client = programs.join("tasuki-client.exe");
        // Something that says when it runs.
        fs::copy(self.folder.join("passage.exe"), &client)?;
        let door = format!("127.0.0.1:{}", stage.free_port()?);
        let call = self.call(stage, &client).args([&door, "/v:127.0.0.1:1"]);
        stage.start("used-client", call)?;
        wait_for_passage(stage, "used-client")?;
        let files = self.user_files()?;

        let renewed = self.setup(stage, &self.user_installers.next, &[])?;
        // In this process, whose exit code tells.
        let here = format!("_?={}", self.user_folder(PROGRAMS)?);
        let removed = self.setup(stage, &programs.join("uninstall.exe"), &[&here])?;

        let codes = [renewed, removed];
        ensure!(codes == [Some(2); 2], "with a client in use: {codes:?}");
        same_files(&files, &self.user_files()?, "what was refused")?;
        stage.end("used-client")
    }

    /// The host with the user's state; that of the test, which is there also where none is
    /// installed.
    fn user_host<'a>(&self, stage: &Stage<'a>) -> Result<Call<'a>> {
        Ok(self
            .host(stage)
            .args(["--state", &self.user_folder(STATE)?]))
    }

    /// The command ends a host that runs, and says that none does.
    fn user_host_stops(&self, stage: &Stage<'_>) -> Result<()> {
        let said = self.user_host(stage)?.arg("stop").output(COMMAND_LIMIT)?;
        ensure!(said.contains("has stopped"), "stop says: {said}");
        let none = self.user_host(stage)?.arg("stop").finish(COMMAND_LIMIT)?;
        ensure!(
            none.status.code() == Some(1) && none.stderr.contains("not running"),
            "stop says of no host: {}",
            none.stderr
        );
        Ok(())
    }

    /// Waits until the user's host, which was started so many times, is linked under its name. Each
    /// time before it has ended in order.
    fn user_host_is_linked(&self, stage: &mut Stage<'_>, starts: usize) -> Result<()> {
        let state = self.user_folder(STATE)?;
        Deployment::wait_for_link(stage, |stage| self.host(stage).args(["--state", &state]))?;
        let said = self.user_host(stage)?.arg("status").output(COMMAND_LIMIT)?;
        ensure!(said.contains(COMPUTER), "not under its name: {said}");
        let mut log = String::new();
        for file in fs::read_dir(self.user_path(STATE)?.join("host/log"))? {
            log.push_str(&fs::read_to_string(file?.path())?);
        }
        let seen = ["Host starts", "Host stops"].map(|event| log.matches(event).count());
        ensure!(
            seen == [starts, starts - 1],
            "started and ended in order {seen:?} times, the latter not {}",
            starts - 1
        );
        Ok(())
    }

    /// All programs as they were built, the start menu, and the version that Windows shows.
    fn is_whole_for_user(&self, stage: &Stage<'_>, version: &str) -> Result<()> {
        let installed = self.user_path(PROGRAMS)?;
        for program in [
            "host",
            "host-background",
            "host-settings",
            "client",
            "client-window",
            "desktop",
        ] {
            let name = format!("tasuki-{program}.exe");
            let [one, two] = [&self.folder, &installed].map(|it| fs::read(it.join(&name)));
            ensure!(one? == two?, "{name} is not as it was built");
        }
        let menu = names_in(&self.user_path(START_MENU)?)?;
        ensure!(
            menu == ["Tasuki host settings.lnk", "Tasuki.lnk"],
            "the start menu has {menu:?}"
        );
        let key = format!(r"{UNINSTALL}\Tasuki");
        let said = self.reg(stage, &["query", &key, "/v", "DisplayVersion"])?;
        ensure!(said.contains(version), "not version {version}: {said}");
        Ok(())
    }

    fn reg(&self, stage: &Stage<'_>, words: &[&str]) -> Result<String> {
        self.call(stage, Path::new("reg"))
            .args(words)
            .output(COMMAND_LIMIT)
    }

    /// A folder of the user's as Windows names it; the host is found by the name of its state.
    fn user_folder(&self, path: &str) -> Result<String> {
        let user = self.office.user()?;
        let name = user.file_name().unwrap_or_default().to_string_lossy();
        Ok(format!(r"C:\users\{name}\{path}").replace('/', r"\"))
    }

    fn user_path(&self, path: &str) -> Result<PathBuf> {
        Ok(self.office.user()?.join(path))
    }

    fn user_files(&self) -> Result<BTreeSet<String>> {
        files_in(&self.office.user()?, &ELSEWHERE)
    }
}
