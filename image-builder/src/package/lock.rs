//! The lock file: which packages an image is made of, to the byte.
//!
//! Written by `tasuki image lock update`, read by everything else.

use std::fmt::Write;

use jiff::Timestamp;
use protocol::file::reader::{Problems, Table, read};
use protocol::from_toml_text;

use crate::board::{Architecture, Board};
use crate::identity::Hash;

/// All packages of one architecture, or of the tools root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    pub architecture: Architecture,
    /// Date of the newest release file: the time of every file in the image.
    pub time: Timestamp,
    pub suites: Vec<Suite>,
    /// Ordered by name.
    pub packages: Vec<Locked>,
}

/// A release file of Debian's that the packages were resolved against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    pub name: String,
    pub archive: Archive,
    /// SHA-256 of `InRelease`.
    pub release: Hash,
}

/// One package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    pub name: String,
    /// The meta-package that board files ask for it by, for kernels.
    pub meta: Option<String>,
    pub version: String,
    pub part: Part,
    pub archive: Archive,
    /// Path in the archive, as `pool/main/b/base-files/base-files_13.8_arm64.deb`.
    pub path: String,
    /// Bytes.
    pub size: u64,
    pub sha256: Hash,
    /// Maintainer scripts that run on installation.
    pub scripts: Vec<Script>,
}

/// A maintainer script, by name and hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub name: String,
    pub sha256: Hash,
}

/// What a package is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Unpacked into the root.
    Root,
    /// Kernel and firmware, used as data by the boards that name them.
    Boot,
}

/// One of Debian's archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Archive {
    Debian,
    Security,
}

impl Archive {
    pub const ALL: [Self; 2] = [Self::Debian, Self::Security];

    /// The name in addresses of mirrors and of snapshot.debian.org.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Security => "debian-security",
        }
    }
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Boot => "boot",
        }
    }
}

impl std::str::FromStr for Script {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, sum) = text.split_once(' ').ok_or("has no name and hash")?;
        Ok(Self {
            name: name.to_owned(),
            sha256: sum.parse()?,
        })
    }
}

impl std::str::FromStr for Part {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = [Self::Root, Self::Boot].into_iter();
        all.find(|part| part.name() == text).ok_or("is unknown")
    }
}

impl std::str::FromStr for Archive {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|archive| archive.name() == text)
            .ok_or("is unknown")
    }
}

struct Time(Timestamp);

impl std::str::FromStr for Time {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

from_toml_text!(
    Hash: "a SHA-256 in hexadecimal",
    Script: "a script's name and its SHA-256",
    Part: "\"root\" or \"boot\"",
    Archive: "\"debian\" or \"debian-security\"",
    Time: "a time, as \"2026-11-21T08:00:00Z\"",
);

impl Lock {
    /// Reads a lock file.
    pub fn parse(source: &str) -> Result<Self, Problems> {
        read(source, take)
    }

    /// Writes it.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "# Written by `tasuki image lock update`; docs/IMAGE.md explains it.\n\
             format = 1\n\
             architecture = \"{}\"\n\
             time = \"{}\"\n",
            self.architecture, self.time
        );
        for suite in &self.suites {
            let Suite {
                name,
                archive,
                release,
            } = suite;
            let archive = archive.name();
            text.push_str(&format!(
                "\n[[suite]]\nname = \"{name}\"\narchive = \"{archive}\"\nrelease = \"{release}\"\n"
            ));
        }
        for package in &self.packages {
            package.write(&mut text);
        }
        text
    }

    /// The packages that an image for `board` is made of.
    pub fn of_board<'l>(&'l self, board: &'l Board) -> impl Iterator<Item = &'l Locked> {
        let named = |package: &Locked, name: &str| {
            package.name == name || package.meta.as_deref() == Some(name)
        };
        self.packages.iter().filter(move |package| {
            package.part == Part::Root
                || named(package, &board.kernel.package)
                || named(package, &board.boot.package)
        })
    }

    /// The package that board files call `name`.
    pub fn named(&self, name: &str) -> Option<&Locked> {
        let mut packages = self.packages.iter();
        packages.find(|package| package.name == name || package.meta.as_deref() == Some(name))
    }
}

impl Locked {
    /// The last part of its path.
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    fn write(&self, text: &mut String) {
        let mut line = |key: &str, value: &str| {
            text.push_str(&format!("{key} = {}\n", toml::Value::from(value)));
        };
        line("\n[[package]]\nname", &self.name);
        if let Some(meta) = &self.meta {
            line("meta", meta);
        }
        line("version", &self.version);
        line("part", self.part.name());
        line("archive", self.archive.name());
        line("path", &self.path);
        line("sha256", &self.sha256.to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "size = {}", self.size);
        if !self.scripts.is_empty() {
            text.push_str("scripts = [\n");
            for script in &self.scripts {
                let _ = writeln!(text, "  \"{} {}\",", script.name, script.sha256);
            }
            text.push_str("]\n");
        }
    }
}

fn take(top: &mut Table<'_>) -> Option<Lock> {
    let format = top.required::<u32>("format");
    if format.is_some_and(|format| format != 1) {
        top.reject("format", "this file needs a newer version of the program");
    }
    let architecture = top.required("architecture");
    let time = top.required::<Time>("time");
    let suites = top.tables("suite", |suite| {
        let name = suite.required("name");
        let archive = suite.required("archive");
        let release = suite.required("release");
        Some(Suite {
            name: name?,
            archive: archive?,
            release: release?,
        })
    });
    let packages = top.tables("package", take_package);
    Some(Lock {
        architecture: architecture?,
        time: time?.0,
        suites,
        packages,
    })
}

fn take_package(package: &mut Table<'_>) -> Option<Locked> {
    let name = package.required("name");
    let meta = package.optional("meta");
    let version = package.required("version");
    let part = package.required("part");
    let archive = package.required("archive");
    let path = package.required("path");
    let size = package.required("size");
    let sha256 = package.required("sha256");
    let scripts = package.optional("scripts").unwrap_or_default();
    Some(Locked {
        name: name?,
        meta,
        version: version?,
        part: part?,
        archive: archive?,
        path: path?,
        size: size?,
        sha256: sha256?,
        scripts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let script = Script {
            name: "postinst".into(),
            sha256: Hash::of(b"script"),
        };
        Lock {
            architecture: Architecture::Arm64,
            time: "2026-11-21T08:00:00Z".parse().unwrap(),
            suites: vec![Suite {
                name: "trixie".into(),
                archive: Archive::Debian,
                release: Hash::of(b"release"),
            }],
            packages: vec![Locked {
                name: "linux-image-6".into(),
                meta: Some("linux-image-arm64".into()),
                version: "1:2~\"odd\"".into(),
                part: Part::Boot,
                archive: Archive::Security,
                path: "pool/main/l/x_2_arm64.deb".into(),
                size: 7,
                sha256: Hash::of(b"package"),
                scripts: vec![script],
            }],
        }
    }

    #[test]
    fn what_was_written_reads_back() {
        assert_eq!(Lock::parse(&lock().to_text()), Ok(lock()));
    }

    #[test]
    fn a_package_is_found_by_both_its_names() {
        let lock = lock();

        assert!(lock.named("linux-image-6").is_some());
        assert!(lock.named("linux-image-arm64").is_some());
        assert!(lock.named("linux-image-amd64").is_none());
        assert_eq!(lock.packages[0].file_name(), "x_2_arm64.deb");
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let text = lock()
            .to_text()
            .replace("part = \"boot\"", "part = \"both\"");

        let problems = Lock::parse(&text).unwrap_err().to_string();

        assert!(
            problems.contains("package[0].part: 'both': is unknown"),
            "{problems}"
        );
    }
}
