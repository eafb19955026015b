//! `tasuki deployment announce`: lets the agents tell their people of a new version.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use protocol::file::announcement::{
    ANNOUNCEMENT_MAX, Announcement, FILE_NAME, HttpsAddress, NOTE_MAX, PACKAGES_MAX, Package,
    read_note,
};
use protocol::file::update::Sha256;
use protocol::id::PublicKey;
use protocol::text::Text;
use semver::Version;

use crate::deployment::file;

use super::Context;

/// What stands before and behind the version in the names of what `cargo xtask dist` makes.
const NAMES: [(&str, &str); 6] = [
    ("tasuki-setup-", ".exe"),
    ("tasuki-setup-user-", ".exe"),
    ("tasuki-client-", "-windows.zip"),
    ("tasuki-host-", "-windows.zip"),
    ("tasuki_", "_amd64.deb"),
    ("tasuki_", "_arm64.deb"),
];

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tasuki deployment announce target/dist\n  \
        tasuki deployment announce target/dist/signed target/dist/tasuki_0.2.0_amd64.deb \
        --page https://www.example.jp/tasuki --note \"Please install it by Friday.\"\n\n\
        Agents look for the file at the update address that `tasuki entry --update` has put into \
        the entry file, once a day. They tell people, and install nothing.")]
pub(super) struct Arguments {
    /// Packages that `cargo xtask dist` made, or folders that hold some; all of one version
    #[arg(required = true, value_name = "FILE-OR-FOLDER")]
    packages: Vec<PathBuf>,
    /// Where people find the new version [default: the update address]
    #[arg(long, value_name = "HTTPS-ADDRESS")]
    page: Option<HttpsAddress>,
    /// One line of your own for them, at most 300 bytes
    #[arg(long, value_name = "TEXT", value_parser = note)]
    note: Option<Text<NOTE_MAX>>,
    /// Where to write the file [default: tasuki-agents.toml]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn note(text: &str) -> Result<Text<NOTE_MAX>, &'static str> {
    read_note(text).ok_or("must be one line of at most 300 bytes without control characters")
}

pub(super) fn run(arguments: Arguments, context: &mut Context<'_>) -> Result<()> {
    let Arguments {
        packages: paths,
        page,
        note,
        out,
    } = arguments;
    let deployment = context.open()?;
    let record = deployment.record();
    let (version, packages) = packages(&paths)?;
    let out = out.unwrap_or_else(|| FILE_NAME.into());
    check_place(&out, &record.deployment_key)?;
    let protection = context.unlock(&deployment)?;
    let key = deployment.deployment_key(&protection)?;
    let announcement = Announcement {
        version,
        page,
        note,
        packages,
    };
    let text = announcement.to_signed_text(key.signing_key());
    if text.len() > ANNOUNCEMENT_MAX {
        bail!("the announcement would have more than {ANNOUNCEMENT_MAX} bytes");
    }
    file::replace(&out, text.as_bytes(), file::PUBLIC)
        .with_context(|| format!("cannot write {}", out.display()))?;
    writeln!(
        context.out,
        "Wrote {}: version {} of the agents; packages: {}.\n",
        out.display(),
        announcement.version,
        announcement.packages.len(),
    )?;
    match &record.update {
        Some(address) => writeln!(
            context.out,
            "Next: put the packages into the folder {}, then this file beside them as {FILE_NAME}. \
             Agents that are older look there once a day.",
            address.as_str(),
        )?,
        None => writeln!(
            context.out,
            "Next: say where it will lie with `tasuki entry --update https://...`, and hand the \
             new entry file out; without an address in it no agent looks anywhere.",
        )?,
    }
    Ok(())
}

/// The packages at these places, and the version of all of them.
fn packages(paths: &[PathBuf]) -> Result<(Version, Vec<Package>)> {
    let mut found: BTreeMap<String, (Version, PathBuf)> = BTreeMap::new();
    for path in paths {
        let files = files(path).with_context(|| format!("cannot read {}", path.display()))?;
        for file in files {
            let name = file.file_name().and_then(|name| name.to_str());
            let Some((name, version)) = name.and_then(|name| Some((name, version_of(name)?)))
            else {
                if file == *path {
                    bail!("{} is no package of the agents", path.display());
                }
                continue;
            };
            if let Some((_, before)) = found.insert(name.to_owned(), (version, file.clone())) {
                bail!(
                    "{} and {} have the same name; give one of them",
                    before.display(),
                    file.display()
                );
            }
        }
    }
    let mut versions: Vec<Version> = found.values().map(|(version, _)| version.clone()).collect();
    versions.sort();
    versions.dedup();
    let version = match versions.as_slice() {
        [version] => version.clone(),
        [] => bail!("there is no package of the agents; `cargo xtask dist` makes them"),
        [first, .., last] => {
            bail!("there are packages of version {first} and of {last}; give those of one")
        }
    };
    if found.len() > PACKAGES_MAX {
        bail!("there are more than {PACKAGES_MAX} packages");
    }
    let packages = found.into_iter().map(|(name, (_, path))| {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Package {
            file: name,
            size: u64::try_from(bytes.len())?,
            sha256: Sha256::of(&bytes),
        })
    });
    Ok((version, packages.collect::<Result<_>>()?))
}

/// A file by itself, or those in a folder.
fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path()));
    entries.collect()
}

/// The version in the name of a package; none in that of anything else.
fn version_of(name: &str) -> Option<Version> {
    NAMES.iter().find_map(|(before, behind)| {
        let version = name.strip_prefix(before)?.strip_suffix(behind)?;
        version.parse().ok()
    })
}

/// Only an announcement of the same deployment may be replaced.
fn check_place(path: &Path, key: &PublicKey) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let own = fs::read(path).is_ok_and(|old| Announcement::open(&old, key).is_ok());
    if !own {
        bail!(
            "{} exists and is no announcement of this deployment; choose another place with --out",
            path.display()
        );
    }
    Ok(())
}
