//! Starting other programs: the only place in this crate that does.
//!
//! A program gets exactly the environment that it is given, so that no variable of the workstation
//! reaches an image. `--verbose` shows the exact arguments of everything that is started.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// How many lines of a failed program's complaint an error quotes.
const COMPLAINT_LINES: usize = 20;

/// Variables that lead a program to the network as this workstation is set up; nothing else passes.
const PASSED: [&str; 7] = [
    "PATH",
    "HOME",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "APT_CONFIG",
    "TMPDIR",
];

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    #[error("cannot start {program}: {source}")]
    Start { program: String, source: io::Error },
    #[error("{program}: {status}\n{complaint}")]
    Failed {
        program: String,
        status: ExitStatus,
        complaint: String,
    },
    #[error("{program}: what it printed is not text")]
    NoText { program: String },
}

/// Starts programs.
#[derive(Debug, Clone, Copy)]
pub struct Shell {
    verbose: bool,
}

impl Shell {
    /// `verbose`: show the arguments of every program on standard error.
    pub fn new(verbose: bool) -> Self {
        Self { verbose }
    }

    /// A program about to be started, with English messages, UTC and no other variables.
    pub fn call(&self, program: impl AsRef<OsStr>) -> Call {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        Call {
            command,
            input: None,
            verbose: self.verbose,
        }
    }

    /// The same with what a program needs that works for this workstation and its user: apt, cargo.
    pub fn call_local(&self, program: impl AsRef<OsStr>) -> Call {
        let mut call = self.call(program);
        for key in PASSED {
            if let Some(value) = std::env::var_os(key) {
                call.command.env(key, value);
            }
        }
        call
    }
}

/// A program about to be started.
pub struct Call {
    command: Command,
    input: Option<Vec<u8>>,
    verbose: bool,
}

impl Call {
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    pub fn dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// What the program reads on its standard input, which is otherwise empty.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Result<(), ExecError> {
        self.output().map(drop)
    }

    /// Runs it to its end and returns what it printed, which has to be text.
    pub fn text(self) -> Result<String, ExecError> {
        let program = self.program();
        String::from_utf8(self.output()?).map_err(|_| ExecError::NoText { program })
    }

    /// Runs it to its end and returns what it printed; its complaint is in the error if it fails.
    pub fn output(mut self) -> Result<Vec<u8>, ExecError> {
        let program = self.program();
        if self.verbose {
            self.show();
        }
        let start = |source| ExecError::Start {
            program: program.clone(),
            source,
        };
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if self.input.is_some() {
            self.command.stdin(Stdio::piped());
        }
        let mut child = self.command.spawn().map_err(start)?;
        let stdin = child.stdin.take();
        let input = self.input.take().unwrap_or_default();
        // Written beside the reading: a program may answer before it has read everything.
        let writer = std::thread::spawn(move || {
            if let Some(mut stdin) = stdin {
                // A program that does not want the rest says so by its status.
                let _ = stdin.write_all(&input);
            }
        });
        let output = child.wait_with_output().map_err(start)?;
        // It has nothing to return, and no way to panic.
        let _ = writer.join();
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(ExecError::Failed {
            program,
            status: output.status,
            complaint: tail(&String::from_utf8_lossy(&output.stderr)),
        })
    }

    /// For a program that is to stay, and is started and ended by the caller.
    pub fn into_command(self) -> Command {
        if self.verbose {
            self.show();
        }
        self.command
    }

    fn program(&self) -> String {
        let program = Path::new(self.command.get_program());
        let name = program.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn show(&self) {
        let words: Vec<OsString> = std::iter::once(self.command.get_program())
            .chain(self.command.get_args())
            .map(OsStr::to_owned)
            .collect();
        let line: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        // Nobody is left to tell when standard error is gone.
        let _ = writeln!(io::stderr(), "+ {}", line.join(" "));
    }
}

/// A word as a shell would take it.
fn quoted(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let from = lines.len().saturating_sub(COMPLAINT_LINES);
    lines.get(from..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Call {
        Shell::new(false).call("/bin/sh").args(["-c", script])
    }

    #[test]
    fn output_is_returned_and_failure_quotes_the_complaint() {
        assert_eq!(sh("echo yes").text().unwrap(), "yes\n");

        let refused = sh("echo why >&2; exit 3").run().unwrap_err().to_string();
        assert!(
            refused.contains("sh: ") && refused.contains("why"),
            "{refused}"
        );
    }

    #[test]
    fn a_program_sees_no_variable_of_the_workstation() {
        let seen = sh("env | sort").env("GIVEN", "1").text().unwrap();

        let keys: Vec<&str> = seen
            .lines()
            .filter_map(|line| line.split('=').next())
            .collect();
        assert_eq!(keys, ["GIVEN", "LC_ALL", "PWD", "TZ"]);
    }

    #[test]
    fn input_larger_than_a_pipe_passes_through() {
        let input = vec![b'x'; 1 << 20];

        assert_eq!(sh("cat").input(input.clone()).output().unwrap(), input);
        assert!(sh("true").input(input).run().is_ok());
    }

    #[test]
    fn words_are_shown_as_a_shell_takes_them() {
        assert_eq!(quoted("a=b".as_ref()), "a=b");
        assert_eq!(quoted("it's".as_ref()), "'it'\\''s'");
        assert_eq!(quoted("".as_ref()), "''");
    }
}
