//! Asks apt which packages there are, in a root of its own.
//!
//! Only apt knows apt's rules, so nothing is resolved here. The workstation's sources, lists and
//! packages are neither read nor changed; its proxies are used.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tempfile::TempDir;

use crate::board::Architecture;
use crate::exec::{ExecError, Shell};
use crate::identity::Hash;

use super::lock::{Archive, Part, Suite};

/// Where Debian's packages come from; a content delivery network that any workstation reaches.
pub const MIRROR: &str = "http://deb.debian.org";
/// Suites and the archives that hold them.
const SUITES: [(&str, Archive); 3] = [
    ("trixie", Archive::Debian),
    ("trixie-updates", Archive::Debian),
    ("trixie-security", Archive::Security),
];
/// `non-free-firmware` has the Raspberry Pi's.
const COMPONENTS: &str = "main non-free-firmware";
/// From the package `debian-archive-keyring`.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Why packages could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("{KEYRING} is not there; install the package debian-archive-keyring")]
    Keyring,
    #[error("apt: {0}")]
    Apt(#[from] ExecError),
    #[error("{}", .path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("apt printed what this program does not understand: {0}")]
    Answer(String),
    #[error("Debian has no package {0} (boards/packages.toml, or a board file)")]
    Unknown(String),
}

/// A package as apt offers it; its scripts are not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub name: String,
    pub meta: Option<String>,
    pub version: String,
    pub part: Part,
    pub archive: Archive,
    pub path: String,
    pub size: u64,
    pub sha256: Hash,
}

/// An apt with fresh lists for one architecture.
pub struct Resolver {
    shell: Shell,
    folder: TempDir,
}

impl Resolver {
    /// Makes apt's root and fetches the lists of packages.
    pub fn new(shell: Shell, architecture: Architecture) -> Result<Self, ResolveError> {
        if !Path::new(KEYRING).is_file() {
            return Err(ResolveError::Keyring);
        }
        let folder = tempfile::tempdir().map_err(|source| ResolveError::File {
            path: std::env::temp_dir(),
            source,
        })?;
        let root = folder.path();
        for place in [
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "etc/apt/sources.list.d",
            "etc/apt/trusted.gpg.d",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
            "var/lib/dpkg",
        ] {
            let path = root.join(place);
            fs::create_dir_all(&path).map_err(|source| ResolveError::File { path, source })?;
        }
        let write = |place: &str, text: &str| {
            let path = root.join(place);
            fs::write(&path, text).map_err(|source| ResolveError::File { path, source })
        };
        write("var/lib/dpkg/status", "")?;
        write("apt.conf", &configuration(root, architecture))?;
        write("etc/apt/sources.list", &sources())?;
        let resolver = Self { shell, folder };
        resolver.apt("apt-get").arg("update").run()?;
        Ok(resolver)
    }

    /// `names` and everything that they depend on.
    pub fn root(&self, names: &[String]) -> Result<Vec<Offer>, ResolveError> {
        let answer = self.uris("install", names)?;
        offers(&answer, Part::Root)
    }

    /// One package without its dependencies; a kernel's meta-package leads to the kernel.
    pub fn boot(&self, name: &str) -> Result<Offer, ResolveError> {
        let depends = self.apt("apt-cache").args(["depends", name]).text()?;
        let concrete = depends
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "))
            .find(|other| name.starts_with("linux-image-") && other.starts_with("linux-image-"));
        let asked = concrete.unwrap_or(name).to_owned();
        let answer = self.uris("download", &[asked])?;
        let mut offer = offers(&answer, Part::Boot)?
            .pop()
            .ok_or_else(|| ResolveError::Unknown(name.to_owned()))?;
        offer.meta = concrete.is_some().then(|| name.to_owned());
        Ok(offer)
    }

    /// The release files behind the answers, and the date of the newest.
    pub fn suites(&self) -> Result<(Vec<Suite>, Timestamp), ResolveError> {
        let host = MIRROR.trim_start_matches("http://");
        let mut suites = Vec::new();
        let mut newest = Timestamp::UNIX_EPOCH;
        for (name, archive) in SUITES {
            let file = format!("{host}_{}_dists_{name}_InRelease", archive.name());
            let path = self.folder.path().join("var/lib/apt/lists").join(file);
            let bytes = fs::read(&path).map_err(|source| ResolveError::File { path, source })?;
            newest = newest.max(release_date(&String::from_utf8_lossy(&bytes))?);
            suites.push(Suite {
                name: name.to_owned(),
                archive,
                release: Hash::of(&bytes),
            });
        }
        Ok((suites, newest))
    }

    fn uris(&self, verb: &str, names: &[String]) -> Result<String, ResolveError> {
        let answer = self
            .apt("apt-get")
            .args(["--yes", "--print-uris", verb])
            .args(names)
            .text();
        match answer {
            Err(ExecError::Failed { complaint, .. }) if complaint.contains("Unable to locate") => {
                let name = complaint.rsplit(' ').next().unwrap_or_default();
                Err(ResolveError::Unknown(name.to_owned()))
            }
            other => Ok(other?),
        }
    }

    fn apt(&self, program: &str) -> crate::exec::Call {
        let call = self.shell.call_local(program);
        call.env("APT_CONFIG", self.folder.path().join("apt.conf"))
    }
}

fn configuration(root: &Path, architecture: Architecture) -> String {
    let root = root.display();
    format!(
        "Dir \"{root}\";\n\
         Dir::State::status \"{root}/var/lib/dpkg/status\";\n\
         Dir::Etc::Parts \"{root}/etc/apt/apt.conf.d\";\n\
         APT::Architecture \"{architecture}\";\n\
         APT::Architectures {{ \"{architecture}\"; }};\n\
         APT::Install-Recommends \"false\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::ForceHash \"SHA256\";\n"
    )
}

fn sources() -> String {
    let line = |(suite, archive): (&str, Archive)| {
        let archive = archive.name();
        format!("deb [signed-by={KEYRING}] {MIRROR}/{archive} {suite} {COMPONENTS}\n")
    };
    SUITES.into_iter().map(line).collect()
}

/// Reads the lines `'ADDRESS' FILE SIZE SHA256:SUM` of `--print-uris`.
fn offers(answer: &str, part: Part) -> Result<Vec<Offer>, ResolveError> {
    let lines = answer.lines().filter(|line| line.starts_with('\''));
    lines
        .map(|line| {
            offer(line, part).ok_or_else(|| ResolveError::Answer(line.trim_end().to_owned()))
        })
        .collect()
}

fn offer(line: &str, part: Part) -> Option<Offer> {
    let (address, rest) = line.strip_prefix('\'')?.split_once("' ")?;
    let mut words = rest.split_whitespace();
    let file = decoded(words.next()?)?;
    let size = words.next()?.parse().ok()?;
    let sha256 = words.next()?.strip_prefix("SHA256:")?.parse().ok()?;
    let address = decoded(address.strip_prefix(MIRROR)?)?;
    let (archive, path) = address.strip_prefix('/')?.split_once('/')?;
    let mut name = file.strip_suffix(".deb")?.split('_');
    Some(Offer {
        name: name.next()?.to_owned(),
        meta: None,
        version: name.next()?.to_owned(),
        part,
        archive: archive.parse().ok()?,
        path: path.to_owned(),
        size,
        sha256,
    })
}

/// Undoes the percent encoding of addresses.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

fn release_date(release: &str) -> Result<Timestamp, ResolveError> {
    let date = release.lines().find_map(|line| line.strip_prefix("Date: "));
    let date = date.unwrap_or_default().trim();
    // RFC 2822 has no zone of that name.
    let zoned = jiff::fmt::rfc2822::parse(&date.replace("UTC", "+0000"));
    zoned
        .map(|zoned| zoned.timestamp())
        .map_err(|_| ResolveError::Answer(format!("Date: {date}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_read_with_its_epoch_and_archive() {
        let sum = Hash::of(b"x");
        let line = format!(
            "'{MIRROR}/debian-security/pool/updates/main/l/lib_6.3%2bd-3_arm64.deb' \
             lib_2%3a6.3+d-3_arm64.deb 535088 SHA256:{sum}"
        );
        let answer = format!("Reading package lists...\n{line}\n");

        let offers = offers(&answer, Part::Root).unwrap();

        let expected = Offer {
            name: "lib".into(),
            meta: None,
            version: "2:6.3+d-3".into(),
            part: Part::Root,
            archive: Archive::Security,
            path: "pool/updates/main/l/lib_6.3+d-3_arm64.deb".into(),
            size: 535_088,
            sha256: sum,
        };
        assert_eq!(offers, [expected]);
    }

    #[test]
    fn weaker_hashes_and_other_hosts_are_not_understood() {
        for line in [
            "'http://deb.debian.org/debian/a_1_all.deb' a_1_all.deb 1 MD5Sum:00",
            "'http://example.org/debian/a_1_all.deb' a_1_all.deb 1 SHA256:00",
        ] {
            assert!(offers(line, Part::Root).is_err(), "{line}");
        }
    }

    #[test]
    fn the_date_of_a_release_file_is_read() {
        let date = release_date("Origin: Debian\nDate: Sat, 21 Nov 2026 08:29:11 UTC\n").unwrap();

        assert_eq!(date.to_string(), "2026-11-21T08:29:11Z");
        assert!(release_date("Origin: Debian\n").is_err());
    }
}
