//! A folder to work in, and the program run in it.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use image_builder::deployment::Deployment;
use protocol::file::entry::{Entry, FILE_NAME};
use protocol::file::node::NodeFile;

pub(crate) struct Shell {
    folder: tempfile::TempDir,
    passphrase: Option<&'static str>,
}

impl Shell {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            passphrase: None,
        }
    }

    /// With a deployment whose keys only file permissions protect.
    pub(crate) fn with_deployment() -> Self {
        let shell = Self::new();
        shell.done("deployment init --name Lab --no-passphrase");
        shell
    }

    /// With a deployment whose keys are encrypted.
    pub(crate) fn with_passphrase(passphrase: &'static str) -> Self {
        let mut shell = Self::new();
        shell.passphrase = Some(passphrase);
        shell.done("deployment init --name Lab");
        shell
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect(name)
    }

    pub(crate) fn node_file(&self, name: &str) -> NodeFile {
        NodeFile::parse(&self.read(name)).expect("a node file")
    }

    pub(crate) fn entry(&self) -> Entry {
        Entry::parse(&self.read(FILE_NAME)).expect("an entry file")
    }

    pub(crate) fn open(&self) -> Deployment {
        Deployment::open(&self.path("deployment")).expect("opens")
    }

    /// What the program says when it succeeds.
    pub(crate) fn done(&self, arguments: &str) -> String {
        let output = self.tasuki(arguments, self.passphrase);
        assert!(
            output.status.success(),
            "{arguments}: {}",
            text(&output.stderr)
        );
        assert_eq!(text(&output.stderr), "");
        text(&output.stdout)
    }

    /// The same of a command that tells on standard error how far it is.
    pub(crate) fn told(&self, arguments: &str) -> String {
        let output = self.tasuki(arguments, self.passphrase);
        let progress = text(&output.stderr);
        assert!(output.status.success(), "{arguments}: {progress}");
        text(&output.stdout)
    }

    /// What the program says when it fails.
    pub(crate) fn refused(&self, arguments: &str) -> String {
        self.refused_with(arguments, self.passphrase)
    }

    pub(crate) fn refused_with(&self, arguments: &str, passphrase: Option<&str>) -> String {
        let output = self.tasuki(arguments, passphrase);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{arguments}: {}",
            text(&output.stdout)
        );
        text(&output.stderr)
    }

    pub(crate) fn tasuki(&self, arguments: &str, passphrase: Option<&str>) -> Output {
        self.run(env!("CARGO_BIN_EXE_tasuki"), arguments, passphrase)
    }

    /// The program, killed when it writes beyond byte `limit` of any file.
    pub(crate) fn killed_writing(&self, limit: usize, arguments: &str) {
        let program = env!("CARGO_BIN_EXE_tasuki");
        let line = format!("--core=0 --fsize={limit} {program} {arguments}");
        let output = self.run("prlimit", &line, self.passphrase);
        assert_eq!(
            output.status.code(),
            None,
            "not killed: {}",
            text(&output.stderr)
        );
    }

    pub(crate) fn openssl(&self, arguments: &str) -> Output {
        self.run("openssl", arguments, None)
    }

    fn run(&self, program: impl AsRef<OsStr>, arguments: &str, passphrase: Option<&str>) -> Output {
        let mut command = Command::new(program);
        command.args(arguments.split_whitespace());
        if passphrase.is_some() {
            command.args(["--passphrase-fd", "0"]);
        }
        let mut child = command
            .current_dir(&self.folder)
            .env_remove("TASUKI_DEPLOYMENT")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut stdin = child.stdin.take().expect("is piped");
        // A program that refuses before it reads closes the pipe; that is its right.
        let _ = writeln!(stdin, "{}", passphrase.unwrap_or_default());
        drop(stdin);
        child.wait_with_output().expect("ends")
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}
