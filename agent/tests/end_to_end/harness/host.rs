//! An office PC.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::{Lab, PASSWORD, PATIENCE, Process, program, wait_for};

/// An office PC and its running program.
pub(crate) struct Host {
    pub(crate) id: String,
    state: PathBuf,
    logs: PathBuf,
    variables: Vec<(&'static str, String)>,
    process: Option<Process>,
}

impl Host {
    /// Prepares an office PC with the computer ID `name`; nothing runs yet.
    pub(crate) fn prepare(lab: &Lab, name: &str, target: SocketAddr) -> Self {
        let host = Self::without_password(lab, name, target);
        host.set_password(PASSWORD);
        host
    }

    /// A copy of another office PC's disk.
    pub(crate) fn cloned(lab: &Lab, original: &Self, name: &str) -> Self {
        let state = lab.path(name);
        let mut copy = Command::new("cp");
        super::lab::finish(copy.arg("-a").arg(&original.state).arg(&state));
        Self::at(lab, name, &original.id)
    }

    /// Whatever has made its state.
    pub(crate) fn at(lab: &Lab, name: &str, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            state: lab.path(name),
            logs: lab.logs(),
            variables: Vec::new(),
            process: None,
        }
    }

    /// Wishes for another computer ID.
    pub(crate) fn wish(&mut self, id: &str) {
        self.done(self.command("rename").arg(id));
        id.clone_into(&mut self.id);
    }

    /// The same without a password.
    pub(crate) fn without_password(lab: &Lab, name: &str, target: SocketAddr) -> Self {
        let host = Self::at(lab, name, name);
        host.done(
            host.command("init")
                .arg("--entry")
                .arg(lab.entry())
                .args(["--id", name]),
        );
        host.configure(&format!("target = \"{target}\"\n"));
        host
    }

    /// Adds lines to `host.toml`; a running host has to be started anew.
    pub(crate) fn configure(&self, lines: &str) {
        let path = self.state.join("host.toml");
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, before + lines).expect("host.toml is written");
    }

    /// Puts a file beside `host.toml`.
    pub(crate) fn put(&self, name: &str, content: &str) {
        fs::write(self.state.join(name), content).expect("is written");
    }

    pub(crate) fn set_password(&self, password: &str) {
        let output = self.try_set_password(password);
        assert!(output.status.success(), "{output:?}");
    }

    pub(crate) fn try_set_password(&self, password: &str) -> Output {
        let mut command = self.command("set-password");
        with_input(
            command.args(["--password-fd", "0"]),
            &format!("{password}\n"),
        )
    }

    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// Sets an environment variable of the host; a running one has to be started anew.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.variables.push((name, value.into()));
    }

    pub(crate) fn run(&mut self) {
        self.process = Some(Process::start(
            &self.id,
            &self.logs,
            self.command("run").envs(self.variables.iter().cloned()),
        ));
    }

    /// Runs it with `script` as the program that shares the desktop.
    pub(crate) fn share(&mut self, lab: &Lab, script: &str) {
        let folder = lab.path("programs");
        fs::create_dir(&folder).expect("a folder for programs");
        let host = folder.join("tasuki-host");
        fs::copy(program("tasuki-host"), &host).expect("is copied");
        let desktop = folder.join("tasuki-desktop");
        super::script(&desktop, &format!("#!/bin/sh\n{script}"));
        let mut command = Command::new(host);
        command.arg("--state").arg(&self.state);
        self.process = Some(Process::start(
            &self.id,
            &self.logs,
            command.args(["run", "--desktop"]),
        ));
        self.wait_until_linked();
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the host runs")
    }

    /// What it has logged since it was started.
    pub(crate) fn log(&self) -> String {
        self.process
            .as_ref()
            .map_or_else(String::new, Process::complained)
    }

    pub(crate) fn kill(&mut self) {
        self.process().kill();
        self.process = None;
    }

    /// A command that must succeed.
    pub(crate) fn done(&self, command: &mut Command) -> String {
        super::lab::finish(command)
    }

    /// `tasuki-host` with this PC's state.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program("tasuki-host"));
        command.arg("--state").arg(&self.state).arg(name);
        command
    }

    pub(crate) fn status(&self) -> Value {
        let output = self
            .command("status")
            .arg("--json")
            .output()
            .expect("starts");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }

    pub(crate) fn is_linked(&self) -> bool {
        !self.status()["link"].is_null()
    }

    pub(crate) fn wait_until_linked(&self) {
        self.wait_until_linked_within(PATIENCE);
    }

    pub(crate) fn wait_until_linked_within(&self, limit: Duration) {
        let what = format!("the link of {}", self.id);
        wait_for(&what, limit, || self.is_linked().then_some(()));
    }
}

/// Runs `command` with `input`.
pub(crate) fn with_input(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("input was asked for");
    // A program that refuses at once does not read.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the program ends")
}
