//! Update bundles: made beside an image, checked, and signed by a deployment.
//!
//! `protocol::file::update` has the format. The bytes of a bundle that nobody has signed follow
//! from the image's; signing copies them behind another manifest.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use protocol::file::update::{
    Head, HeadError, MANIFEST_MAX, Manifest, OpenError, Order, PIECE, Part, Piece, Sha256,
};
use semver::Version;

use crate::identity::Hash;
use crate::verity::{self, Superblock};

/// As for the image: a third of the time of the highest levels for a twentieth more bytes.
const ZSTD_LEVEL: i32 = 12;

/// What the parts hold.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// EROFS.
    pub root: &'a [u8],
    /// Superblock and hash tree.
    pub verity: &'a [u8],
    /// The slot's boot partition.
    pub boot: &'a [u8],
}

/// Why a file is no bundle to trust or to sign.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("cannot be read or written: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Head(#[from] HeadError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("is damaged: piece {number} of {part} is not the one of its manifest; fetch it anew")]
    Piece { part: &'static str, number: usize },
    #[error("is damaged: {0} is not the one of its manifest; fetch it anew")]
    Part(&'static str),
    #[error("its hash tree does not belong to its root; build it again")]
    Verity,
    #[error("is damaged: bytes follow its last piece; fetch it anew")]
    Trailing,
    #[error("the version '{0}' is none, as 1.2.3 is: boards could not tell which is newer")]
    Version(String),
}

/// A bundle in memory, checked through and through but for its signature.
#[derive(Debug)]
pub struct Bundle {
    pub manifest: Manifest,
    /// The bytes that a signature covers, and the signature.
    head: Vec<u8>,
    /// All pieces as they are stored.
    pieces: Vec<u8>,
}

impl Bundle {
    /// Makes a bundle that nobody has signed.
    pub fn new(
        board: &str,
        version: &str,
        root_hash: Hash,
        parts: Parts<'_>,
    ) -> Result<Self, BundleError> {
        let version: Version = version
            .parse()
            .map_err(|_| BundleError::Version(version.to_owned()))?;
        let mut pieces = Vec::new();
        // In the order of `Manifest::parts`.
        let root = pack(parts.root, &mut pieces)?;
        let verity = pack(parts.verity, &mut pieces)?;
        let boot = pack(parts.boot, &mut pieces)?;
        let manifest = Manifest {
            board: board.to_owned(),
            version,
            root_hash: Sha256(root_hash.0),
            order: Order::default(),
            root,
            verity,
            boot,
        };
        let head = manifest.to_unsigned_text().into_bytes();
        Ok(Self {
            manifest,
            head,
            pieces,
        })
    }

    /// Reads a bundle and checks every byte; the signature is left to [`Bundle::head`].
    pub fn read(path: &Path) -> Result<Self, BundleError> {
        let mut file = File::open(path)?;
        let mut begin = Vec::new();
        let most = u64::try_from(MANIFEST_MAX).map_err(io::Error::other)?;
        (&mut file).take(most).read_to_end(&mut begin)?;
        let head = Head::find(&begin)?.ok_or(HeadError)?;
        let manifest = head.parse_unverified()?;
        let (head, rest) = begin.split_at(head.length);
        let mut pieces = rest.to_vec();
        // INVARIANT: a bundle is made of what was in memory once.
        file.read_to_end(&mut pieces)?;
        let bundle = Self {
            manifest,
            head: head.to_vec(),
            pieces,
        };
        bundle.check()?;
        Ok(bundle)
    }

    /// The beginning of the file, with its signature.
    pub fn head(&self) -> Result<Head<'_>, BundleError> {
        Ok(Head::find(&self.head)?.ok_or(HeadError)?)
    }

    /// The same system with another head.
    #[must_use]
    pub fn with_head(self, manifest: Manifest, head: String) -> Self {
        Self {
            manifest,
            head: head.into_bytes(),
            ..self
        }
    }

    /// Writes the file.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        to.write_all(&self.head)?;
        to.write_all(&self.pieces)
    }

    /// Bytes of the file.
    pub fn size(&self) -> usize {
        self.head.len() + self.pieces.len()
    }

    /// SHA-256 of the file.
    pub fn hash(&self) -> Hash {
        Hash::of(&[self.head.as_slice(), &self.pieces].concat())
    }

    /// Root, hash tree and boot partition, as [`Parts`] had them.
    pub fn unpack(&self) -> Result<[Vec<u8>; 3], BundleError> {
        let mut rest = self.pieces.as_slice();
        let mut unpacked = [const { Vec::new() }; 3];
        for ((name, part), bytes) in self.manifest.parts().into_iter().zip(&mut unpacked) {
            *bytes = unpack(name, part, &mut rest)?;
            if Sha256::of(bytes) != part.sha256 {
                return Err(BundleError::Part(name));
            }
        }
        if rest.is_empty() {
            Ok(unpacked)
        } else {
            Err(BundleError::Trailing)
        }
    }

    fn check(&self) -> Result<(), BundleError> {
        let [root, tree, _] = self.unpack()?;
        let superblock = Superblock::parse(&tree).ok_or(BundleError::Verity)?;
        let made = verity::hash_tree(&root, &superblock.salt, superblock.id);
        let fits =
            made.is_ok_and(|made| made.bytes == tree && made.root.0 == self.manifest.root_hash.0);
        fits.then_some(()).ok_or(BundleError::Verity)
    }
}

/// Cuts a part into pieces and appends what is stored of them.
fn pack(bytes: &[u8], stored: &mut Vec<u8>) -> io::Result<Part> {
    let mut pieces = Vec::new();
    for piece in bytes.chunks(PIECE) {
        let packed = zstd::bulk::compress(piece, ZSTD_LEVEL)?;
        pieces.push(Piece {
            stored: u32::try_from(packed.len()).map_err(io::Error::other)?,
            sha256: Sha256::of(&packed),
        });
        stored.extend(packed);
    }
    Ok(Part {
        length: u64::try_from(bytes.len()).map_err(io::Error::other)?,
        sha256: Sha256::of(bytes),
        pieces,
    })
}

fn unpack(name: &'static str, part: &Part, rest: &mut &[u8]) -> Result<Vec<u8>, BundleError> {
    let mut bytes = Vec::new();
    for (number, piece) in part.pieces.iter().enumerate() {
        let damaged = || BundleError::Piece { part: name, number };
        let length = usize::try_from(piece.stored).map_err(io::Error::other)?;
        let (stored, after) = rest.split_at_checked(length).ok_or_else(damaged)?;
        *rest = after;
        if Sha256::of(stored) != piece.sha256 {
            return Err(damaged());
        }
        let unpacked = zstd::bulk::decompress(stored, part.unpacked(number))?;
        bytes.extend(unpacked);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Uuid;
    use crate::verity::BLOCK;

    fn bundle() -> Bundle {
        let root: Vec<u8> = (0..300_u16)
            .flat_map(|block| [block.to_le_bytes(); BLOCK / 2].concat())
            .collect();
        let tree = verity::hash_tree(&root, &[1; 32], Uuid::known(1)).unwrap();
        let boot = vec![2; PIECE + 512];
        let parts = Parts {
            root: &root,
            verity: &tree.bytes,
            boot: &boot,
        };
        Bundle::new("virt", "0.2.0", tree.root, parts).unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Bundle, BundleError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Bundle::read(file.path())
    }

    fn bytes(bundle: &Bundle) -> Vec<u8> {
        let mut bytes = Vec::new();
        bundle.write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_bundle_is_read_as_it_was_written() {
        let bundle = bundle();
        let bytes = bytes(&bundle);

        let again = read(&bytes).unwrap();

        assert_eq!(again.manifest, bundle.manifest);
        assert_eq!(bytes.len(), bundle.size());
        assert_eq!(Hash::of(&bytes), bundle.hash());
        assert_eq!(
            [&bundle.manifest.root, &bundle.manifest.boot].map(|part| part.pieces.len()),
            [2, 2]
        );
    }

    #[test]
    fn a_flipped_bit_anywhere_behind_the_manifest_is_found_and_so_is_a_missing_or_added_byte() {
        let bundle = bundle();
        let good = bytes(&bundle);
        let step = (bundle.size() - bundle.head.len()) / 20;
        let last = good.len() - 1;
        for place in (bundle.head.len()..last).step_by(step).chain([last]) {
            let mut bad = good.clone();
            bad[place] ^= 1;
            assert!(
                matches!(read(&bad), Err(BundleError::Piece { .. })),
                "byte {place}"
            );
        }
        assert!(matches!(
            read(&good[..good.len() - 1]),
            Err(BundleError::Piece {
                part: "boot",
                number: 1
            })
        ));
        assert!(matches!(
            read(&[good.as_slice(), &[0]].concat()),
            Err(BundleError::Trailing)
        ));
    }

    #[test]
    fn a_hash_tree_of_another_root_is_found() {
        let root = vec![0; 2 * BLOCK];
        let tree = verity::hash_tree(&vec![1; 2 * BLOCK], &[1; 32], Uuid::known(1)).unwrap();
        let parts = Parts {
            root: &root,
            verity: &tree.bytes,
            boot: &[0; 512],
        };
        let wrong = Bundle::new("virt", "0.2.0", tree.root, parts).unwrap();

        assert!(matches!(read(&bytes(&wrong)), Err(BundleError::Verity)));
        let version = Bundle::new("virt", "2", tree.root, parts);
        assert!(matches!(version, Err(BundleError::Version(_))));
    }
}
