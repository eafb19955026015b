//! Starting other programs: the only place in this crate that does.
//!
//! Each one leads a session of processes of its own (`setsid`): so it has the scheduler's weight to
//! itself where autogroups are on, its children are found by it, and all of them end with it.

use std::ffi::OsStr;
use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::sys::{self, Group};

/// How long a program may take to serve, or to end when it is told to.
const START_LIMIT: Duration = Duration::from_secs(60);
const END_LIMIT: Duration = Duration::from_secs(5);

const POLL: Duration = Duration::from_millis(20);

/// Lines of a failed program's log that an error quotes.
const COMPLAINT_LINES: usize = 15;

/// Remembers that somebody asked this program to stop; who waits looks at it, and what was started
/// ends on the way out.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&raised))
                .context("cannot watch for Ctrl-C")?;
        }
        Ok(Self(raised))
    }

    /// # Errors
    /// Somebody pressed Ctrl-C.
    pub(crate) fn go_on(&self) -> anyhow::Result<()> {
        anyhow::ensure!(!self.0.load(Ordering::Relaxed), "stopped by a signal");
        Ok(())
    }

    /// Sleeps, and wakes up early when somebody presses Ctrl-C.
    pub(crate) fn sleep(&self, time: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + time;
        loop {
            self.go_on()?;
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(());
            }
            std::thread::sleep(rest.min(POLL));
        }
    }
}

/// A program that runs; it and its children end when it is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it on these CPUs; it reads `input`, and what it prints goes to `log`.
    pub(crate) fn start<A: AsRef<OsStr>>(
        program: &Path,
        arguments: &[A],
        input: Option<&Path>,
        log: &Path,
        cpus: &[usize],
    ) -> anyhow::Result<Self> {
        let name = name_of(program);
        let output =
            File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let pinned = sys::pin(cpus).with_context(|| format!("there are no CPUs {cpus:?}"))?;
        let child = Command::new("setsid")
            .arg(program)
            .args(arguments)
            .stdin(reading(input)?)
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        drop(pinned);
        let log = log.to_owned();
        Ok(Self { name, child, log })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it takes connections there.
    pub(crate) fn wait_for(&mut self, address: SocketAddr, stop: &Interrupt) -> anyhow::Result<()> {
        let what = format!("serve {address}");
        self.wait_until(&what, stop, |_| TcpStream::connect(address).ok().map(drop))
    }

    /// Waits until something is found; `look` gets what it has printed.
    pub(crate) fn wait_until<T>(
        &mut self,
        what: &str,
        stop: &Interrupt,
        mut look: impl FnMut(&str) -> Option<T>,
    ) -> anyhow::Result<T> {
        let until = Instant::now() + START_LIMIT;
        loop {
            if let Some(found) = look(&self.printed()) {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}\n{}", self.name, self.complaint());
            }
            if Instant::now() > until {
                bail!("{} does not {what}\n{}", self.name, self.complaint());
            }
            stop.sleep(POLL)?;
        }
    }

    /// Ends it without a word.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        if let Some(group) = Group::led_by(self.child.id()) {
            group.kill();
        }
        self.child.wait()?;
        Ok(())
    }

    /// Tells it to end, and waits until it has done so by itself.
    ///
    /// # Errors
    /// It did not, or not well.
    pub(crate) fn finish(mut self, stop: &Interrupt) -> anyhow::Result<()> {
        if let Some(group) = Group::led_by(self.child.id()) {
            group.terminate();
        }
        let until = Instant::now() + START_LIMIT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                anyhow::ensure!(
                    status.success(),
                    "{} ended with {status}\n{}",
                    self.name,
                    self.complaint()
                );
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < until, "{} does not end", self.name);
            stop.sleep(POLL)?;
        }
    }

    /// The end of what it has printed.
    fn complaint(&self) -> String {
        let text = self.printed();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(COMPLAINT_LINES);
        lines.get(from..).unwrap_or_default().join("\n")
    }

    fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let Some(group) = Group::led_by(self.child.id()) else {
            return;
        };
        group.terminate();
        let until = Instant::now() + END_LIMIT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(POLL);
        }
        // Children that outlived it, or all of them.
        group.kill();
        // It is gone, or was just killed.
        let _ = self.child.wait();
    }
}

/// Runs a program to its end, and gives what it printed.
pub(crate) fn output<A: AsRef<OsStr>>(
    program: &Path,
    arguments: &[A],
    input: Option<&Path>,
) -> anyhow::Result<String> {
    let name = name_of(program);
    let output = Command::new(program)
        .args(arguments)
        .stdin(reading(input)?)
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        bail!(
            "{name}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn reading(input: Option<&Path>) -> anyhow::Result<Stdio> {
    let Some(path) = input else {
        return Ok(Stdio::null());
    };
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(file.into())
}

fn name_of(program: &Path) -> String {
    let name = program.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, folder: &Path) -> Program {
        let log = folder.join("log");
        Program::start(Path::new("/bin/sh"), &["-c", script], None, &log, &[]).unwrap()
    }

    #[test]
    fn a_program_and_its_children_end_with_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        let program = sh("sleep 1000 & echo $!; wait", folder.path());
        let log = folder.path().join("log");
        let until = Instant::now() + START_LIMIT;
        let child = loop {
            let text = std::fs::read_to_string(&log).unwrap();
            if let Ok(child) = text.trim().parse::<u32>() {
                break child;
            }
            assert!(Instant::now() < until);
            std::thread::sleep(POLL);
        };
        drop(program);

        // The kernel kills a process when it has a turn: soon, not at once.
        loop {
            let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            if state.is_empty() || state.contains(") Z ") {
                break;
            }
            assert!(Instant::now() < until, "{state}");
            std::thread::sleep(POLL);
        }
    }

    #[test]
    fn a_program_that_does_not_serve_is_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let mut program = sh("echo no such thing >&2; exit 3", folder.path());
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let stop = Interrupt::listen().unwrap();
        let error = program.wait_for(nowhere, &stop).unwrap_err().to_string();

        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("no such thing"), "{error}");
    }

    #[test]
    fn a_failure_quotes_what_the_program_said() {
        let failing = output(Path::new("/bin/sh"), &["-c", "echo why >&2; exit 1"], None);

        assert!(failing.unwrap_err().to_string().contains("why"));
        assert_eq!(
            output(Path::new("/bin/echo"), &["yes"], None).unwrap(),
            "yes\n"
        );
        let itself = Some(Path::new("/proc/self/comm"));
        assert!(
            !output(Path::new("/bin/cat"), &[""; 0], itself)
                .unwrap()
                .is_empty()
        );
    }
}
