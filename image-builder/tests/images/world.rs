//! Two places to build in: this one, and one that is different in everything that must not matter.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use image_builder::board::Board;
use image_builder::package::Locked;
use image_builder::programs::Programs;
use image_builder::workplace::Workplace;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, CpuSet, sched_setaffinity, unshare};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, User, geteuid};
use tempfile::TempDir;

/// Both clocks of C programs and ours, in every program that a process starts.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
/// Beyond a year, and no multiple of a week.
const LATER: &str = "+400d\n";
/// A script's name.
const TODAY: &str = "rustc-of-today";

/// A folder of lock files that count instead of the checkout's: `cargo xtask ci` says so when
/// mirrors have forgotten what those name.
const LOCKS: &str = "TASUKI_LOCKS";

/// A checkout and a program `tasuki`.
pub(crate) struct World {
    pub(crate) source: PathBuf,
    /// Lock files that count instead of the checkout's.
    pub(crate) locks: Option<PathBuf>,
    program: PathBuf,
    elsewhere: Option<Elsewhere>,
}

struct Elsewhere {
    folder: TempDir,
    user: Option<User>,
    /// A compiler that is to see today's date.
    compiler: Option<PathBuf>,
}

impl World {
    /// As whoever runs the tests has it.
    pub(crate) fn here() -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        Self {
            source: source.canonicalize().unwrap(),
            locks: env::var_os(LOCKS).map(PathBuf::from),
            program: PathBuf::from(env!("CARGO_BIN_EXE_tasuki")),
            elsewhere: None,
        }
    }

    /// Another folder, filled in another order, umask, time zone, language, cache and number of
    /// CPUs; for root also another date and, if `stranger`, another user.
    pub(crate) fn elsewhere(stranger: bool) -> Self {
        let here = Self::here();
        let folder = tempfile::Builder::new()
            .prefix("elsewhere")
            .tempdir()
            .unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let source = folder.path().join("a checkout");
        copy_backwards(&here.source, &source);
        let locks = here.locks.map(|from| {
            let to = folder.path().join("locks");
            fs::create_dir(&to).unwrap();
            copy_locks(&from, &to);
            to
        });
        let program = folder.path().join("tasuki");
        fs::copy(&here.program, &program).unwrap();
        let root = geteuid().is_root();
        if !root {
            eprintln!("NOT ROOT: date and user are the same in both builds");
        }
        let user = User::from_name("nobody")
            .unwrap()
            .filter(|_| root && stranger);
        let home = folder.path().join("home");
        fs::create_dir(&home).unwrap();
        if let Some(user) = &user {
            chown(&home, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
        if root {
            later(folder.path());
        }
        let mut compiler = None;
        if user.is_none() {
            copy_crates(&home.join("cargo"));
            compiler = root.then(|| today(folder.path(), &source));
        }
        Self {
            source,
            locks,
            program,
            elsewhere: Some(Elsewhere {
                folder,
                user,
                compiler,
            }),
        }
    }

    /// A folder that its user may write to.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        let elsewhere = self.elsewhere.as_ref()?;
        Some(elsewhere.folder.path().join("home"))
    }

    /// Runs `tasuki`, which has to succeed, and returns what it printed.
    pub(crate) fn tasuki(&self, words: &[&str]) -> String {
        let output = self.try_tasuki(words);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}:\n{said}{complaint}");
        said
    }

    pub(crate) fn try_tasuki(&self, words: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(words).current_dir(&self.source);
        if let Some(locks) = &self.locks {
            command.arg("--locks").arg(locks);
        }
        let Some(elsewhere) = &self.elsewhere else {
            return command.output().unwrap();
        };
        let home = elsewhere.folder.path().join("home");
        command
            .env("HOME", &home)
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("CARGO_HOME", home.join("cargo"))
            .env("RUSTUP_HOME", tool_home("RUSTUP_HOME", ".rustup"))
            .env("TMPDIR", &home)
            .env("TZ", "Pacific/Chatham")
            .env("LC_ALL", "ja_JP.UTF-8")
            .env("LANG", "tr_TR.UTF-8");
        if let Some(user) = &elsewhere.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let etc = elsewhere.folder.path().join("etc");
        let today = elsewhere.folder.path().join(TODAY);
        let compiler = elsewhere.compiler.clone();
        // What a thread takes on, a program that it starts inherits; both are gone with the thread.
        let run = move || {
            if geteuid().is_root() {
                unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_FS).unwrap();
                let none: Option<&str> = None;
                let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
                mount(none, "/", none, private, none).unwrap();
                mount(Some(&etc), "/etc", none, MsFlags::MS_BIND, none).unwrap();
                if let Some(compiler) = &compiler {
                    mount(Some(&today), compiler, none, MsFlags::MS_BIND, none).unwrap();
                }
                umask(Mode::from_bits_truncate(0o077));
            }
            let mut one = CpuSet::new();
            one.set(0).unwrap();
            sched_setaffinity(Pid::from_raw(0), &one).unwrap();
            command.output().unwrap()
        };
        thread::spawn(run).join().unwrap()
    }

    /// The same checkout and locks, in this process.
    pub(crate) fn workplace(&self) -> Workplace {
        let workplace = Workplace::new(Some(self.source.clone()), None, false).unwrap();
        workplace.with_locks(self.locks.clone())
    }

    /// What this workplace has of the packages that `board`'s image is made with, in a folder.
    pub(crate) fn archive(&self, board: &Board, folder: &Path) {
        let workplace = self.workplace();
        let lock = workplace.lock(board.architecture).unwrap();
        let tools = workplace.tools_lock().unwrap();
        let packages: Vec<&Locked> = lock.of_board(board).chain(&tools.packages).collect();
        let store = workplace.store().unwrap();
        store
            .fetch(&packages, lock.time, &workplace.progress)
            .unwrap();
        store.archive(&packages, folder).unwrap();
    }
}

/// A copy of `/etc` that lets every program see a later date, whatever its environment.
fn later(folder: &Path) {
    assert!(Path::new(FAKETIME).is_file(), "apt-get install faketime");
    let etc = folder.join("etc");
    let copy = Command::new("cp").args(["-a", "/etc"]).arg(&etc).output();
    assert!(copy.unwrap().status.success());
    fs::write(etc.join("ld.so.preload"), FAKETIME).unwrap();
    fs::write(etc.join("faketimerc"), LATER).unwrap();
}

/// A script to lie where rustup's compiler is, which starts that without the later date, and the
/// compiler's path.
///
/// With the date it hangs before it begins: its allocator asks for the time while it is set up, and
/// libfaketime allocates to answer that. All other programs of a build see the later date, build
/// scripts included; macros run inside the compiler.
fn today(folder: &Path, checkout: &Path) -> PathBuf {
    let asked = Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir(checkout)
        .output()
        .unwrap();
    let compiler = Path::new(str::from_utf8(&asked.stdout).unwrap().trim()).join("bin/rustc");
    assert!(compiler.is_file(), "{}", compiler.display());
    let script = folder.join(TODAY);
    let words = "umount /etc && umount \"$0\" && exec \"$0\" \"$@\"";
    let text = format!(
        "#!/bin/sh\nexec unshare --mount sh -c '{words}' {} \"$@\"\n",
        compiler.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    compiler
}

/// The crates as they were fetched, so that cargo unpacks them in another folder.
fn copy_crates(to: &Path) {
    let registry = to.join("registry");
    fs::create_dir_all(&registry).unwrap();
    for part in ["cache", "index"] {
        let from = tool_home("CARGO_HOME", ".cargo")
            .join("registry")
            .join(part);
        let copy = Command::new("cp")
            .arg("-a")
            .arg(from)
            .arg(&registry)
            .output();
        assert!(copy.unwrap().status.success());
    }
}

/// Where cargo or rustup keeps its things.
fn tool_home(variable: &str, default: &str) -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").unwrap()).join(default);
    env::var_os(variable).map_or_else(home, PathBuf::from)
}

/// Copies what git knows or would take on, last file first.
fn copy_backwards(from: &Path, to: &Path) {
    let list = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(from)
        .output()
        .unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let files: Vec<&str> = list.split('\0').filter(|name| !name.is_empty()).collect();
    assert!(files.len() > 100, "a checkout by git");
    for name in files.iter().rev() {
        let place = to.join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        // A file that was deleted and is still in the index.
        if let Ok(bytes) = fs::read(from.join(name)) {
            fs::write(place, bytes).unwrap();
        }
    }
}

/// Those that images are made from.
pub(crate) fn copy_locks(from: &Path, to: &Path) {
    for name in ["amd64.lock", "arm64.lock", "tools.lock"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// The files of a folder with their bytes, by name.
pub(crate) fn files(folder: &Path) -> Vec<(OsString, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// For what does not look at programs: they are only carried.
pub(crate) fn stand_ins(folder: &Path) {
    let names = ["tasuki-relay", "tasuki-board", "first-stage"];
    Programs {
        relay: b"relay".to_vec(),
        board: b"board".to_vec(),
        first_stage: b"first stage".to_vec(),
        compiler: "none".to_owned(),
        crates: names.map(|name| (name, String::new())).into(),
    }
    .write(folder)
    .unwrap();
}
