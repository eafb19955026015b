//! A home PC.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::lab::finish;
use super::{Lab, PASSWORD, PATIENCE, Process, program, wait_for};

/// A home PC; what it remembers stays from call to call.
pub(crate) struct Client {
    state: PathBuf,
    entry: Option<PathBuf>,
    logs: PathBuf,
    variables: Vec<(&'static str, String)>,
}

/// A tunnel that stands, and the address that leads into it.
pub(crate) struct Open {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

/// A call that came to nothing.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: Option<i32>,
    pub(crate) words: String,
}

impl Client {
    pub(super) fn new(lab: &Lab, name: &str) -> Self {
        let state = lab.path(name);
        fs::create_dir_all(&state).expect("a folder");
        Self {
            state,
            entry: Some(lab.entry()),
            logs: lab.logs(),
            variables: Vec::new(),
        }
    }

    /// Replaces `client.toml`.
    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.state.join("client.toml"), text).expect("client.toml is written");
    }

    /// Sets an environment variable of the client.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.variables.push((name, value.into()));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.state.join(name)
    }

    /// Puts a file beside `client.toml`.
    pub(crate) fn put(&self, name: &str, content: &str) {
        fs::write(self.state.join(name), content).expect("is written");
    }

    /// `tasuki-client` with this PC's state.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program("tasuki-client"));
        command.arg("--state").arg(&self.state).arg(name);
        command.envs(self.variables.iter().cloned());
        command
    }

    pub(crate) fn connect_command(&self, id: &str) -> Command {
        let mut command = self.command("connect");
        command.arg(id).args(["--password-fd", "0"]);
        if let Some(entry) = &self.entry {
            command.arg("--entry").arg(entry);
        }
        command
    }

    /// A command that must succeed.
    pub(crate) fn done(&self, name: &str, arguments: &[&str]) -> String {
        finish(self.command(name).args(arguments))
    }

    /// From now on the program has to know the entry file by itself.
    pub(crate) fn forget_entry(&mut self) {
        self.entry = None;
    }

    /// Opens a tunnel without a viewer.
    pub(crate) fn open(&self, id: &str) -> Open {
        self.open_with(id, PASSWORD)
    }

    /// The same with another password.
    pub(crate) fn open_with(&self, id: &str, password: &str) -> Open {
        let mut process = self.start(id, password);
        let address = wait_for("the tunnel", PATIENCE, || {
            assert!(
                process.has_ended().is_none(),
                "connect ended: {}",
                process.complained()
            );
            process.said().trim().parse().ok()
        });
        Open { process, address }
    }

    /// Begins to connect, and does not wait.
    pub(crate) fn start(&self, id: &str, password: &str) -> Process {
        let path = self.state.join("password");
        fs::write(&path, format!("{password}\n")).expect("a file");
        let input = fs::File::open(&path).expect("a file");
        let mut command = self.connect_command(id);
        command.arg("--no-launch").stdin(input);
        Process::start("tasuki-client", &self.logs, &mut command)
    }

    /// A call that must be refused.
    pub(crate) fn refused(&self, id: &str) -> Refused {
        self.refused_with(id, PASSWORD)
    }

    pub(crate) fn refused_with(&self, id: &str, password: &str) -> Refused {
        let mut process = self.start(id, password);
        let status = wait_for("a refusal", PATIENCE, || {
            let said = process.said();
            assert!(
                said.is_empty(),
                "nobody refused; the tunnel stands at {said}"
            );
            process.has_ended()
        });
        Refused {
            code: status.code(),
            words: process.complained(),
        }
    }
}

impl Open {
    /// A new connection to the target.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the tunnel takes connections");
        stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a deadline");
        stream
    }

    /// Waits until the program has ended; its exit code and words.
    pub(crate) fn ended(mut self, limit: Duration) -> Refused {
        let status = self.process.ended(limit);
        Refused {
            code: status.code(),
            words: self.process.complained(),
        }
    }
}

impl Refused {
    /// Checks the exit code and that each of `words` is said.
    pub(crate) fn says(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.words);
        for word in words {
            assert!(
                self.words.contains(word),
                "'{word}' is missing in:\n{}",
                self.words
            );
        }
    }
}
