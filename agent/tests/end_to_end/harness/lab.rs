//! One deployment: operator's files and a relay.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{Client, Host, PATIENCE, Process, program, wait_for};

/// A deployment with one lone board.
pub(crate) struct Lab {
    /// Before the folder, so that its log can still be read when it ends.
    relay: Option<Process>,
    /// Where agents look for the relay.
    pub(crate) relay_address: SocketAddr,
    /// Where it is.
    listen: SocketAddr,
    settings: String,
    /// How much the relay logs.
    log: &'static str,
    /// Name of the node file.
    node: &'static str,
    folder: TempDir,
}

impl Lab {
    /// The name of a relay that this machine cannot find.
    pub(crate) const HIDDEN: &str = "relay.only-the-proxy-knows.invalid";

    /// With a relay that pings every second, so that silence is noticed soon.
    pub(crate) fn new() -> Self {
        Self::with_relay("")
    }

    /// With further lines in `relay.toml`.
    pub(crate) fn with_relay(settings: &str) -> Self {
        let mut lab = Self::without_relay(settings);
        lab.start_relay();
        lab
    }

    /// With everything but a running relay.
    pub(crate) fn without_relay(settings: &str) -> Self {
        Self::make("Lab", free_address(), settings)
    }

    /// A deployment whose relay is said to be at an address where another one is.
    pub(crate) fn elsewhere(relay_address: SocketAddr) -> Self {
        Self::make("Elsewhere", relay_address, "")
    }

    /// With a relay whose address only proxies know. Where it really is, `relay_address` says.
    pub(crate) fn behind_proxies(address: &str) -> Self {
        let mut lab = Self::make_at("Lab", free_address(), address, "");
        lab.start_relay();
        lab
    }

    /// The same at a name that proxies have in a list of their own, and a port like any.
    pub(crate) fn hidden() -> Self {
        Self::named(Self::HIDDEN)
    }

    /// With a relay that has a name.
    pub(crate) fn named(name: &str) -> Self {
        let relay_address = free_address();
        let address = format!("{name}:{}", relay_address.port());
        let mut lab = Self::make_at("Lab", relay_address, &address, "");
        lab.start_relay();
        lab
    }

    fn make(name: &str, relay_address: SocketAddr, settings: &str) -> Self {
        Self::make_at(name, relay_address, &relay_address.to_string(), settings)
    }

    fn make_at(name: &str, relay_address: SocketAddr, address: &str, settings: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("ts")
            .tempdir()
            .expect("a folder");
        let lab = Self {
            folder,
            relay_address,
            listen: relay_address,
            settings: settings.to_owned(),
            log: "info",
            node: "node.toml",
            relay: None,
        };
        fs::create_dir(lab.path("log")).expect("a folder for logs");
        lab.tasuki(&["deployment", "init", "--name", name, "--no-passphrase"]);
        let node = lab.path("node.toml");
        lab.tasuki(&[
            "node",
            "add",
            "board-1",
            "--lone",
            "--address",
            address,
            "--out",
            text(&node),
        ]);
        lab.write_entry();
        lab
    }

    /// Writes the entry file, or a newer one.
    pub(crate) fn write_entry(&self) {
        self.tasuki(&["entry", "--out", text(&self.entry())]);
    }

    /// The next relay that is started is the board of another node file.
    pub(crate) fn use_node(&mut self, name: &'static str) {
        self.node = name;
    }

    /// The next relay that is started logs everything that it can.
    pub(crate) fn log_everything(&mut self) {
        self.log = "trace";
    }

    /// Lets the relay listen elsewhere, so that something else can stand in front of it.
    pub(crate) fn hide_relay(&mut self) -> SocketAddr {
        self.listen = free_address();
        self.listen
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn entry(&self) -> PathBuf {
        self.path("tasuki-entry.toml")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.path("log")
    }

    /// Runs the operator's tool.
    pub(crate) fn tasuki(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(program("tasuki"));
        command
            .arg("--deployment")
            .arg(self.path("deployment"))
            .args(arguments);
        finish(&mut command)
    }

    pub(crate) fn start_relay(&mut self) {
        let config = self.path("relay.toml");
        fs::write(&config, self.relay_toml()).expect("relay.toml is written");
        self.hand_over();
        let mut command = Command::new(program("tasuki-relay"));
        command.env("TASUKI_LOG", self.log);
        command.arg("run").arg("--config").arg(&config);
        self.relay = Some(Process::start("tasuki-relay", &self.logs(), &mut command));
        wait_for("the relay", PATIENCE, || {
            TcpStream::connect(self.listen).ok()
        });
    }

    /// What is the relay's belongs to the user that it becomes, as an operator sees to once.
    fn hand_over(&self) {
        for folder in ["relay", "run"] {
            fs::create_dir_all(self.path(folder)).expect("a folder of the relay's");
        }
        self.give_to_nobody(&["relay", "run", self.node]);
    }

    /// Programs that are started as root become this user, and want their files to be his.
    pub(crate) fn give_to_nobody(&self, names: &[&str]) {
        if is_root() {
            let mut chown = Command::new("chown");
            chown.args(["-R", "nobody:"]);
            finish(chown.args(names.iter().map(|name| self.path(name))));
            let open = fs::Permissions::from_mode(0o755);
            fs::set_permissions(self.folder.path(), open).expect("our folder");
        }
    }

    fn relay_toml(&self) -> String {
        format!(
            "{}node_file = {:?}\nlisten = [\"{}\"]\nstate_dir = {:?}\ncontrol_socket = {:?}\n\
             metrics_listen = \"127.0.0.1:0\"\nping_interval = \"1s\"\n{}",
            if is_root() { "user = \"nobody\"\n" } else { "" },
            self.path(self.node),
            self.listen,
            self.path("relay"),
            self.path("run/relay.sock"),
            self.settings,
        )
    }

    pub(crate) fn relay(&mut self) -> &mut Process {
        self.relay.as_mut().expect("the relay runs")
    }

    /// As `kill -9`, or power off.
    pub(crate) fn kill_relay(&mut self) {
        self.relay().kill();
        self.relay = None;
    }

    /// The relay is stopped, and started at another place with the same port.
    pub(crate) fn move_relay(&mut self, place: Ipv4Addr) {
        self.kill_relay();
        self.relay_address.set_ip(place.into());
        self.listen = self.relay_address;
        self.start_relay();
    }

    /// What the relay has on disk goes away, as with a dead card.
    pub(crate) fn delete_store(&self) {
        fs::remove_dir_all(self.path("relay")).expect("the store was there");
    }

    /// Runs a command of the running relay.
    pub(crate) fn ask_relay(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(program("tasuki-relay"));
        command
            .args(arguments)
            .arg("--socket")
            .arg(self.path("run/relay.sock"));
        finish(&mut command)
    }

    pub(crate) fn relay_status(&self) -> Value {
        serde_json::from_str(&self.ask_relay(&["status", "--json"])).expect("status is JSON")
    }

    /// An office PC with a password, linked to the relay, that serves `target`.
    pub(crate) fn host(&self, name: &str, target: SocketAddr) -> Host {
        let mut host = Host::prepare(self, name, target);
        host.run();
        host.wait_until_linked();
        host
    }

    /// A home PC that knows the entry file.
    pub(crate) fn client(&self, name: &str) -> Client {
        Client::new(self, name)
    }
}

/// A relay that is started as root says whom it becomes.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// An address on loopback where nobody listens now.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("loopback has free ports")
}

/// Runs a command that must succeed, and gives what it said.
pub(crate) fn finish(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?} failed with {}:\n{said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}
