//! An office PC and a home PC: the real agents, and something behind them that answers.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::lab::Lab;

const COMPUTER: &str = "swap-office-pc";
const PASSWORD: &str = "Correct-horse-7-staple\n";
/// A handshake with an emulated board takes seconds, and a host waits between two tries.
const LINK: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(200);

/// A port on which nothing listens at this moment: the entry file names it before a board is there.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Sends back what it gets; ends with the test program.
pub(crate) struct Echo(SocketAddr);

impl Echo {
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut from = &stream;
                    // Whoever asked sees that the answer is short.
                    let _ = std::io::copy(&mut from, &mut &stream);
                    let _ = stream.shutdown(Shutdown::Write);
                });
            }
        });
        Ok(Self(address))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0
    }
}

/// A host agent; killed when it is dropped.
pub(crate) struct Host {
    child: Child,
    state: PathBuf,
    log: PathBuf,
}

impl Host {
    pub(crate) fn start(lab: &Lab, target: SocketAddr) -> Result<Self> {
        let state = lab.path("office-pc");
        let entry = lab.path("entry.toml").to_string_lossy().into_owned();
        succeeds(&state, &["init", "--id", COMPUTER, "--entry", &entry], "")?;
        succeeds(&state, &["set-password", "--password-fd", "0"], PASSWORD)?;
        fs::write(state.join("host.toml"), format!("target = \"{target}\"\n"))?;
        let log = lab.path("host.log");
        let file = File::create(&log)?;
        let mut run = program("tasuki-host", &state)?;
        run.arg("run").stdin(Stdio::null());
        let child = run.stdout(file.try_clone()?).stderr(file).spawn()?;
        Ok(Self { child, state, log })
    }

    pub(crate) fn wait_for_link(&self) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < LINK {
            let mut status = program("tasuki-host", &self.state)?;
            status.arg("status").stdout(Stdio::null());
            // It succeeds only while the link stands.
            if status.stderr(Stdio::null()).status()?.success() {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        bail!("no link:\n{}", fs::read_to_string(&self.log)?)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client agent without a viewer.
pub(crate) struct Client;

impl Client {
    /// Connects, sends these bytes, and has to get them back.
    pub(crate) fn session(lab: &Lab, bytes: &[u8]) -> Result<()> {
        let mut connect = program("tasuki-client", &lab.path("home-pc"))?;
        connect.args(["connect", COMPUTER, "--no-launch", "--password-fd", "0"]);
        connect.arg("--entry").arg(lab.path("entry.toml"));
        connect.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = Guard(connect.stderr(Stdio::piped()).spawn()?);
        let mut stdin = child.0.stdin.take().context("no standard input")?;
        stdin.write_all(PASSWORD.as_bytes())?;
        drop(stdin);
        let mut stdout = BufReader::new(child.0.stdout.take().context("no standard output")?);
        let mut address = String::new();
        stdout.read_line(&mut address)?;
        let address: SocketAddr = match address.trim().parse() {
            Ok(address) => address,
            Err(_) => {
                let mut why = String::new();
                let stderr = child.0.stderr.take().context("no standard error")?;
                BufReader::new(stderr).read_to_string(&mut why)?;
                bail!("the client says {address:?}, {why}");
            }
        };
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(LINK))?;
        stream.write_all(bytes)?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        ensure!(answer == bytes, "sent {bytes:?}, got {answer:?}");
        Ok(())
    }
}

/// A child that does not outlive its owner.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command of the host with this input.
fn succeeds(state: &Path, words: &[&str], input: &str) -> Result<()> {
    let mut command = program("tasuki-host", state)?;
    command.args(words).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::null()).spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    stdin.write_all(input.as_bytes())?;
    drop(stdin);
    ensure!(child.wait()?.success(), "tasuki-host {words:?} fails");
    Ok(())
}

/// An agent, which lies beside this package's own program.
fn program(name: &str, state: &Path) -> Result<Command> {
    let path = Path::new(env!("CARGO_BIN_EXE_tasuki-vm")).with_file_name(name);
    ensure!(
        path.is_file(),
        "{} is missing; build it first: cargo build -p agent --bins",
        path.display()
    );
    let mut command = Command::new(path);
    command.arg("--state").arg(state);
    Ok(command)
}
