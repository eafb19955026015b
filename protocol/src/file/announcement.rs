//! Announcement: what tells the agents that there is a newer version of them, signed by the
//! deployment.
//!
//! Text that a person can read, with a signature in its last line over every byte above. Whoever
//! reads one checks the signature before the text is parsed. It is read by programs that are older
//! than the one that wrote it, so keys that they do not know are passed over.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use semver::Version;

use crate::from_toml_text;
use crate::text::Text;

use super::node::{list, quote, take_format};
use super::reader::{Problems, Table, read};
use super::update::Sha256;

/// Its name at the update address.
pub const FILE_NAME: &str = "tasuki-agents.toml";
/// Most bytes of it.
pub const ANNOUNCEMENT_MAX: usize = 16 * 1024;
/// Most packages in one.
pub const PACKAGES_MAX: usize = 32;
/// Most bytes of the operator's own words.
pub const NOTE_MAX: usize = 300;
/// Most bytes of a version and of a file's name.
const NAME_MAX: usize = 64;
/// Most bytes of an address.
const ADDRESS_MAX: usize = 200;

/// The signed text begins with it, so that no other signed thing can pass for an announcement.
const LABEL: &str = "# Tasuki agents.";
const SIGNATURE_KEY: &str = "signature = \"";

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The newest version of the agents.
    pub version: Version,
    /// Where people find it; without one, the folder in which the announcement lies.
    pub page: Option<HttpsAddress>,
    /// The operator's own words, one line.
    pub note: Option<Text<NOTE_MAX>>,
    /// What lies beside the announcement.
    pub packages: Vec<Package>,
}

/// A file that can be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name, which is no path.
    pub file: String,
    /// Bytes.
    pub size: u64,
    pub sha256: Sha256,
}

/// An address that begins with `https://` and can be shown and opened as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsAddress(String);

/// Why an announcement is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnouncementError {
    #[error("is no announcement of agents, or is damaged")]
    Form,
    #[error("has more than {ANNOUNCEMENT_MAX} bytes")]
    TooLong,
    #[error("is signed by another deployment, or is damaged")]
    Signature,
    #[error("is not understood: {0}")]
    Text(#[from] Problems),
}

impl Announcement {
    /// Reads a file, if this key signed it.
    ///
    /// # Errors
    /// It is none, or by somebody else, or for newer programs.
    #[cfg(feature = "sign")]
    pub fn open(source: &[u8], key: &crate::id::PublicKey) -> Result<Self, AnnouncementError> {
        let (text, signature) = split(source)?;
        key.verify(text.as_bytes(), &signature)
            .map_err(|_| AnnouncementError::Signature)?;
        Ok(read(text, take)?)
    }

    /// Reads a file, whoever signed it.
    ///
    /// # Errors
    /// It is none, or for newer programs.
    pub fn parse_unverified(source: &[u8]) -> Result<Self, AnnouncementError> {
        let (text, _signature) = split(source)?;
        Ok(read(text, take)?)
    }

    /// Writes the file; `key` is the deployment's key.
    #[cfg(feature = "sign")]
    pub fn to_signed_text(&self, key: &crate::sign::SigningKey) -> String {
        let text = self.to_text();
        let signature = BASE64.encode(&key.sign(text.as_bytes()));
        format!("{text}{SIGNATURE_KEY}{signature}\"\n")
    }

    /// What the signature covers.
    pub fn to_text(&self) -> String {
        let line = |key: &str, value: Option<&str>| {
            value.map_or_else(String::new, |value| format!("{key} = {}\n", quote(value)))
        };
        let page = line("page", self.page.as_ref().map(HttpsAddress::as_str));
        let note = line("note", self.note.as_ref().map(Text::as_str));
        let packages: Vec<String> = self.packages.iter().map(Package::to_string).collect();
        format!(
            "{LABEL} It is signed: do not edit it.\n\
             format = 1\n\
             version = \"{}\"\n\
             {page}{note}packages = {}\n",
            self.version,
            list(&packages),
        )
    }
}

/// The text and its signature, which nobody has checked.
fn split(source: &[u8]) -> Result<(&str, [u8; 64]), AnnouncementError> {
    if source.len() > ANNOUNCEMENT_MAX {
        return Err(AnnouncementError::TooLong);
    }
    let parts = || {
        let source = std::str::from_utf8(source).ok()?;
        let last_line = source.strip_suffix("\"\n")?;
        let (text, signature) = last_line.rsplit_once(SIGNATURE_KEY)?;
        if !text.starts_with(LABEL) || !text.ends_with('\n') {
            return None;
        }
        let signature = BASE64.decode(signature.as_bytes()).ok()?;
        Some((text, signature.try_into().ok()?))
    };
    parts().ok_or(AnnouncementError::Form)
}

impl HttpsAddress {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HttpsAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("https://").unwrap_or_default();
        // Quotes and backslashes mean something to programs that are handed an address.
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&byte);
        if rest.is_empty() || !rest.bytes().all(plain) {
            return Err("is not an address that begins with https://");
        }
        if text.len() > ADDRESS_MAX {
            return Err("is longer than 200 bytes");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for HttpsAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for Package {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, size, sha256 } = self;
        write!(formatter, "{file} {size} {sha256}")
    }
}

impl FromStr for Package {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(' ');
        let [Some(file), Some(size), Some(sha256), None] = [(); 4].map(|()| parts.next()) else {
            return Err("has not three parts");
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+~".contains(&byte);
        if !(1..=NAME_MAX).contains(&file.len()) || !file.bytes().all(plain) {
            return Err("begins with no name of a file");
        }
        if file.starts_with('.') {
            return Err("names a hidden file");
        }
        Ok(Self {
            file: file.to_owned(),
            size: size.parse().map_err(|_| "has no length")?,
            sha256: sha256.parse()?,
        })
    }
}

from_toml_text!(
    HttpsAddress: "an address that begins with https://",
    Package: "a file's name, its length and its SHA-256 hash, with spaces between them",
);

fn take(top: &mut Table<'_>) -> Option<Announcement> {
    take_format(top);
    let version: Option<Version> = top.required("version");
    let page = top.optional("page");
    let note: Option<String> = top.optional("note");
    let packages: Option<Vec<Package>> = top.required("packages");
    top.pass_over_unknown();
    if version
        .as_ref()
        .is_some_and(|version| version.to_string().len() > NAME_MAX)
    {
        top.reject("version", "is longer than 64 bytes");
    }
    if packages
        .as_ref()
        .is_some_and(|packages| packages.len() > PACKAGES_MAX)
    {
        top.reject("packages", "are more than 32");
    }
    let note = note.map(|note| (read_note(&note), note));
    if let Some((None, _)) = note {
        let message = "must be one line of at most 300 bytes without control characters";
        top.reject("note", message);
    }
    Some(Announcement {
        version: version?,
        page,
        note: note.and_then(|(read, _)| read),
        packages: packages?,
    })
}

/// What an operator wants to say, if it can be said in an announcement.
pub fn read_note(note: &str) -> Option<Text<NOTE_MAX>> {
    let text = Text::lossy(note);
    (text.as_str() == note && !note.contains('\n') && !note.is_empty()).then_some(text)
}

#[cfg(all(test, feature = "sign"))]
#[path = "announcement_tests.rs"]
mod tests;
