//! What somebody who has broken into the relay's process tries, and is refused.
//!
//! A sandbox holds the process that calls for it and cannot be left, so each attempt is made by a
//! process of its own, which confines itself with the function that the relay calls and then does
//! what an intruder would. To show that the sandbox is what refuses, the same attempt is made by a
//! process without it, and must get further. Capabilities are kept on purpose: a relay has none,
//! which would refuse half of this by itself.
//!
//! There is no test harness here, because its threads would run outside of the sandbox.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "clippy does not see that all of this file is a test"
)]

use std::ffi::CString;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, SockaddrIn, bind, connect, listen,
    sendto, socket,
};
use tasuki_relay::sys::sandbox::{self, Confinement, Paths};

const FREE: &str = "free";
const CONFINED: &str = "confined";
/// What an attempt says that the sandbox has refused: EPERM from the filter, EACCES from Landlock.
const REFUSED: &str = "refused";

/// From `linux/socket.h`; nix has no name for it.
const MSG_FASTOPEN: i32 = 0x2000_0000;

struct Attempt {
    name: &'static str,
    /// Which part of the sandbox must refuse it.
    by: Layer,
    /// Without the sandbox it works for root alone.
    needs_root: bool,
    /// What must be there before the doors close.
    make: fn(&Scene) -> Deed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    Seccomp,
    /// From this version on.
    Landlock(u32),
}

type Deed = Box<dyn FnOnce() -> io::Result<()>>;

/// The folder of one attempt: `config` and `state` are the relay's, `other` is not.
struct Scene(PathBuf);

const ATTEMPTS: &[Attempt] = &[
    attempt("start a program", Layer::Seccomp, false, |_| {
        deed(|| Command::new("/bin/true").status().map(drop))
    }),
    attempt("become a program", Layer::Seccomp, false, |_| {
        deed(|| {
            let path = CString::new("/bin/true")?;
            nix::unistd::execv(&path, &[&path])?;
            Ok(())
        })
    }),
    attempt("look into another process", Layer::Seccomp, false, |_| {
        let victim = Command::new("sleep").arg("60").spawn().unwrap();
        deed(move || {
            let mut victim = Victim(victim);
            let pid = nix::unistd::Pid::from_raw(victim.0.id().try_into().unwrap());
            let attached = nix::sys::ptrace::seize(pid, nix::sys::ptrace::Options::empty());
            let _ = victim.0.kill();
            Ok(attached?)
        })
    }),
    attempt("signal another process", Layer::Seccomp, false, |_| {
        deed(|| Ok(nix::sys::signal::kill(nix::unistd::getppid(), None)?))
    }),
    attempt("listen to the wire", Layer::Seccomp, true, |_| {
        deed(|| make_socket(AddressFamily::Packet, SockType::Raw))
    }),
    attempt(
        "talk to the kernel's network",
        Layer::Seccomp,
        false,
        |_| deed(|| make_socket(AddressFamily::Netlink, SockType::Raw)),
    ),
    attempt("make a TCP socket", Layer::Seccomp, false, |_| {
        deed(|| make_socket(AddressFamily::Inet, SockType::Stream))
    }),
    attempt("make a UDP socket", Layer::Seccomp, false, |_| {
        deed(|| make_socket(AddressFamily::Inet6, SockType::Datagram))
    }),
    attempt("serve on another port", Layer::Seccomp, false, |_| {
        let socket = tcp();
        deed(move || {
            bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0))?;
            Ok(listen(&socket, Backlog::new(1)?)?)
        })
    }),
    attempt("dial out", Layer::Landlock(4), false, |_| {
        let (socket, (listener, address)) = (tcp(), listener());
        deed(move || {
            connect(socket.as_raw_fd(), &address)?;
            drop(listener);
            Ok(())
        })
    }),
    attempt(
        "dial out with the first bytes",
        Layer::Seccomp,
        false,
        |_| {
            let (socket, (listener, address)) = (tcp(), listener());
            deed(move || {
                let fast_open = MsgFlags::from_bits_retain(MSG_FASTOPEN);
                sendto(socket.as_raw_fd(), b"x", &address, fast_open)?;
                drop(listener);
                Ok(())
            })
        },
    ),
    attempt("mount a file system", Layer::Seccomp, true, |scene| {
        let target = scene.0.join("state");
        deed(move || {
            let none: Option<&Path> = None;
            let flags = nix::mount::MsFlags::empty();
            match nix::mount::mount(none, &target, Some("no-such-type"), flags, none) {
                // It got as far as looking for the type.
                Err(nix::errno::Errno::ENODEV) => Ok(()),
                other => Ok(other?),
            }
        })
    }),
    attempt(
        "leave for namespaces of its own",
        Layer::Seccomp,
        true,
        |_| deed(|| Ok(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?)),
    ),
    attempt("change its root", Layer::Seccomp, true, |scene| {
        let root = scene.0.clone();
        deed(move || Ok(nix::unistd::chroot(&root)?))
    }),
    attempt("become root", Layer::Seccomp, true, |_| {
        deed(|| Ok(nix::unistd::setuid(nix::unistd::Uid::from_raw(0))?))
    }),
    attempt("allow itself a core dump", Layer::Seccomp, false, |_| {
        deed(|| Ok(nix::sys::prctl::set_dumpable(true)?))
    }),
    attempt("raise its limits", Layer::Seccomp, false, |_| {
        deed(|| {
            let core = nix::sys::resource::Resource::RLIMIT_CORE;
            let (soft, hard) = nix::sys::resource::getrlimit(core)?;
            Ok(nix::sys::resource::setrlimit(core, soft, hard)?)
        })
    }),
    attempt(
        "make its store readable to all",
        Layer::Seccomp,
        false,
        |scene| {
            let file = scene.0.join("state/store");
            deed(move || {
                let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
                std::fs::set_permissions(file, open)
            })
        },
    ),
    attempt(
        "read the system's passwords",
        Layer::Landlock(1),
        true,
        |_| deed(|| std::fs::read("/etc/shadow").map(drop)),
    ),
    attempt("read what all may read", Layer::Landlock(1), false, |_| {
        deed(|| std::fs::read("/etc/passwd").map(drop))
    }),
    attempt("list a folder", Layer::Landlock(1), false, |_| {
        deed(|| std::fs::read_dir("/").map(drop))
    }),
    attempt("look at other processes", Layer::Landlock(1), false, |_| {
        deed(|| std::fs::read("/proc/1/status").map(drop))
    }),
    attempt("write elsewhere", Layer::Landlock(1), false, |scene| {
        let file = scene.0.join("other/file");
        deed(move || std::fs::write(file, "x"))
    }),
    attempt(
        "change its configuration",
        Layer::Landlock(1),
        false,
        |scene| {
            let file = scene.0.join("config/node.toml");
            deed(move || std::fs::write(file, "x"))
        },
    ),
    attempt("carry its store away", Layer::Landlock(1), false, |scene| {
        let (from, to) = (scene.0.join("state/store"), scene.0.join("other/store"));
        deed(move || std::fs::rename(from, to))
    }),
    attempt("escape by a link", Layer::Landlock(1), false, |scene| {
        let link = scene.0.join("state/link");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        deed(move || std::fs::read(link).map(drop))
    }),
];

/// What the relay does all day, inside the same sandbox.
fn honest_work(scene: &Scene) -> io::Result<()> {
    let Scene(folder) = scene;
    std::fs::read(folder.join("config/node.toml"))?;
    std::fs::read("/proc/self/status")?;
    std::fs::write(folder.join("state/new"), "x")?;
    std::fs::rename(folder.join("state/new"), folder.join("state/store"))?;
    std::fs::remove_file(folder.join("state/store"))?;
    std::thread::spawn(|| ()).join().unwrap();
    std::os::unix::net::UnixDatagram::unbound().map(drop)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, name, folder] = arguments.as_slice()
        && let Some(attempt) = ATTEMPTS.iter().find(|attempt| attempt.name == name)
    {
        try_it(mode, attempt, Scene(folder.into()));
        return ExitCode::SUCCESS;
    }
    let failures = ATTEMPTS.iter().filter(|attempt| !holds(attempt)).count();
    println!("{} attempts, {failures} wrong", ATTEMPTS.len());
    ExitCode::from(u8::from(failures > 0))
}

/// Makes the attempt with and without the sandbox, and tells whether it is the sandbox that holds.
fn holds(attempt: &Attempt) -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    let confined = outcome_in_child(CONFINED, attempt.name);
    let free = outcome_in_child(FREE, attempt.name);
    let refused = confined == REFUSED || confined == "not there";
    let holds = refused && (free == "done" || attempt.needs_root && !is_root);
    let verdict = if holds { "ok" } else { "WRONG" };
    println!(
        "{}: {confined}; without a sandbox: {free} ... {verdict}",
        attempt.name
    );
    holds
}

fn outcome_in_child(mode: &str, name: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, file) in [
        ("config", "node.toml"),
        ("state", "store"),
        ("other", "file"),
    ] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join(file), "precious").unwrap();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([mode, name])
        .arg(folder.path())
        .output()
        .unwrap();
    let mut said = String::from_utf8(output.stdout).unwrap();
    said.push_str(&String::from_utf8(output.stderr).unwrap());
    match (said.trim(), output.status.success()) {
        // It became the other program.
        ("", true) => "done".to_owned(),
        (said, _) => said.to_owned(),
    }
}

fn try_it(mode: &str, attempt: &Attempt, scene: Scene) {
    let deed = (attempt.make)(&scene);
    let mut confinement = Confinement::default();
    if mode == CONFINED {
        let paths = Paths {
            read: vec![scene.0.join("config")],
            write: vec![scene.0.join("state")],
            ..Paths::default()
        };
        confinement = sandbox::confine(&paths).unwrap();
    }
    let there = match attempt.by {
        Layer::Seccomp => confinement.system_calls,
        Layer::Landlock(version) => confinement.landlock >= Some(version),
    };
    let outcome = deed();
    if mode == CONFINED {
        honest_work(&scene).unwrap();
    }
    // Said by hand: after an attempt to become another program nothing else is certain.
    match outcome {
        Ok(()) if mode == CONFINED && !there => println!("not there"),
        Ok(()) => println!("done"),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => println!("{REFUSED}"),
        Err(error) => println!("{error}"),
    }
}

const fn attempt(
    name: &'static str,
    by: Layer,
    needs_root: bool,
    make: fn(&Scene) -> Deed,
) -> Attempt {
    Attempt {
        name,
        by,
        needs_root,
        make,
    }
}

fn deed(it: impl FnOnce() -> io::Result<()> + 'static) -> Deed {
    Box::new(it)
}

fn make_socket(family: AddressFamily, kind: SockType) -> io::Result<()> {
    socket(family, kind, SockFlag::empty(), None)?;
    Ok(())
}

fn tcp() -> std::os::fd::OwnedFd {
    socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::empty(),
        None,
    )
    .unwrap()
}

fn listener() -> (TcpListener, SockaddrIn) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, SockaddrIn::new(127, 0, 0, 1, port))
}

struct Victim(std::process::Child);

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.wait();
    }
}
