//! A running virtual machine.

use std::env::consts::ARCH;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use image_builder::tools::Tools;
use serde_json::json;
use tempfile::NamedTempFile;

use crate::console::Console;
use crate::qmp::Qmp;
use crate::setup::{Accelerator, Setup};

/// Ends QEMU when whoever started it is killed and cannot clean up.
const WITH_PARENT: [&str; 4] = ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--"];
const KVM: &str = "/dev/kvm";
/// What every kernel says first.
const KERNEL: &str = "Linux version";
/// The processor's own speed takes a kernel there in two seconds.
const KVM_LIMIT: Duration = Duration::from_secs(20);
/// How often a machine that is to end is looked at.
const POLL: Duration = Duration::from_millis(50);

/// A virtual machine; dropping it is pulling its plug.
#[derive(Debug)]
pub struct Machine {
    process: Process,
    console: Console,
    qmp: Qmp,
}

impl Machine {
    /// Switches it on.
    ///
    /// # Errors
    /// QEMU does not start, or refuses the setup; it says why.
    pub fn start(tools: &Tools, setup: &Setup) -> Result<Self> {
        Self::start_showing(tools, setup, |_| ())
    }

    /// The same; `see` gets what the guest says, piece by piece.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_showing(
        tools: &Tools,
        setup: &Setup,
        see: impl FnMut(&str) + Send + 'static,
    ) -> Result<Self> {
        let (qmp, qmp_there) = UnixStream::pair()?;
        let (serial, serial_there) = UnixStream::pair()?;
        let call = tools
            .call(setup.program())
            .env(
                "QEMU_MODULE_DIR",
                tools.path("usr/lib/x86_64-linux-gnu/qemu"),
            )
            .args(setup.arguments(tools)?)
            .args(["-chardev", "socket,id=qmp,fd=0", "-mon", "qmp,mode=control"])
            .args([
                "-chardev",
                "socket,id=serial,fd=1",
                "-serial",
                "chardev:serial",
            ]);
        let mut command = with_parent(&call.into_command());
        command
            .stdin(OwnedFd::from(qmp_there))
            .stdout(OwnedFd::from(serial_there));
        let console = Console::new();
        let process = Process::start(command, console.clone(), serial, see)?;
        let qmp = Qmp::new(qmp).with_context(|| process.complaints())?;
        Ok(Self {
            process,
            console,
            qmp,
        })
    }

    /// KVM if the setup's guest really starts under it on this machine, else TCG.
    ///
    /// Asked by starting one: inside other virtual machines there may be a `/dev/kvm` that carries
    /// firmware but no kernel.
    pub fn best_accelerator(tools: &Tools, setup: &Setup) -> Accelerator {
        let mut trial = setup.clone();
        trial.accelerator = Accelerator::Kvm;
        trial.forwards.clear();
        trial.disk.read_only = true;
        let native = setup.board.architecture.target().starts_with(ARCH);
        let device = File::options().read(true).write(true).open(KVM);
        if !native || device.is_err() {
            return Accelerator::Tcg;
        }
        // Whatever else is wrong will be told by the machine itself.
        match Self::start(tools, &trial) {
            Ok(machine) if machine.console.says_within(KERNEL, KVM_LIMIT) => Accelerator::Kvm,
            _ => Accelerator::Tcg,
        }
    }

    pub fn console(&self) -> &Console {
        &self.console
    }

    /// Where a port of the guest can be reached that the setup forwards.
    ///
    /// # Errors
    /// The setup does not.
    pub fn address(&mut self, guest: u16) -> Result<SocketAddr> {
        let table = self.qmp.monitor("info usernet")?;
        let port = forwarded(&table, guest);
        let port = port.with_context(|| format!("port {guest} is not forwarded:\n{table}"))?;
        Ok((Ipv4Addr::LOCALHOST, port).into())
    }

    /// Presses the reset button.
    ///
    /// # Errors
    /// QEMU has ended.
    pub fn reset(&mut self) -> Result<()> {
        self.qmp.execute("system_reset", &json!({})).map(drop)
    }

    /// Presses the power button, which asks the guest to shut down; see [`Self::wait`].
    ///
    /// # Errors
    /// QEMU has ended.
    pub fn press_power(&mut self) -> Result<()> {
        self.qmp.execute("system_powerdown", &json!({})).map(drop)
    }

    /// A command of QEMU's own protocol, for what this type does not offer.
    ///
    /// # Errors
    /// QEMU has ended, or refuses it.
    pub fn qmp(
        &mut self,
        command: &str,
        arguments: &serde_json::Value,
    ) -> Result<serde_json::Value> {
        self.qmp.execute(command, arguments)
    }

    /// Waits until the guest has switched itself off.
    ///
    /// # Errors
    /// It does not within `limit`, or QEMU failed.
    pub fn wait(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            match self.process.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("QEMU: {status}\n{}", self.process.complaints()),
                None if Instant::now() >= deadline => {
                    bail!("the machine still runs after {} s", limit.as_secs())
                }
                None => thread::sleep(POLL),
            }
        }
    }
}

/// QEMU, and the thread that listens to its serial port.
#[derive(Debug)]
struct Process {
    child: Child,
    listener: Option<JoinHandle<()>>,
    complaints: NamedTempFile,
}

impl Process {
    /// Starts QEMU in a thread that lives as long as it: the kernel takes the thread for its
    /// parent.
    fn start(
        mut command: Command,
        console: Console,
        serial: UnixStream,
        see: impl FnMut(&str) + Send + 'static,
    ) -> Result<Self> {
        let complaints = NamedTempFile::new().context("no room for a temporary file")?;
        command.stderr(complaints.reopen()?);
        let (sender, receiver) = mpsc::sync_channel(1);
        let listener = thread::spawn(move || {
            let child = command.spawn();
            // It has QEMU's ends of the sockets, which would keep the console open.
            drop(command);
            let started = child.is_ok();
            // The receiver waits for exactly this.
            let _ = sender.send(child);
            if started {
                console.listen(serial, see);
            }
        });
        let child = receiver.recv().context("the console's thread is gone")?;
        Ok(Self {
            child: child.context("cannot start QEMU")?,
            listener: Some(listener),
            complaints,
        })
    }

    fn complaints(&self) -> String {
        let said = fs::read_to_string(self.complaints.path()).unwrap_or_default();
        format!("QEMU says: {}", said.trim_end())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(listener) = self.listener.take() {
            // It ends with QEMU's end of the console.
            let _ = listener.join();
        }
    }
}

fn with_parent(command: &Command) -> Command {
    let [program, arguments @ ..] = WITH_PARENT;
    let mut wrapped = Command::new(program);
    let variables = command.get_envs();
    wrapped
        .args(arguments)
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(variables.filter_map(|(key, value)| Some((key, value?))));
    wrapped
}

/// Reads lines `TCP[HOST_FORWARD]  13  127.0.0.1 40123  10.0.2.15  443  0  0`.
fn forwarded(table: &str, guest: u16) -> Option<u16> {
    let guest = guest.to_string();
    table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kind, _, _, here, _, there, ..] = words.as_slice() else {
            return None;
        };
        (*kind == "TCP[HOST_FORWARD]" && *there == guest).then(|| here.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forwarded_port_is_found_in_the_table() {
        let table = "Hub -1 (network):\n  \
            Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\n  \
            TCP[ESTABLISHED]   14       127.0.0.1 50001       10.0.2.15   443     0     0\n  \
            TCP[HOST_FORWARD]  13       127.0.0.1 40123       10.0.2.15   443     0     0\n";

        assert_eq!(forwarded(table, 443), Some(40_123));
        assert_eq!(forwarded(table, 22), None);
    }
}
