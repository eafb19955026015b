//! Our own programs for a board's architecture: built by cargo, the same bytes from any folder.
//!
//! The toolchain is the workstation's if it has the target (`rustup target add`), else Debian's
//! `rustc-web`, which comes with libraries for foreign architectures.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::board::Architecture;
use crate::exec::{Call, ExecError, Shell};
use crate::identity::Hash;

/// What cargo and rustup want to know of this workstation.
const PASSED: [&str; 2] = ["CARGO_HOME", "RUSTUP_HOME"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

const RELAY: &str = "tasuki-relay";
const BOARD: &str = "tasuki-board";
const FIRST_STAGE: &str = "first-stage";
const COMPILER: &str = "compiler.txt";

/// The programs of a board, as files.
#[derive(Debug, Clone)]
pub struct Programs {
    pub relay: Vec<u8>,
    pub board: Vec<u8>,
    pub first_stage: Vec<u8>,
    /// What `rustc --version --verbose` says.
    pub compiler: String,
    /// The crates in each, a line each: `name v1.2.3`.
    pub crates: BTreeMap<&'static str, String>,
}

impl Programs {
    /// Each by its name, with the crate that it is made from.
    pub fn all(&self) -> [(&'static str, &'static str, &[u8]); 3] {
        [
            (RELAY, "relay", &self.relay),
            (BOARD, "board", &self.board),
            (FIRST_STAGE, "first-stage", &self.first_stage),
        ]
    }
}

impl Programs {
    /// Keeps them in a folder, for builds that do not compile.
    pub fn write(&self, folder: &Path) -> Result<(), ProgramsError> {
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, bytes));
            written.map_err(|error| ProgramsError::Write { path, error })
        };
        for (name, _, bytes) in self.all() {
            write(name, bytes)?;
        }
        for (name, crates) in &self.crates {
            write(&crates_file(name), crates.as_bytes())?;
        }
        write(COMPILER, self.compiler.as_bytes())
    }

    /// The reverse.
    pub fn read(folder: &Path) -> Result<Self, ProgramsError> {
        let file = |name: &str| read(&folder.join(name));
        let text = |name: &str| {
            let bytes = file(name)?;
            Ok::<_, ProgramsError>(String::from_utf8_lossy(&bytes).into_owned())
        };
        let mut crates = BTreeMap::new();
        for name in [RELAY, BOARD, FIRST_STAGE] {
            crates.insert(name, text(&crates_file(name))?);
        }
        Ok(Self {
            relay: file(RELAY)?,
            board: file(BOARD)?,
            first_stage: file(FIRST_STAGE)?,
            compiler: text(COMPILER)?,
            crates,
        })
    }
}

fn crates_file(program: &str) -> String {
    format!("{program}.crates.txt")
}

/// Why there are no programs.
#[derive(Debug, thiserror::Error)]
pub enum ProgramsError {
    #[error(
        "no Rust compiler here can build for {target}; either `rustup target add {target}` and \
         install a C cross compiler, or, on Debian:\n  \
         dpkg --add-architecture {debian} && apt-get update && apt-get install rustc-web cargo-web \
         libstd-rust-web-dev:{debian} gcc-{gnu} g++-{gnu}",
        gnu = target.replace("-unknown", "").replace('_', "-")
    )]
    NoCompiler {
        target: &'static str,
        debian: Architecture,
    },
    #[error(transparent)]
    Exec(#[from] ExecError),
    #[error("cannot read {}: {error}", .path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("cannot write {}: {error}", .path.display())]
    Write { path: PathBuf, error: io::Error },
}

/// A compiler that can build for a target.
#[derive(Debug)]
struct Toolchain {
    cargo: PathBuf,
    /// Told to cargo where it would otherwise find another one.
    rustc: Option<PathBuf>,
    version: String,
}

/// Builds the programs from the workspace at `source`; `cache` keeps what cargo can use again.
pub fn build(
    shell: Shell,
    source: &Path,
    architecture: Architecture,
    cache: &Path,
) -> Result<Programs, ProgramsError> {
    let toolchain = Toolchain::find(shell, architecture)?;
    // The source is in the flags: two checkouts in one folder would compile everything in turns.
    let key = format!(
        "{}\n{architecture}\n{}",
        toolchain.version,
        source.display()
    );
    let key = Hash::of(key.as_bytes()).to_string();
    let folder = cache.join(key.get(..16).unwrap_or(&key));
    let build = Build {
        shell,
        source,
        architecture,
        toolchain,
        folder,
    };
    let linked = build.release("linked", &["relay", "board"], &[])?;
    // It runs before there is a libc to link to.
    let fixed = build.release(
        "static",
        &["first-stage"],
        &["-Ctarget-feature=+crt-static"],
    )?;
    let mut programs = Programs {
        relay: read(&linked.join(RELAY))?,
        board: read(&linked.join(BOARD))?,
        first_stage: read(&fixed.join(FIRST_STAGE))?,
        crates: BTreeMap::new(),
        compiler: build.toolchain.version.clone(),
    };
    let names = programs.all().map(|(name, package, _)| (name, package));
    for (name, package) in names {
        programs.crates.insert(name, build.crates(package)?);
    }
    Ok(programs)
}

impl Toolchain {
    fn find(shell: Shell, architecture: Architecture) -> Result<Self, ProgramsError> {
        let local = (PathBuf::from("cargo"), PathBuf::from("rustc"));
        let debian = (DEBIAN_CARGO.into(), DEBIAN_RUSTC.into());
        for (cargo, rustc) in [local, debian] {
            let call = |arguments: &[&str]| passed(shell.call_local(&rustc)).args(arguments).text();
            // A compiler that does not start is one that is not there.
            let Ok(sysroot) = call(&["--print", "sysroot"]) else {
                continue;
            };
            let library = Path::new(sysroot.trim())
                .join("lib/rustlib")
                .join(architecture.target());
            if library.is_dir() {
                return Ok(Self {
                    version: call(&["--version", "--verbose"])?,
                    rustc: rustc.is_absolute().then_some(rustc),
                    cargo,
                });
            }
        }
        Err(ProgramsError::NoCompiler {
            target: architecture.target(),
            debian: architecture,
        })
    }
}

struct Build<'a> {
    shell: Shell,
    source: &'a Path,
    architecture: Architecture,
    toolchain: Toolchain,
    folder: PathBuf,
}

impl Build<'_> {
    /// Builds the packages' programs and returns the folder that has them.
    fn release(
        &self,
        kind: &str,
        packages: &[&str],
        flags: &[&str],
    ) -> Result<PathBuf, ProgramsError> {
        let target = self.architecture.target();
        let folder = self.folder.join(kind);
        let mut call = passed(self.shell.call_local(&self.toolchain.cargo))
            .dir(self.source)
            .env("CARGO_TARGET_DIR", &folder)
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags(&folder, flags))
            .args([
                "build",
                "--release",
                "--locked",
                "--bins",
                "--target",
                target,
            ]);
        if let Some(rustc) = &self.toolchain.rustc {
            call = call.env("RUSTC", rustc);
        }
        for (key, value) in self.c_compiler(&folder) {
            call = call.env(key, value);
        }
        for package in packages {
            call = call.args(["-p", package]);
        }
        call.run()?;
        Ok(folder.join(target).join("release"))
    }

    /// What a program consists of, for the SBOM: macros are code that ran on the workstation.
    fn crates(&self, package: &str) -> Result<String, ProgramsError> {
        let call = passed(self.shell.call_local(&self.toolchain.cargo))
            .dir(self.source)
            .args(["tree", "--locked", "--edges", "normal,no-proc-macro"])
            .args(["--prefix", "none", "--format", "{p}", "--no-dedupe"])
            .args(["--target", self.architecture.target(), "-p", package]);
        // Behind these two stands where the checkout lies.
        let named = |line: &str| {
            line.split_whitespace()
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let listing = call.text()?;
        Ok(listing.lines().map(|line| named(line) + "\n").collect())
    }

    /// What must not be seen in a program: where it was built.
    fn flags(&self, folder: &Path, more: &[&str]) -> OsString {
        let mut flags = OsString::new();
        for (place, name) in self.places(folder) {
            flags.push("--remap-path-prefix=");
            flags.push(place);
            flags.push(format!("={name}\x1f"));
        }
        flags.push("-Clink-arg=-Wl,--build-id=none");
        for flag in more {
            flags.push("\x1f");
            flags.push(flag);
        }
        flags
    }

    fn places(&self, folder: &Path) -> Vec<(PathBuf, &'static str)> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let cargo = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(home?.join(".cargo")));
        let mut places = vec![
            (self.source.to_owned(), "/tasuki"),
            (folder.to_owned(), "/target"),
        ];
        places.extend(cargo.map(|cargo| (cargo, "/cargo")));
        places
    }

    /// Variables of the crate `cc` for code in C.
    fn c_compiler(&self, folder: &Path) -> Vec<(String, OsString)> {
        let target = self.architecture.target().replace('-', "_");
        let places = self.places(folder).into_iter();
        let flags = places.map(|(place, name)| {
            let place = place.to_string_lossy();
            quoted(&format!("-ffile-prefix-map={place}={name}"))
        });
        let mut variables = vec![
            (
                format!("CFLAGS_{target}"),
                flags.collect::<Vec<_>>().join(" ").into(),
            ),
            // Else a space in a folder's name would be one between flags.
            ("CC_SHELL_ESCAPED_FLAGS".to_owned(), "1".into()),
        ];
        if is_native(self.architecture) {
            return variables;
        }
        let prefix = self.architecture.target().replace("-unknown", "");
        let linker = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase());
        for (key, tool) in [("CC", "gcc"), ("CXX", "g++"), ("AR", "ar")] {
            variables.push((format!("{key}_{target}"), format!("{prefix}-{tool}").into()));
        }
        variables.push((linker, format!("{prefix}-gcc").into()));
        variables
    }
}

/// As one word of a shell's.
fn quoted(flag: &str) -> String {
    format!("'{}'", flag.replace('\'', r"'\''"))
}

fn passed(mut call: Call) -> Call {
    for key in PASSED {
        if let Some(value) = std::env::var_os(key) {
            call = call.env(key, value);
        }
    }
    call
}

fn read(path: &Path) -> Result<Vec<u8>, ProgramsError> {
    fs::read(path).map_err(|error| ProgramsError::Read {
        path: path.to_owned(),
        error,
    })
}

/// Whether the workstation's own C compiler builds for it.
fn is_native(architecture: Architecture) -> bool {
    architecture.target().starts_with(std::env::consts::ARCH)
}
