//! Starting other programs: the only place in xtask that does.
//!
//! Each program leads a process group of its own, is waited for with a limit, and is ended together
//! with its children: when it is dropped, when the limit is over, and when somebody presses Ctrl-C.
//! `--verbose` shows the exact arguments of everything that is started.
//! A password never is an argument: [`Call::line_on_stdin`].

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::report;
use crate::sys::{Group, Interrupt};

/// How often a waiting loop looks again; also how late Ctrl-C may be noticed.
const POLL: Duration = Duration::from_millis(20);

/// How long a process group may take to end after SIGTERM before it is killed.
const END_GRACE: Duration = Duration::from_secs(5);

/// How many lines of a failed program's output an error quotes.
const TAIL_LINES: usize = 20;

/// Somebody pressed Ctrl-C, or the system wants this program to end.
#[derive(Debug, thiserror::Error)]
#[error("stopped by a signal")]
pub(crate) struct Stopped;

/// Starts programs and waits for things.
pub(crate) struct Shell {
    verbose: bool,
    interrupt: Interrupt,
}

impl Shell {
    pub(crate) fn new(verbose: bool) -> Result<Self> {
        Ok(Self {
            verbose,
            interrupt: Interrupt::listen()?,
        })
    }

    pub(crate) fn call(&self, program: impl AsRef<OsStr>) -> Call<'_> {
        let command = Command::new(program);
        Call {
            command,
            line_on_stdin: None,
            verbose: self.verbose,
            stop: Some(&self.interrupt),
        }
    }

    /// Looks again and again until `look` finds something, fails, or `limit` is over.
    ///
    /// # Errors
    ///
    /// `look`'s own error, the limit, or Ctrl-C.
    pub(crate) fn wait_for<T>(
        &self,
        what: &str,
        limit: Duration,
        look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        poll(what, limit, Some(&self.interrupt), look)
    }
}

/// A program about to be started.
pub(crate) struct Call<'a> {
    command: Command,
    line_on_stdin: Option<String>,
    verbose: bool,
    stop: Option<&'a Interrupt>,
}

impl Call<'_> {
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    pub(crate) fn env_remove(mut self, key: &str) -> Self {
        self.command.env_remove(key);
        self
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Gives the program one line on its standard input, which is otherwise empty.
    pub(crate) fn line_on_stdin(mut self, line: &str) -> Self {
        self.line_on_stdin = Some(line.to_owned());
        self
    }

    /// Lets it finish after Ctrl-C, because it would leave the machine half changed.
    pub(crate) fn unstoppable(mut self) -> Self {
        self.stop = None;
        self
    }

    /// Runs it to its end; what it prints goes where our own output goes.
    pub(crate) fn run(self, limit: Duration) -> Result<()> {
        let name = self.name();
        let status = self.complete(Stdio::inherit(), Stdio::inherit(), limit)?;
        if status.success() {
            Ok(())
        } else {
            Err(anyhow!("{name}: {status}"))
        }
    }

    /// Runs it to its end and returns what it printed; its complaints are shown as they come.
    pub(crate) fn output_shown(self, limit: Duration) -> Result<String> {
        let name = self.name();
        let mut stdout = tempfile::tempfile().context("no room for a temporary file")?;
        let status = self.complete(stdout.try_clone()?.into(), Stdio::inherit(), limit)?;
        if status.success() {
            read_back(&mut stdout)
        } else {
            Err(anyhow!("{name}: {status}"))
        }
    }

    /// Runs it to its end and returns what it printed; its complaints are shown if it fails.
    pub(crate) fn output(self, limit: Duration) -> Result<String> {
        let name = self.name();
        let finished = self.finish(limit)?;
        if !finished.status.success() {
            bail!("{name}: {}\n{}", finished.status, tail(&finished.stderr));
        }
        Ok(finished.stdout)
    }

    /// Runs it to its end; whether it succeeded is the answer, not an error.
    pub(crate) fn finish(self, limit: Duration) -> Result<Finished> {
        let mut stdout = tempfile::tempfile().context("no room for a temporary file")?;
        let mut stderr = tempfile::tempfile().context("no room for a temporary file")?;
        let status = self.complete(
            stdout.try_clone()?.into(),
            stderr.try_clone()?.into(),
            limit,
        )?;
        Ok(Finished {
            status,
            stdout: read_back(&mut stdout)?,
            stderr: read_back(&mut stderr)?,
        })
    }

    /// Starts it and leaves it running; what it prints goes to `log`.
    pub(crate) fn start(self, log: &Path) -> Result<Process> {
        let out = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut process = self.spawn(out.try_clone()?.into(), out.into())?;
        process.log = Some(log.to_owned());
        Ok(process)
    }

    fn name(&self) -> String {
        let program = Path::new(self.command.get_program());
        program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    fn complete(self, stdout: Stdio, stderr: Stdio, limit: Duration) -> Result<ExitStatus> {
        let (name, stop) = (self.name(), self.stop);
        let mut process = self.spawn(stdout, stderr)?;
        poll(&name, limit, stop, || Ok(process.child.try_wait()?))
    }

    fn spawn(mut self, stdout: Stdio, stderr: Stdio) -> Result<Process> {
        go_on(self.stop)?;
        if self.verbose {
            report::started(&self.command);
        }
        let name = self.name();
        let stdin = match &self.line_on_stdin {
            Some(line) => stdin_with(line)?,
            None => Stdio::null(),
        };
        self.command
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0);
        let child = self
            .command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Process {
            child,
            name,
            log: None,
            released: false,
        })
    }
}

/// How a program that ran to its end did.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running program and its children; dropping it ends them all.
pub(crate) struct Process {
    child: Child,
    name: String,
    log: Option<PathBuf>,
    released: bool,
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Fails when it is no longer running, with the end of its log.
    pub(crate) fn still_runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended early: {status}\n{}", self.name, self.log_tail()),
        }
    }

    pub(crate) fn log_tail(&self) -> String {
        let Some(log) = &self.log else {
            return String::new();
        };
        tail(&std::fs::read_to_string(log).unwrap_or_default())
    }

    /// Lets it live on after this program.
    pub(crate) fn release(mut self) {
        self.released = true;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.released {
            return;
        }
        if let Some(group) = Group::led_by(self.child.id()) {
            end(group, || drop(self.child.try_wait()));
        }
        // Only the return of the killed leader is waited for, which the kernel does not delay.
        let _ = self.child.wait();
    }
}

fn poll<T>(
    what: &str,
    limit: Duration,
    stop: Option<&Interrupt>,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        go_on(stop)?;
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("{what}: not ready after {} s", limit.as_secs());
        }
        thread::sleep(POLL);
    }
}

fn go_on(stop: Option<&Interrupt>) -> Result<()> {
    if stop.is_some_and(Interrupt::raised) {
        Err(Stopped.into())
    } else {
        Ok(())
    }
}

/// Ends a process group: asks, and after a while insists.
///
/// `reap` collects those ended processes of the group that are this program's own children.
pub(crate) fn end(group: Group, mut reap: impl FnMut()) {
    group.terminate();
    let deadline = Instant::now() + END_GRACE;
    while Instant::now() < deadline {
        reap();
        if group.is_gone() {
            return;
        }
        thread::sleep(POLL);
    }
    group.kill();
}

/// A standard input that holds one line and then ends.
fn stdin_with(line: &str) -> Result<Stdio> {
    let (reader, mut writer) = std::io::pipe().context("no pipe for a standard input")?;
    // One line is far below what a pipe holds, so this never waits for the reader.
    writeln!(writer, "{line}")?;
    Ok(reader.into())
}

fn read_back(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines.get(from..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell() -> Shell {
        Shell::new(false).unwrap()
    }

    #[test]
    fn output_is_returned_and_failure_quotes_the_complaint() {
        let shell = shell();

        let said = shell
            .call("sh")
            .args(["-c", "echo yes"])
            .output(LIMIT)
            .unwrap();
        let refused = shell
            .call("sh")
            .args(["-c", "echo why >&2; exit 3"])
            .output(LIMIT);

        assert_eq!(said, "yes\n");
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("why") && text.contains('3'), "{text}");
    }

    #[test]
    fn a_line_on_stdin_arrives_and_then_stdin_ends() {
        let said = shell()
            .call("cat")
            .line_on_stdin("secret")
            .output(LIMIT)
            .unwrap();

        assert_eq!(said, "secret\n");
    }

    #[test]
    fn dropping_a_process_ends_its_children_too() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let process = shell()
            .call("sh")
            .args(["-c", "sleep 600 & echo $!; wait"])
            .start(&log)
            .unwrap();
        let child = shell()
            .wait_for("the child's id", LIMIT, || {
                let text = std::fs::read_to_string(&log)?;
                Ok(text.ends_with('\n').then(|| text.trim().to_owned()))
            })
            .unwrap();
        let stat = PathBuf::from(format!("/proc/{child}/stat"));
        assert!(stat.exists(), "the child runs");

        drop(process);

        let state = std::fs::read_to_string(&stat).unwrap_or_default();
        assert!(
            state.is_empty() || state.contains(") Z "),
            "still there: {state}"
        );
    }

    #[test]
    fn a_program_that_takes_too_long_is_an_error() {
        let slow = shell()
            .call("sleep")
            .arg("600")
            .run(Duration::from_millis(50));

        assert!(
            slow.unwrap_err()
                .to_string()
                .contains("sleep: not ready after")
        );
    }

    #[test]
    fn a_tail_keeps_the_last_lines() {
        let text = (0..TAIL_LINES + 2)
            .map(|line| format!("{line}\n"))
            .collect::<String>();

        assert!(tail(&text).starts_with("2\n"));
        assert_eq!(tail("one"), "one");
    }
}
