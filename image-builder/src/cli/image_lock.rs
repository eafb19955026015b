//! `tasuki image lock`: pins packages, keeps them, and checks the pins.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use crate::board::{Architecture, Board};
use crate::package::deb::Deb;
use crate::package::lock::{Lock, Locked, Part};
use crate::package::resolve::{Offer, Resolver};
use crate::package::review::{Reviewed, scripts};
use crate::package::store::Store;
use crate::workplace::{MACHINES_LOCK, TOOLS_LOCK, Workplace};

/// The tools run on workstations of this kind.
const TOOLS: Architecture = Architecture::Amd64;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Resolve all packages anew, show what changed, and write the lock files
    Update {
        /// Write the lock files here instead of the checkout's boards/
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
    },
    /// Tell whether the locks fit the boards, and all maintainer scripts are reviewed
    Check,
    /// Get all locked packages into the cache, QEMU's included; exits 69 if one is nowhere to be
    /// had any more
    Fetch,
    /// Keep all locked packages in a folder, for the day when mirrors have forgotten them
    Archive {
        /// The folder to fill
        folder: PathBuf,
    },
    /// Write out the maintainer scripts that nobody has reviewed yet
    Scripts {
        /// The folder to fill
        folder: PathBuf,
    },
}

pub(super) fn run(command: Command, workplace: &Workplace, out: &mut dyn Write) -> Result<()> {
    match command {
        Command::Update { to } => update(workplace, &to.unwrap_or_else(|| workplace.boards()), out),
        Command::Check => check(workplace, out),
        Command::Fetch => fetch(workplace, out),
        Command::Archive { folder } => archive(workplace, &folder, out),
        Command::Scripts { folder } => write_scripts(workplace, &folder, out),
    }
}

fn update(workplace: &Workplace, to: &Path, out: &mut dyn Write) -> Result<()> {
    let boards = workplace.all_boards()?;
    let list = workplace.packages()?;
    let store = workplace.store()?;
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for architecture in Architecture::ALL {
        let resolver = resolver(workplace, architecture)?;
        let mut offers = resolver.root(&list.root)?;
        offers.retain(|offer| !list.leaves_out(&offer.name));
        for name in boot_packages(&boards, architecture) {
            offers.push(resolver.boot(&name)?);
        }
        let file = format!("{architecture}.lock");
        write(
            workplace,
            &store,
            &resolver,
            architecture,
            offers,
            to,
            &file,
            out,
        )?;
        if architecture == TOOLS {
            for (names, file) in [(&list.tools, TOOLS_LOCK), (&list.machines, MACHINES_LOCK)] {
                let offers = resolver.root(names)?;
                write(workplace, &store, &resolver, TOOLS, offers, to, file, out)?;
            }
        }
    }
    Ok(())
}

fn resolver(workplace: &Workplace, architecture: Architecture) -> Result<Resolver> {
    let step = format!("asking apt for {architecture} packages");
    let _step = workplace.progress.step(step, 0);
    Ok(Resolver::new(workplace.shell, architecture)?)
}

/// Kernel and firmware packages of all boards of an architecture.
fn boot_packages(boards: &[Board], architecture: Architecture) -> BTreeSet<String> {
    let of_architecture = boards
        .iter()
        .filter(|board| board.architecture == architecture);
    of_architecture
        .flat_map(|board| [board.kernel.package.clone(), board.boot.package.clone()])
        .collect()
}

#[expect(
    clippy::too_many_arguments,
    reason = "one caller, which has them all at hand"
)]
fn write(
    workplace: &Workplace,
    store: &Store,
    resolver: &Resolver,
    architecture: Architecture,
    offers: Vec<Offer>,
    to: &Path,
    file: &str,
    out: &mut dyn Write,
) -> Result<()> {
    let (suites, time) = resolver.suites()?;
    let mut packages: Vec<Locked> = offers.into_iter().map(locked).collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    let all: Vec<&Locked> = packages.iter().collect();
    store.fetch(&all, time, &workplace.progress)?;
    for package in &mut packages {
        let control = Deb::control(&store.read(package)?).with_context(|| package.name.clone())?;
        package.scripts = scripts(&control).map(|(script, _)| script).collect();
    }
    let lock = Lock {
        architecture,
        time,
        suites,
        packages,
    };
    // A lock that cannot be read any more is replaced like one that is not there.
    let old = workplace
        .lock_file(file)
        .map_or_else(|_| Vec::new(), |old| old.packages);
    let changes = changes(&old, &lock.packages);
    match changes.as_slice() {
        [] => writeln!(out, "{file}: no package changed")?,
        changes => {
            writeln!(out, "{file}:")?;
            for change in changes {
                writeln!(out, "  {change}")?;
            }
        }
    }
    let path = to.join(file);
    fs::write(&path, lock.to_text()).with_context(|| format!("cannot write {}", path.display()))
}

fn locked(offer: Offer) -> Locked {
    let Offer {
        name,
        meta,
        version,
        part,
        archive,
        path,
        size,
        sha256,
    } = offer;
    Locked {
        name,
        meta,
        version,
        part,
        archive,
        path,
        size,
        sha256,
        scripts: Vec::new(),
    }
}

/// What a person wants to know about a new lock, one line a package.
fn changes(old: &[Locked], new: &[Locked]) -> Vec<String> {
    let names: BTreeSet<&String> = old.iter().chain(new).map(|package| &package.name).collect();
    let of = |all: &[Locked], name: &str| {
        let mut found = all.iter().filter(|package| package.name == name);
        found.next().cloned()
    };
    let line = |name: &String| match (of(old, name), of(new, name)) {
        (None, Some(new)) => Some(format!("+ {name} {}", new.version)),
        (Some(old), None) => Some(format!("- {name} {}", old.version)),
        (Some(old), Some(new)) if old.sha256 != new.sha256 => {
            let scripts = if old.scripts == new.scripts {
                ""
            } else {
                ", and its maintainer scripts changed"
            };
            Some(format!(
                "  {name} {} -> {}{scripts}",
                old.version, new.version
            ))
        }
        _ => None,
    };
    names.into_iter().filter_map(line).collect()
}

fn check(workplace: &Workplace, out: &mut dyn Write) -> Result<()> {
    let reviewed = workplace.reviewed()?;
    let boards = workplace.all_boards()?;
    let list = workplace.packages()?;
    let mut missing = Vec::new();
    for architecture in Architecture::ALL {
        let lock = workplace.lock(architecture)?;
        reviewed.check(&lock.packages)?;
        let wanted = boot_packages(&boards, architecture);
        missing.extend(absent(&lock, list.root.iter().chain(&wanted), architecture));
    }
    for (names, file) in [(&list.tools, TOOLS_LOCK), (&list.machines, MACHINES_LOCK)] {
        missing.extend(absent(&workplace.lock_file(file)?, names, file));
    }
    if !missing.is_empty() {
        bail!(
            "not locked: {}; run `tasuki image lock update`",
            missing.join(", ")
        );
    }
    for sum in stale(workplace, &reviewed)? {
        writeln!(out, "no package has the reviewed script {sum} any more")?;
    }
    writeln!(out, "the locks fit {} boards", boards.len())?;
    Ok(())
}

fn absent<'n>(
    lock: &Lock,
    names: impl IntoIterator<Item = &'n String>,
    file: impl std::fmt::Display,
) -> Vec<String> {
    let names = names.into_iter();
    names
        .filter(|name| lock.named(name).is_none())
        .map(|name| format!("{name} ({file})"))
        .collect()
}

fn stale(workplace: &Workplace, reviewed: &Reviewed) -> Result<Vec<crate::identity::Hash>> {
    let mut packages = Vec::new();
    for architecture in Architecture::ALL {
        packages.extend(workplace.lock(architecture)?.packages);
    }
    Ok(reviewed.stale(&packages))
}

fn fetch(workplace: &Workplace, out: &mut dyn Write) -> Result<()> {
    let store = workplace.store()?;
    let mut locks = locks(workplace)?;
    locks.push(workplace.lock_file(MACHINES_LOCK)?);
    for lock in locks {
        let packages: Vec<&Locked> = lock.packages.iter().collect();
        store.fetch(&packages, lock.time, &workplace.progress)?;
    }
    writeln!(out, "the cache has every locked package")?;
    Ok(())
}

fn archive(workplace: &Workplace, folder: &Path, out: &mut dyn Write) -> Result<()> {
    let store = workplace.store()?;
    for lock in locks(workplace)? {
        let packages: Vec<&Locked> = lock.packages.iter().collect();
        store.fetch(&packages, lock.time, &workplace.progress)?;
        store.archive(&packages, folder)?;
    }
    writeln!(
        out,
        "{} has every package; keep it beside the release, and give it back with --archive",
        folder.display()
    )?;
    Ok(())
}

/// Those that images are made from.
fn locks(workplace: &Workplace) -> Result<Vec<Lock>> {
    let mut locks = vec![workplace.tools_lock()?];
    for architecture in Architecture::ALL {
        locks.push(workplace.lock(architecture)?);
    }
    Ok(locks)
}

fn write_scripts(workplace: &Workplace, folder: &Path, out: &mut dyn Write) -> Result<()> {
    let reviewed = workplace.reviewed()?;
    let store = workplace.store()?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut count = 0;
    for architecture in Architecture::ALL {
        let lock = workplace.lock(architecture)?;
        let root = lock
            .packages
            .iter()
            .filter(|package| package.part == Part::Root);
        let open: Vec<&Locked> = root
            .filter(|package| reviewed.check([*package]).is_err())
            .collect();
        store.fetch(&open, lock.time, &workplace.progress)?;
        for package in open {
            let control = Deb::control(&store.read(package)?)?;
            for (script, content) in scripts(&control) {
                let path = folder.join(format!("{architecture}.{}.{}", package.name, script.name));
                fs::write(&path, content)
                    .with_context(|| format!("cannot write {}", path.display()))?;
                count += 1;
            }
        }
    }
    writeln!(out, "{count} scripts to read in {}", folder.display())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::identity::Hash;
    use crate::package::lock::{Archive, Script};

    use super::*;

    fn package(name: &str, version: &str, script: &[u8]) -> Locked {
        Locked {
            name: name.into(),
            meta: None,
            version: version.into(),
            part: Part::Root,
            archive: Archive::Debian,
            path: String::new(),
            size: 0,
            sha256: Hash::of(version.as_bytes()),
            scripts: vec![Script {
                name: "postinst".into(),
                sha256: Hash::of(script),
            }],
        }
    }

    #[test]
    fn changes_are_told_one_line_a_package() {
        let old = [
            package("a", "1", b"x"),
            package("b", "1", b"x"),
            package("c", "1", b"x"),
        ];
        let new = [
            package("b", "2", b"x"),
            package("c", "2", b"y"),
            package("d", "1", b"x"),
        ];

        assert_eq!(
            changes(&old, &new),
            [
                "- a 1",
                "  b 1 -> 2",
                "  c 1 -> 2, and its maintainer scripts changed",
                "+ d 1",
            ]
        );
        assert!(changes(&old, &old).is_empty());
    }
}
