//! A folder with all that a relay needs.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use tasuki_relay::admin::status::Status;

use crate::deployment::Deployment;
use crate::relay::Relay;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A board's folder: configuration, node file, state.
pub struct Site {
    pub deployment: Deployment,
    program: PathBuf,
    /// Whom the relay becomes when root starts it.
    user: &'static str,
    directory: tempfile::TempDir,
}

impl Site {
    /// A site for this build of `tasuki-relay`, with further lines of configuration.
    pub fn new(program: impl Into<PathBuf>, more: &str) -> Self {
        Self::of_user(program, "nobody", more)
    }

    /// The same for a relay that becomes this user: what the kernel counts by user is then not
    /// shared with the relays of other tests.
    pub fn of_user(program: impl Into<PathBuf>, user: &'static str, more: &str) -> Self {
        let site = Self {
            deployment: Deployment::new(),
            program: program.into(),
            user,
            directory: tempfile::tempdir().unwrap(),
        };
        site.write_config(more);
        site.write_node(100);
        site
    }

    /// Writes `relay.toml`: what every test needs, then these lines.
    pub fn write_config(&self, more: &str) {
        let mut config = self.user_line();
        config.push_str(
            "node_file = \"node.toml\"\nlisten = [\"127.0.0.1:0\"]\nstate_dir = \"state\"\n\
             control_socket = \"run/control.sock\"\nworkers = 2\n",
        );
        if !more.contains("metrics_listen") {
            config += "metrics_listen = \"127.0.0.1:0\"\n";
        }
        std::fs::write(self.path("relay.toml"), config + more).unwrap();
    }

    /// Writes a node file whose certificate ends in so many days.
    pub fn write_node(&self, days: u32) {
        let node = self.deployment.node(DAY * days);
        std::fs::write(self.path("node.toml"), node.to_text()).unwrap();
    }

    /// Whom the relay becomes: root must say, and nobody else can choose.
    fn user_line(&self) -> String {
        if self.belongs_to_root() {
            format!("user = \"{}\"\n", self.user)
        } else {
            "# as whoever runs the test\n".into()
        }
    }

    fn belongs_to_root(&self) -> bool {
        std::fs::metadata(self.directory.path()).unwrap().uid() == 0
    }

    /// Gives everything to the user that the relay becomes, as an operator does once.
    pub(crate) fn hand_over(&self) {
        if self.belongs_to_root() {
            let mut chown = Command::new("chown");
            chown
                .arg("-R")
                .arg(format!("{}:", self.user))
                .arg(self.directory.path());
            // The folder stays root's, who can let its own files into it.
            std::fs::set_permissions(self.directory.path(), Permissions::from_mode(0o755)).unwrap();
            assert!(chown.status().unwrap().success());
            std::os::unix::fs::chown(self.directory.path(), Some(0), None).unwrap();
        }
    }

    /// A path in the site's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The relay's program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// `tasuki-relay run`, ready to be changed and given to [`Relay::start`].
    pub fn run(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["run", "--config"]);
        command.arg(self.path("relay.toml"));
        command
    }

    /// Runs a relay until it is dropped.
    pub fn start(&self) -> Relay {
        Relay::start(self, self.run())
    }

    /// Asks the relay's own program something.
    pub fn ask(&self, command: &[&str]) -> Output {
        let (name, path) = match command[0] {
            "run" | "check-config" => ("--config", self.path("relay.toml")),
            "registrar" if command[1] == "restore" => ("--config", self.path("relay.toml")),
            _ => ("--socket", self.path("run/control.sock")),
        };
        Command::new(&self.program)
            .args(command)
            .arg(name)
            .arg(path)
            .output()
            .unwrap()
    }

    /// What `status --json` says.
    pub fn status(&self) -> Status {
        let output = self.ask(&["status", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap()
    }
}
