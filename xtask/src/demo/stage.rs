//! Everything that the demo puts on the machine: processes, and one private folder.
//!
//! What is on stage is also written to a file, so that `--keep` can leave it and a later run finds
//! it, also after a run that was killed and could not clean up.
//! Dropping the stage removes all of it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::exec::{Call, Process, Shell, end};
use crate::report;
use crate::sys::{Group, started_at};

/// Ports below the range from which Linux takes those of outgoing connections, so that a port
/// found free stays free until its program listens.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Where xrdp keeps sockets for its channels; made by it when it is started as root.
const XRDP_SOCKETS: &str = "/run/xrdp";

const FOLDER_PREFIX: &str = "tasuki-demo-";

pub(super) struct Stage<'a> {
    shell: &'a Shell,
    list: PathBuf,
    folder: Option<TempDir>,
    /// With the names that they were started under.
    processes: Vec<(String, Process)>,
    next_port: u16,
    xrdp_sockets_are_ours: bool,
}

impl<'a> Stage<'a> {
    /// An empty stage, whose list of what is on it lies in `demo`.
    pub(super) fn set(shell: &'a Shell, demo: &Path) -> Result<Self> {
        fs::create_dir_all(demo).with_context(|| format!("cannot make {}", demo.display()))?;
        let folder = tempfile::Builder::new().prefix(FOLDER_PREFIX).tempdir()?;
        // Runs at the same moment on one machine begin their search at different places.
        let offset = u16::try_from(std::process::id() % 10_000)?;
        let stage = Self {
            shell,
            list: list(demo),
            folder: Some(folder),
            processes: Vec::new(),
            next_port: PORTS.start + offset,
            xrdp_sockets_are_ours: !Path::new(XRDP_SOCKETS).exists(),
        };
        fs::create_dir(stage.path("home"))?;
        stage.write_list()?;
        Ok(stage)
    }

    /// For programs that are to find this user's own settings.
    pub(super) fn shell(&self) -> &'a Shell {
        self.shell
    }

    /// A path in the private folder, which only this user can open.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder
            .as_ref()
            .map(|folder| folder.path().join(name))
            .unwrap_or_default()
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// A call of a program that finds its user's settings in the private folder.
    pub(super) fn call(&self, program: impl AsRef<std::ffi::OsStr>) -> Call<'a> {
        self.shell
            .call(program)
            .dir(&self.path(""))
            .env("HOME", self.path("home"))
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("XAUTHORITY")
            .env_remove("WAYLAND_DISPLAY")
    }

    /// Starts a program that stays until the stage is cleared; its log is `name`.log.
    pub(super) fn start(&mut self, name: &str, call: Call<'_>) -> Result<()> {
        let process = call.start(&self.path(&format!("{name}.log")))?;
        self.processes.push((name.to_owned(), process));
        self.write_list()
    }

    /// Ends the program that was started last under this name.
    pub(super) fn end(&mut self, name: &str) -> Result<()> {
        drop(self.take(name)?);
        Ok(())
    }

    /// Waits until the program that was started last under this name has ended by itself.
    pub(super) fn wait_for_end(&mut self, name: &str, limit: Duration) -> Result<()> {
        let mut process = self.take(name)?;
        self.shell.wait_for(name, limit, || {
            Ok(process.still_runs().is_err().then_some(()))
        })
    }

    fn take(&mut self, name: &str) -> Result<Process> {
        let at = self.processes.iter().rposition(|(one, _)| one == name);
        let at = at.with_context(|| format!("{name} is not there"))?;
        Ok(self.processes.remove(at).1)
    }

    /// Waits for something that the programs on stage do together; fails when one of them ends.
    pub(super) fn wait_for<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let shell = self.shell;
        shell.wait_for(what, limit, || {
            self.processes
                .iter_mut()
                .try_for_each(|(_, process)| process.still_runs())?;
            look(self)
        })
    }

    /// The end of what each of our own programs said, for a failure that no single one explains.
    pub(super) fn logs(&self) -> Vec<String> {
        self.processes
            .iter()
            .map(|(_, process)| process)
            .filter(|process| process.name().starts_with("tasuki") || process.name() == "wine")
            .map(|process| format!("{} said:\n{}", process.name(), process.log_tail()))
            .collect()
    }

    /// A loopback port on which nothing listens.
    pub(super) fn free_port(&mut self) -> Result<u16> {
        for _ in PORTS {
            let port = self.next_port;
            self.next_port = if port + 1 < PORTS.end {
                port + 1
            } else {
                PORTS.start
            };
            if TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(port);
            }
        }
        anyhow::bail!("no free port between {} and {}", PORTS.start, PORTS.end)
    }

    /// Leaves everything as it is; [`strike`] clears it.
    pub(super) fn keep(mut self) {
        for (_, process) in self.processes.drain(..) {
            process.release();
        }
        if let Some(folder) = self.folder.take() {
            // The path is in the list.
            let _ = folder.keep();
        }
    }

    fn write_list(&self) -> Result<()> {
        let mut text = format!("folder {}\n", self.path("").display());
        if self.xrdp_sockets_are_ours {
            text.push_str("xrdp sockets\n");
        }
        for (_, process) in &self.processes {
            if let Some(started) = started_at(process.id()) {
                text.push_str(&format!("process {} {started}\n", process.id()));
            }
        }
        fs::write(&self.list, text).with_context(|| format!("cannot write {}", self.list.display()))
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        let Some(folder) = self.folder.take() else {
            return;
        };
        // Last started, first ended: nobody loses the server it talks to.
        while let Some(process) = self.processes.pop() {
            drop(process);
        }
        if self.xrdp_sockets_are_ours {
            remove_xrdp_sockets();
        }
        if let Err(error) = folder.close() {
            report::say(&format!("Left behind: {error}"));
        }
        // Without the list a later run has nothing to clear, which is right.
        let _ = fs::remove_file(&self.list);
    }
}

/// Clears what an earlier run left on stage, wanted or not; whether there was something.
pub(super) fn strike(demo: &Path) -> Result<bool> {
    let list = list(demo);
    let Ok(text) = fs::read_to_string(&list) else {
        return Ok(false);
    };
    for line in text.lines().rev() {
        let known = match line.split_once(' ') {
            Some(("process", process)) => end_process(process),
            Some(("folder", folder)) => remove_folder(Path::new(folder))?,
            Some(("xrdp", _)) => {
                remove_xrdp_sockets();
                Some(())
            }
            _ => None,
        };
        known.with_context(|| format!("the list of the earlier demo has {line:?}"))?;
    }
    fs::remove_file(&list)?;
    Ok(true)
}

fn list(demo: &Path) -> PathBuf {
    demo.join("on-stage")
}

fn end_process(described: &str) -> Option<()> {
    let (id, started) = described.split_once(' ')?;
    let id = id.parse().ok()?;
    // Another start time means another process, to which the system gave the same id.
    if started_at(id).as_deref() == Some(started) {
        end(Group::led_by(id)?, || ());
    }
    Some(())
}

/// Refuses what is not named like a folder of a stage, whatever the list says.
fn remove_folder(folder: &Path) -> Result<Option<()>> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if !name.starts_with(FOLDER_PREFIX) {
        return Ok(None);
    }
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    Ok(Some(()))
}

/// Removes the folder unless something lies in it that another xrdp has put there meanwhile.
fn remove_xrdp_sockets() {
    let _ = fs::remove_dir(Path::new(XRDP_SOCKETS).join("sockdir"));
    let _ = fs::remove_dir(XRDP_SOCKETS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cleared_stage_leaves_nothing() {
        let demo = tempfile::tempdir().unwrap();
        let shell = Shell::new(false).unwrap();
        let mut stage = Stage::set(&shell, demo.path()).unwrap();
        let sleeper = stage.call("sleep").arg("600");
        stage.start("sleeper", sleeper).unwrap();
        let (folder, id) = (stage.path(""), stage.processes[0].1.id());
        assert!(folder.exists() && started_at(id).is_some());

        drop(stage);

        assert!(!folder.exists());
        assert_eq!(started_at(id), None);
        assert!(!strike(demo.path()).unwrap(), "nothing is listed");
    }

    #[test]
    fn a_program_ends_by_the_name_it_was_started_under() {
        let demo = tempfile::tempdir().unwrap();
        let shell = Shell::new(false).unwrap();
        let mut stage = Stage::set(&shell, demo.path()).unwrap();
        let sleeper = stage.call("sleep").arg("600");
        stage.start("sleeper", sleeper).unwrap();
        let id = stage.processes[0].1.id();

        assert!(stage.end("sleep").is_err(), "nobody has this name");
        stage.end("sleeper").unwrap();

        assert!(!runs(id));
        assert!(stage.end("sleeper").is_err(), "it has gone");
    }

    #[test]
    fn what_was_kept_is_struck_later() {
        let demo = tempfile::tempdir().unwrap();
        let shell = Shell::new(false).unwrap();
        let mut stage = Stage::set(&shell, demo.path()).unwrap();
        let sleeper = stage.call("sleep").arg("600");
        stage.start("sleeper", sleeper).unwrap();
        let (folder, id) = (stage.path(""), stage.processes[0].1.id());

        stage.keep();
        assert!(folder.exists() && runs(id));
        assert!(strike(demo.path()).unwrap());

        assert!(!folder.exists());
        assert!(!runs(id));
    }

    #[test]
    fn a_list_that_names_something_else_deletes_nothing() {
        let demo = tempfile::tempdir().unwrap();
        let precious = tempfile::tempdir().unwrap();
        fs::write(
            list(demo.path()),
            format!("folder {}\n", precious.path().display()),
        )
        .unwrap();

        assert!(strike(demo.path()).is_err());
        assert!(precious.path().exists());
    }

    fn runs(id: u32) -> bool {
        fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }
}
