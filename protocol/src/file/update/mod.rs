//! Update bundle: a whole system for the slot of a board that does not run, signed by the deployment.
//!
//! It begins with text that a person can read, the *manifest*, with a signature in its last line.
//! Behind it lie the pieces of the parts, each compressed by itself, in the manifest's order.
//! Whoever reads one checks the signature before the text is parsed, and the hash of a piece
//! before it is unpacked, so that no stranger's bytes reach a parser.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER};
use semver::Version;

use crate::from_toml_text;
#[cfg(feature = "sign")]
use crate::id::PublicKey;

use super::node::{quote, take_format};
use super::reader::{Problems, Table, read};

/// Bytes of a part in one piece; the last piece of a part has fewer.
pub const PIECE: usize = 1 << 20;
/// Most bytes of a piece as it is stored: what does not compress gets a little longer.
pub const STORED_MAX: usize = PIECE + 8 * 1024;
/// Most bytes of a manifest, its signature included: some 1,500 pieces.
pub const MANIFEST_MAX: usize = 128 * 1024;
/// Bytes of a sector; parts are whole ones.
const SECTOR: u64 = 512;
/// Most bytes of a board's name.
const BOARD_MAX: usize = 64;

/// The signed text begins with it, so that no other signed thing can pass for an update.
const LABEL: &str = "# Tasuki update.";
const SIGNATURE_KEY: &str = "\nsignature = \"";

/// What a bundle says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Name of the board file that the image was built from.
    pub board: String,
    pub version: Version,
    /// Of the root's hash tree.
    pub root_hash: Sha256,
    pub order: Order,
    /// The root file system.
    pub root: Part,
    /// Its hash tree.
    pub verity: Part,
    /// The slot's boot partition, a FAT file system.
    pub boot: Part,
}

/// What the operator said when signing; all zero before that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Order {
    /// Rises with every signature of a deployment; a board obeys none below one that it obeyed.
    pub generation: u64,
    /// Seconds since 1970; not to be begun after that.
    pub expires: u64,
    /// The version need not be higher than the one that runs.
    pub downgrade: bool,
}

/// Content of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Bytes, whole sectors.
    pub length: u64,
    pub sha256: Sha256,
    pub pieces: Vec<Piece>,
}

/// A piece as it is stored: a zstd frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Bytes.
    pub stored: u32,
    /// Of the stored bytes.
    pub sha256: Sha256,
}

/// A SHA-256 hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sha256(pub [u8; 32]);

/// Where the manifest of a bundle ends, and who signed it; nothing in it is believed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// What the signature covers.
    pub text: &'a [u8],
    /// Missing in a bundle that nobody has signed.
    pub signature: Option<[u8; 64]>,
    /// Bytes before the first piece.
    pub length: usize,
}

/// Why bytes do not begin a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no update bundle, or is damaged at its beginning")]
pub struct HeadError;

/// Why a manifest is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("is not signed; sign it with `tasuki deployment sign-update`")]
    NotSigned,
    #[error("is signed by another deployment, or is damaged")]
    Signature,
    #[error("its manifest is not understood: {0}")]
    Text(#[from] Problems),
}

impl<'a> Head<'a> {
    /// Finds the end of the manifest in the first bytes of a bundle. None: more bytes are needed.
    ///
    /// # Errors
    /// No bundle begins like that.
    pub fn find(bytes: &'a [u8]) -> Result<Option<Self>, HeadError> {
        let bytes = bytes.get(..MANIFEST_MAX).unwrap_or(bytes);
        let label = LABEL.as_bytes();
        let common = label.len().min(bytes.len());
        if bytes.get(..common) != label.get(..common) {
            return Err(HeadError);
        }
        let head = || {
            let start = position(bytes, SIGNATURE_KEY.as_bytes())? + 1;
            let (text, last_line) = bytes.split_at(start);
            let length = position(last_line, b"\n")? + 1;
            let signature = last_line
                .get(SIGNATURE_KEY.len() - 1..length)?
                .strip_suffix(b"\"\n");
            Some((text, signature, start + length))
        };
        match head() {
            Some((text, Some(signature), length)) => Ok(Some(Self {
                text,
                signature: read_signature(signature)?,
                length,
            })),
            Some((_, None, _)) => Err(HeadError),
            None if bytes.len() == MANIFEST_MAX => Err(HeadError),
            None => Ok(None),
        }
    }

    /// The manifest, if this key signed it.
    ///
    /// # Errors
    /// It is not signed, by somebody else, or by a newer program for newer boards.
    #[cfg(feature = "sign")]
    pub fn open(&self, key: &PublicKey) -> Result<Manifest, OpenError> {
        let signature = self.signature.ok_or(OpenError::NotSigned)?;
        key.verify(self.text, &signature)
            .map_err(|_| OpenError::Signature)?;
        self.parse_unverified()
    }

    /// The manifest, whoever wrote it.
    ///
    /// # Errors
    /// It is no manifest.
    pub fn parse_unverified(&self) -> Result<Manifest, OpenError> {
        let text = std::str::from_utf8(self.text).map_err(|_| OpenError::Signature)?;
        Ok(read(text, take)?)
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

fn read_signature(text: &[u8]) -> Result<Option<[u8; 64]>, HeadError> {
    if text.is_empty() {
        return Ok(None);
    }
    let bytes = BASE64.decode(text).map_err(|_| HeadError)?;
    bytes.try_into().map(Some).map_err(|_| HeadError)
}

impl Manifest {
    /// The parts in the order of their pieces in the file, with the names of their tables.
    ///
    /// The boot partition comes last: its first sector is what makes the slot bootable.
    pub fn parts(&self) -> [(&'static str, &Part); 3] {
        [
            ("root", &self.root),
            ("verity", &self.verity),
            ("boot", &self.boot),
        ]
    }

    /// The head of a bundle that nobody has signed.
    pub fn to_unsigned_text(&self) -> String {
        format!("{}{}\"\n", self.to_text(), &SIGNATURE_KEY[1..])
    }

    /// The head of a bundle; `key` is the deployment's key.
    #[cfg(feature = "sign")]
    pub fn to_signed_text(&self, key: &crate::sign::SigningKey) -> String {
        let text = self.to_text();
        let signature = BASE64.encode(&key.sign(text.as_bytes()));
        format!("{text}{}{signature}\"\n", &SIGNATURE_KEY[1..])
    }

    fn to_text(&self) -> String {
        let Order {
            generation,
            expires,
            downgrade,
        } = self.order;
        let mut text = format!(
            "{LABEL} It is signed: do not edit it.\n\
             format = 1\n\
             board = {}\n\
             version = \"{}\"\n\
             root_hash = \"{}\"\n\
             generation = {generation}\n\
             expires = {expires}\n\
             downgrade = {downgrade}\n",
            quote(&self.board),
            self.version,
            self.root_hash,
        );
        for (name, part) in self.parts() {
            let Part {
                length,
                sha256,
                pieces,
            } = part;
            let pieces: String = pieces
                .iter()
                .map(|piece| format!("  \"{piece}\",\n"))
                .collect();
            text.push_str(&format!(
                "\n[{name}]\nlength = {length}\nsha256 = \"{sha256}\"\npieces = [\n{pieces}]\n"
            ));
        }
        text
    }
}

impl Part {
    /// Bytes of the piece with that number once it is unpacked.
    pub fn unpacked(&self, number: usize) -> usize {
        let before = u64::try_from(number.saturating_mul(PIECE)).unwrap_or(u64::MAX);
        usize::try_from(self.length.saturating_sub(before)).map_or(PIECE, |left| left.min(PIECE))
    }
}

#[cfg(feature = "sign")]
impl Sha256 {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = [0; 32];
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        hash.copy_from_slice(digest.as_ref());
        Self(hash)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl FromStr for Sha256 {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = HEXLOWER
            .decode(text.as_bytes())
            .map_err(|_| "is not hexadecimal")?;
        bytes.try_into().map(Self).map_err(|_| "is not 32 bytes")
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.stored, self.sha256)
    }
}

impl FromStr for Piece {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (stored, sha256) = text.split_once(' ').ok_or("has no space in it")?;
        let most = u32::try_from(STORED_MAX).unwrap_or(u32::MAX);
        let stored = stored.parse().map_err(|_| "begins with no number")?;
        if !(1..=most).contains(&stored) {
            return Err("has an impossible length");
        }
        let sha256 = sha256.parse()?;
        Ok(Self { stored, sha256 })
    }
}

from_toml_text!(
    Version: "a version, as 1.2.3",
    Sha256: "a SHA-256 hash (64 digits of hexadecimal)",
    Piece: "a length, a space and a SHA-256 hash",
);

fn take(top: &mut Table<'_>) -> Option<Manifest> {
    take_format(top);
    let board: Option<String> = top.required("board");
    let version = top.required("version");
    let root_hash = top.required("root_hash");
    let generation = top.required("generation");
    let expires = top.required("expires");
    let downgrade = top.required("downgrade");
    let mut part = |name| {
        let part = top.table(name, take_part);
        if part.is_none() {
            top.reject(name, "missing or wrong; expected a table");
        }
        part
    };
    let [root, verity, boot] = ["root", "verity", "boot"].map(&mut part);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_name = |name: &String| name.len() <= BOARD_MAX && name.bytes().all(plain);
    if board.as_ref().is_some_and(|board| !is_name(board)) {
        top.reject("board", "is not the name of a board file");
    }
    Some(Manifest {
        board: board?,
        version: version?,
        root_hash: root_hash?,
        order: Order {
            generation: generation?,
            expires: expires?,
            downgrade: downgrade?,
        },
        root: root?,
        verity: verity?,
        boot: boot?,
    })
}

fn take_part(part: &mut Table<'_>) -> Option<Part> {
    let length: Option<u64> = part.required("length");
    let sha256 = part.required("sha256");
    let pieces: Option<Vec<Piece>> = part.required("pieces");
    if length.is_some_and(|length| length == 0 || !length.is_multiple_of(SECTOR)) {
        part.reject("length", "is no number of whole sectors");
    }
    if let (Some(length), Some(pieces)) = (length, &pieces) {
        let piece = u64::try_from(PIECE).unwrap_or(u64::MAX);
        if u64::try_from(pieces.len()) != Ok(length.div_ceil(piece)) {
            part.reject("pieces", "are not as many as the length needs");
        }
    }
    Some(Part {
        length: length?,
        sha256: sha256?,
        pieces: pieces?,
    })
}

#[cfg(all(test, feature = "sign"))]
mod tests;
