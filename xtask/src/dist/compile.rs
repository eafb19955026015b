//! Debian's cargo, told what must not be seen in a release.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use semver::{Version, VersionReq};

use super::{DESKTOP, System};
use crate::demo;
use crate::exec::{Call, Shell};

/// From nothing, on a busy machine with two processors.
const LIMIT: Duration = Duration::from_secs(2 * 3600);

const CARGO: &str = "/usr/bin/cargo";
/// Cargo would take rustup's.
const CLIPPY: &str = "/usr/bin/cargo-clippy";
/// Cargo would otherwise take rustup's, which has another library.
const RUSTC: &str = "/usr/bin/rustc";

/// The oldest compiler that the workspace takes, as "1.95".
const RUST_MIN: &str = env!("CARGO_PKG_RUST_VERSION");

const VERSION_LIMIT: Duration = Duration::from_secs(30);

/// Has aws-lc built without its code for AVX-512, of which AES-GCM alone has 0.7 MB on Linux and
/// nothing on Windows, and without tables for elliptic curves: P-256, a few times in a handshake,
/// takes two or three times as long.
const SMALL: &str = "AWS_LC_SYS_SMALL";

/// Fails where Debian's compiler is too old, as it is before Debian's security updates: cargo would
/// name each package that wants a newer one, and no cure.
pub(super) fn verify_compiler(shell: &Shell) -> Result<()> {
    verify_version(&shell.call(RUSTC).arg("--version").output(VERSION_LIMIT)?)
}

/// `said` is what `rustc --version` says: "rustc 1.96.0 (...)".
fn verify_version(said: &str) -> Result<()> {
    let version = said.split_whitespace().nth(1).unwrap_or_default();
    let version = Version::parse(version).with_context(|| format!("{RUSTC} says: {said}"))?;
    ensure!(
        VersionReq::parse(&format!(">={RUST_MIN}"))?.matches(&version),
        "Debian's compiler for releases is {version} here, and {RUST_MIN} is needed; it comes with \
         Debian's security updates (for Debian 12: \"deb http://deb.debian.org/debian-security \
         bookworm-security main\" in /etc/apt/sources.list):\n  \
         sudo apt-get update && sudo apt-get install rustc-web cargo-web rust-web-src"
    );
    Ok(())
}

/// Builds a system's programs; `cache` keeps what cargo can use again. Returns their folder.
pub(super) fn release(shell: &Shell, root: &Path, system: System, cache: &Path) -> Result<PathBuf> {
    let mut call = cargo(shell, root, system, "build", cache)?.args(["--package", "agent"]);
    for program in system.programs() {
        call = call.args(["--bin", program]);
    }
    if system == System::Windows {
        call = call.args(["--features", "window"]);
    }
    call.run(LIMIT)?;
    Ok(folder(system, cache))
}

/// Builds the program that shares a desktop of Windows, and returns it. By itself: what its RDP
/// server wants of our dependencies must not end up in the others.
pub(super) fn desktop(shell: &Shell, root: &Path, cache: &Path) -> Result<PathBuf> {
    cargo(shell, root, System::Windows, "build", cache)?
        .args(["--package", DESKTOP, "--bin", DESKTOP])
        .args(["--features", "program"])
        .run(LIMIT)?;
    Ok(folder(System::Windows, cache).join(format!("{DESKTOP}.exe")))
}

/// Builds the program for Windows that tests put in a viewer's place.
pub(super) fn passage(shell: &Shell, root: &Path, cache: &Path) -> Result<PathBuf> {
    cargo(shell, root, System::Windows, "build", cache)?
        .args(["--package", "agent-windows", "--example", "passage"])
        .run(LIMIT)?;
    Ok(folder(System::Windows, cache).join("examples/passage.exe"))
}

/// Builds the program for Windows that is a viewer in tests.
pub(super) fn viewer(shell: &Shell, root: &Path, cache: &Path) -> Result<PathBuf> {
    cargo(shell, root, System::Windows, "build", cache)?
        .args(["--package", DESKTOP, "--example", "viewer"])
        .args(["--features", "program"])
        .run(LIMIT)?;
    Ok(folder(System::Windows, cache).join("examples/viewer.exe"))
}

/// Lints what only Windows compiles.
pub(super) fn lint(shell: &Shell, root: &Path, cache: &Path) -> Result<()> {
    cargo(shell, root, System::Windows, "clippy", cache)?
        .args(["--package", "agent", "--package", "agent-windows"])
        .args([
            "--package",
            DESKTOP,
            "--lib",
            "--bins",
            "--examples",
            "--features",
        ])
        .arg(format!("agent/window,{DESKTOP}/program"))
        .args(["--", "--deny", "warnings"])
        .run(LIMIT)
}

/// Builds the tests of `agent-windows`, and returns the programs.
pub(super) fn seam_tests(shell: &Shell, root: &Path, cache: &Path) -> Result<Vec<PathBuf>> {
    let messages = cargo(shell, root, System::Windows, "test", cache)?
        .args(["--no-run", "--package", "agent-windows", "--lib"])
        // Otherwise tests would unwind, and all of Rust's library be compiled once more for that.
        .arg("-Zpanic-abort-tests")
        .arg("--message-format=json-render-diagnostics")
        .output_shown(LIMIT)?;
    Ok(demo::programs(&messages).collect())
}

fn folder(system: System, cache: &Path) -> PathBuf {
    cache.join(system.triple()).join("dist")
}

fn cargo<'a>(
    shell: &'a Shell,
    root: &Path,
    system: System,
    command: &str,
    cache: &Path,
) -> Result<Call<'a>> {
    let triple = system.triple();
    let program = if command == "clippy" { CLIPPY } else { CARGO };
    let call = shell
        .call(program)
        .env("CARGO", CARGO)
        .args([command, "--profile", "dist", "--locked", "--quiet"])
        .args(["--target", triple])
        // Rust's library is compiled along: there is no package of it for Windows, and those for
        // Linux are larger. Without the reader of debugging information, which these programs
        // have none of.
        .args([
            "-Zbuild-std=std,panic_abort",
            "-Zbuild-std-features=panic-unwind",
        ])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTC", RUSTC)
        .env("CARGO_TARGET_DIR", cache)
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_ENCODED_RUSTFLAGS", flags(system, cache)?)
        .env(
            &format!("CFLAGS_{}", triple.replace('-', "_")),
            c_flags(cache)?,
        )
        .dir(root);
    Ok(match system {
        System::Windows => call,
        System::Linux => call.env(SMALL, "1"),
        System::LinuxArm => call
            .env(SMALL, "1")
            .env("CC_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-gcc")
            .env("AR_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-ar")
            .env(
                "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
                "aarch64-linux-gnu-gcc",
            ),
    })
}

/// Folders of this machine, and what is seen instead of them.
fn places(cache: &Path) -> Result<[(PathBuf, &'static str); 2]> {
    let cargo = match env::var_os("CARGO_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var_os("HOME").context("HOME is not set")?).join(".cargo"),
    };
    Ok([(cache.to_owned(), "/target"), (cargo, "/cargo")])
}

fn flags(system: System, cache: &Path) -> Result<OsString> {
    let mut flags = OsString::new();
    for (place, name) in places(cache)? {
        flags.push("--remap-path-prefix=");
        flags.push(place);
        flags.push(format!("={name}\x1f"));
    }
    flags.push(match system {
        System::Windows => "-Clink-arg=-Wl,--no-insert-timestamp",
        // Nothing unwinds here.
        System::Linux | System::LinuxArm => {
            "-Clink-arg=-Wl,--build-id=none\x1f-Cforce-unwind-tables=no"
        }
    });
    if system == System::LinuxArm {
        // Build scripts ask what the compiler can do for the target, and get no for an answer where
        // Debian's library for it is not installed. Nobody shall find it: it is for other things.
        flags.push("\x1f--sysroot=/nonexistent");
    }
    Ok(flags)
}

fn c_flags(cache: &Path) -> Result<OsString> {
    let mut flags = OsString::new();
    for (place, name) in places(cache)? {
        flags.push("-ffile-prefix-map=");
        flags.push(place);
        flags.push(format!("={name} "));
    }
    // Nothing unwinds here; but Windows' own report of a crash ends at a C function. The linker
    // for Windows keeps every function that has an entry for unwinding, used or not: a megabyte
    // of cryptography that nothing calls.
    flags.push("-fno-asynchronous-unwind-tables");
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_that_is_too_old_is_told_with_the_cure() {
        let old = verify_version("rustc 1.85.0 (4d91de4e4 2025-02-17) (built from a tarball)\n");

        let told = old.expect_err("is older than the workspace").to_string();
        assert!(told.contains("1.85.0"), "{told}");
        assert!(told.contains("bookworm-security"), "{told}");
        assert!(told.contains("apt-get update"), "{told}");
    }

    #[test]
    fn the_oldest_and_newer_ones_will_do() {
        for version in [&format!("{RUST_MIN}.0"), "1.300.1", "2.0.0"] {
            verify_version(&format!("rustc {version} (0 2026-01-01)")).expect("is new enough");
        }
    }
}
