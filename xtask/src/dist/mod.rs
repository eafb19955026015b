//! `cargo xtask dist`: the stock agents, as released.
//!
//! Debian's compiler builds them, whatever rustup has here, so that two machines make the same
//! bytes. What is wrong with a program that was built is an error: a DLL that some Windows lacks,
//! a missing hardening flag, too many bytes.

mod compile;
mod elf;
pub(crate) mod package;
mod pe;
pub(crate) mod sign;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::debian::{self, Consent, Package};
use crate::exec::Shell;
use crate::wine::{self, Wine};
use crate::{cache, report};
use sign::Signer;

/// The most that a program may have, in bytes.
const SIZE_MAX: u64 = 4_000_000;

/// The same for the program that shares a desktop; 15,000,000 is the goal.
const DESKTOP_SIZE_MAX: u64 = 6_000_000;

const TESTS_LIMIT: Duration = Duration::from_secs(300);

/// For every system.
const PROGRAMS: [&str; 2] = ["tasuki-host", "tasuki-client"];

/// And three more for Windows: the host's settings, what starts the host when somebody logs on, and
/// what opens the client's window.
const WINDOWS_PROGRAMS: [&str; 5] = [
    "tasuki-host",
    "tasuki-host-background",
    "tasuki-host-settings",
    "tasuki-client",
    "tasuki-client-window",
];

/// The program that shares a desktop of Windows, and its package.
const DESKTOP: &str = "tasuki-desktop";

/// What a release is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Windows,
    Linux,
    LinuxArm,
}

impl System {
    const ALL: [Self; 3] = [Self::Windows, Self::Linux, Self::LinuxArm];

    /// The folder of its programs, as `--only` names it.
    fn name(self) -> &'static str {
        match self {
            Self::Windows => "windows-x86-64",
            Self::Linux => "linux-x86-64",
            Self::LinuxArm => "linux-aarch64",
        }
    }

    fn triple(self) -> &'static str {
        match self {
            Self::Windows => "x86_64-pc-windows-gnu",
            Self::Linux => "x86_64-unknown-linux-gnu",
            Self::LinuxArm => "aarch64-unknown-linux-gnu",
        }
    }

    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Windows => &WINDOWS_PROGRAMS,
            Self::Linux | Self::LinuxArm => &PROGRAMS,
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Windows => ".exe",
            Self::Linux | Self::LinuxArm => "",
        }
    }

    fn packages(self) -> &'static [Package] {
        match self {
            Self::Windows => &WINDOWS_PACKAGES,
            Self::Linux => &[],
            Self::LinuxArm => &ARM_PACKAGES,
        }
    }
}

const COMPILER_PACKAGES: [Package; 4] = [
    Package {
        name: "cargo-web",
        purpose: "builds releases",
    },
    Package {
        name: "rustc-web",
        purpose: "the compiler of releases",
    },
    Package {
        name: "rust-web-src",
        purpose: "Rust's own library, compiled along with a release",
    },
    Package {
        name: "cmake",
        purpose: "builds aws-lc, the cryptography of TLS",
    },
];

const WINDOWS_PACKAGES: [Package; 2] = [
    Package {
        name: "gcc-mingw-w64-x86-64",
        purpose: "C compiler and linker for Windows",
    },
    Package {
        name: "nasm",
        purpose: "assembles aws-lc for Windows",
    },
];

const LINTER: Package = Package {
    name: "rust-web-clippy",
    purpose: "lints what only Windows compiles",
};

const ARM_PACKAGES: [Package; 2] = [
    Package {
        name: "gcc-aarch64-linux-gnu",
        purpose: "C compiler and linker for ARM",
    },
    Package {
        name: "libc6-dev-arm64-cross",
        purpose: "C's own library for ARM",
    },
];

#[derive(Args)]
pub(crate) struct Options {
    /// Build for one system only: windows-x86-64, linux-x86-64 or linux-aarch64.
    #[arg(long, value_name = "SYSTEM")]
    only: Option<String>,
    /// Build a second time from nothing and compare every byte. Takes as long as a first build.
    #[arg(long)]
    twice: bool,
    /// Install missing Debian packages without asking; so does the environment variable CI.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    sign: sign::SignOptions,
}

pub(crate) fn run(shell: &Shell, root: &Path, options: &Options) -> Result<()> {
    let only = options.only.as_deref();
    let systems = System::ALL
        .into_iter()
        .filter(|system| only.is_none_or(|name| name == system.name()));
    let systems: Vec<System> = systems.collect();
    if systems.is_empty() {
        let names = System::ALL.map(System::name).join(", ");
        bail!("there is no such system; there are {names}");
    }
    provide(shell, &systems, Consent::new(options.yes))?;
    let signer = Signer::new(shell, &options.sign)?;
    let out = root.join("target/dist");
    for system in systems {
        let folder = build(shell, root, system)?;
        if system == System::Windows {
            desktop(shell, root, &folder)?;
        }
        report::say(&format!("  in {}", folder.display()));
        let packages = package::make(shell, root, system, &folder, None, &out)?;
        list(&packages)?;
        if let Some(signer) = signer.as_ref().filter(|_| system == System::Windows) {
            list(&signed(shell, root, &folder, signer, &out.join("signed"))?)?;
        }
        if options.twice {
            again(shell, root, system, &folder, &packages)?;
        }
    }
    Ok(())
}

fn list(packages: &[PathBuf]) -> Result<()> {
    for package in packages {
        let size = fs::metadata(package)?.len();
        report::say(&format!("  {size:>9} bytes: {}", package.display()));
    }
    Ok(())
}

/// Makes the packages for Windows once more, of signed programs.
fn signed(
    shell: &Shell,
    root: &Path,
    folder: &Path,
    signer: &Signer<'_>,
    out: &Path,
) -> Result<Vec<PathBuf>> {
    report::say("  signed:");
    let programs = out.join(System::Windows.name());
    sign_programs(folder, signer, &programs)?;
    package::make(shell, root, System::Windows, &programs, Some(signer), out)
}

/// Copies the programs for Windows, and signs them; they are checked as before.
fn sign_programs(from: &Path, signer: &Signer<'_>, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for program in WINDOWS_PROGRAMS.into_iter().chain([DESKTOP]) {
        let name = format!("{program}.exe");
        let copy = to.join(&name);
        fs::copy(from.join(&name), &copy).with_context(|| format!("cannot copy {name}"))?;
        signer.sign(&copy)?;
        take(&copy, &copy, |bytes| {
            check(System::Windows, bytes, most(program))
        })?;
    }
    Ok(())
}

/// The most bytes that a program may have.
fn most(program: &str) -> u64 {
    if program == DESKTOP {
        DESKTOP_SIZE_MAX
    } else {
        SIZE_MAX
    }
}

/// The systems that releases are made for.
pub(crate) fn systems() -> impl Iterator<Item = &'static str> {
    System::ALL.into_iter().map(System::name)
}

/// Makes one system's release, and makes it again elsewhere to compare.
pub(crate) fn twice(shell: &Shell, root: &Path, system: &str) -> Result<()> {
    let options = Options {
        only: Some(system.to_owned()),
        twice: true,
        yes: true,
        sign: sign::SignOptions::default(),
    };
    run(shell, root, &options)
}

/// The folder of the programs for Windows, with what tests need beside them.
pub(crate) fn windows(shell: &Shell, root: &Path, consent: Consent) -> Result<PathBuf> {
    provide(shell, &[System::Windows], consent)?;
    let folder = build(shell, root, System::Windows)?;
    let built = compile::passage(shell, root, &cache::folder("agents")?)?;
    fs::copy(built, folder.join("passage.exe"))?;
    Ok(folder)
}

/// Where that folder is.
pub(crate) fn windows_folder(root: &Path) -> PathBuf {
    folder(root, System::Windows)
}

fn folder(root: &Path, system: System) -> PathBuf {
    root.join("target/dist").join(system.name())
}

/// Puts the program that shares a desktop beside the others for Windows.
pub(crate) fn desktop(shell: &Shell, root: &Path, folder: &Path) -> Result<()> {
    let built = compile::desktop(shell, root, &cache::folder("agents")?)?;
    take(&built, &folder.join(format!("{DESKTOP}.exe")), |bytes| {
        check(System::Windows, bytes, most(DESKTOP))
    })
}

/// Puts a viewer for tests beside them.
pub(crate) fn viewer(shell: &Shell, root: &Path, folder: &Path) -> Result<()> {
    let built = compile::viewer(shell, root, &cache::folder("agents")?)?;
    fs::copy(built, folder.join("viewer.exe"))?;
    Ok(())
}

/// Copies a program that is in order.
fn take(from: &Path, to: &Path, check: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let bytes = fs::read(from).with_context(|| format!("no {}", from.display()))?;
    check(&bytes).with_context(|| format!("{name} must not be released"))?;
    report::say(&format!("  {name:<26} {:>9} bytes", bytes.len()));
    fs::write(to, bytes).with_context(|| format!("cannot write {}", to.display()))?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    Ok(())
}

/// Lints the agents as Windows compiles them.
pub(crate) fn lint(shell: &Shell, root: &Path, consent: Consent) -> Result<()> {
    provide(shell, &[System::Windows], consent)?;
    debian::provide(shell, &[LINTER], consent)?;
    compile::lint(shell, root, &cache::folder("agents")?)
}

/// Runs the tests of what has no safe call in Windows, under Wine.
pub(crate) fn test_seam(shell: &Shell, root: &Path, consent: Consent) -> Result<()> {
    provide(shell, &[System::Windows], consent)?;
    debian::provide(shell, &wine::PACKAGES, consent)?;
    let wine = Wine::open(shell, root, "office")?;
    wine.blind()?;
    for test in compile::seam_tests(shell, root, &cache::folder("agents")?)? {
        wine.call(|loader| shell.call(loader), &test)
            .run(TESTS_LIMIT)?;
    }
    Ok(())
}

fn provide(shell: &Shell, systems: &[System], consent: Consent) -> Result<()> {
    let special = systems.iter().flat_map(|system| system.packages());
    let packages = COMPILER_PACKAGES.iter().chain(&package::PACKAGES);
    let packages = packages.chain(&sign::PACKAGES);
    let packages: Vec<Package> = packages.chain(special).copied().collect();
    debian::provide(shell, &packages, consent)?;
    compile::verify_compiler(shell)
}

/// Builds a system's programs, checks them, and returns the folder that holds them.
///
/// # Errors
///
/// One cannot be built, or must not be released as it is.
fn build(shell: &Shell, root: &Path, system: System) -> Result<PathBuf> {
    report::say(&format!("{}:", system.name()));
    let built = compile::release(shell, root, system, &cache::folder("agents")?)?;
    let folder = folder(root, system);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for program in system.programs() {
        let name = format!("{program}{}", system.suffix());
        take(&built.join(&name), &folder.join(&name), |bytes| {
            check(system, bytes, most(program))
        })?;
    }
    Ok(folder)
}

fn check(system: System, bytes: &[u8], most: u64) -> Result<()> {
    let size = u64::try_from(bytes.len())?;
    ensure!(
        size <= most,
        "it has {size} bytes, and {most} is the most; see what became larger"
    );
    match system {
        System::Windows => pe::check(bytes),
        System::Linux | System::LinuxArm => elf::check(bytes),
    }
}

/// Builds in an empty folder elsewhere, and compares.
fn again(
    shell: &Shell,
    root: &Path,
    system: System,
    first: &Path,
    packages: &[PathBuf],
) -> Result<()> {
    let elsewhere = tempfile::tempdir().context("no room for a second build")?;
    let built = compile::release(shell, root, system, elsewhere.path())?;
    let mut programs = system.programs().to_vec();
    if system == System::Windows {
        compile::desktop(shell, root, elsewhere.path())?;
        programs.push(DESKTOP);
    }
    for program in programs {
        let name = format!("{program}{}", system.suffix());
        let [one, two] = [first, &built].map(|folder| fs::read(folder.join(&name)));
        ensure!(
            one? == two?,
            "{name} came out differently the second time; compare with diffoscope"
        );
    }
    let made = package::make(shell, root, system, &built, None, elsewhere.path())?;
    for (one, two) in packages.iter().zip(made) {
        ensure!(
            fs::read(one)? == fs::read(two)?,
            "{} came out differently the second time",
            one.display()
        );
    }
    report::say("  the same bytes twice");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_order_is_copied_as_a_program_and_one_byte_too_many_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        fs::copy(std::env::current_exe().unwrap(), &from).unwrap();
        let size = fs::metadata(&from).unwrap().len();
        let take = |most| take(&from, &to, |bytes| check(System::Linux, bytes, most));

        let refused = format!("{:#}", take(size - 1).unwrap_err());
        assert!(refused.contains("is the most"), "{refused}");
        assert!(!to.exists());

        take(size).unwrap();
        let permissions = |path| fs::metadata(path).unwrap().permissions();
        assert_eq!(permissions(&to), permissions(&from));
        assert_eq!(fs::read(to).unwrap(), fs::read(from).unwrap());
    }
}
