//! What leaves the builder: a folder with the compressed image and the papers that belong to it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::assemble::Assembled;
use crate::bundle::{Bundle, Parts};
use crate::disk::image;
use crate::identity::Hash;
use crate::manifest::{Inputs, Manifest};
use crate::progress::Progress;

pub const MANIFEST: &str = "manifest.json";
pub const SBOM: &str = "sbom.json";
const REPRO: &str = "repro.json";

/// A third of the time of the highest levels for a twentieth more bytes.
const ZSTD_LEVEL: i32 = 12;
const PIECE: usize = 1 << 20;
/// Largest disk image, in bytes; the boards' have half a GiB.
const IMAGE_MAX: u64 = 16 << 30;

/// Everything about an image but its bytes.
#[derive(Debug)]
pub struct Papers<'a> {
    pub board: &'a str,
    pub version: &'a str,
    pub inputs: &'a Inputs,
    /// CycloneDX.
    pub sbom: String,
    /// How to make the same again: compiler, tools, command.
    pub recipe: Value,
}

/// A release in its folder.
#[derive(Debug)]
pub struct Release {
    /// The compressed image.
    pub image: PathBuf,
    /// The update bundle, which nobody has signed yet.
    pub update: PathBuf,
    pub manifest: Manifest,
    /// Bytes of the compressed image.
    pub size: u64,
}

/// Writes image and papers into `folder`; the manifest goes first if there is one, and comes last:
/// it only ever speaks of a whole release.
pub fn write(
    assembled: &Assembled,
    papers: &Papers<'_>,
    folder: &Path,
    progress: &Progress,
) -> Result<Release> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let old = folder.join(MANIFEST);
    if let Err(error) = fs::remove_file(&old)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error).with_context(|| format!("cannot replace {}", old.display()));
    }
    let mut disk = tempfile::tempfile_in(folder).context("no room for the image")?;
    disk.set_len(assembled.plan.length)?;
    image::write(&assembled.plan, &assembled.bytes, &mut disk).context("cannot write the image")?;
    let name = format!("tasuki-{}-{}", papers.board, papers.version);
    let path = folder.join(format!("{name}.img.zst"));
    let hash = compress(&mut disk, assembled.plan.length, &path, progress)?;
    let manifest = Manifest::new(
        papers.board,
        papers.version,
        assembled.root_hash,
        hash,
        Hash::of(papers.sbom.as_bytes()),
        papers.inputs,
        &assembled.plan,
    );
    let bundle = bundle(assembled, papers, progress)?;
    let update = folder.join(format!("{name}.update"));
    replace(&update, |file| bundle.write(file))?;
    let compressed = fs::read(&path)?;
    let repro = json!({
        "board": papers.board,
        "version": papers.version,
        "recipe": papers.recipe,
        "image": { "sha256": hash.to_string() },
        "image_zst": { "sha256": Hash::of(&compressed).to_string() },
        "update": { "sha256": bundle.hash().to_string() },
        "disk": manifest.disk,
    });
    put(folder, SBOM, &papers.sbom)?;
    put(folder, REPRO, &format!("{repro:#}\n"))?;
    put(folder, MANIFEST, &manifest.to_text())?;
    Ok(Release {
        image: path,
        update,
        manifest,
        size: u64::try_from(compressed.len())?,
    })
}

fn bundle(assembled: &Assembled, papers: &Papers<'_>, progress: &Progress) -> Result<Bundle> {
    let _step = progress.step("packing the update", 0);
    let parts = Parts {
        root: &assembled.bytes.root,
        verity: &assembled.bytes.verity,
        boot: &assembled.update,
    };
    let bundle = Bundle::new(papers.board, papers.version, assembled.root_hash, parts);
    bundle.context("cannot pack the update")
}

/// Writes a file that is there completely or not at all.
fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    let refused = || format!("cannot write {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(refused)?;
    write(file.as_file_mut()).with_context(refused)?;
    let mode = fs::Permissions::from_mode(0o644);
    file.as_file().set_permissions(mode)?;
    file.persist(path).with_context(refused)?;
    Ok(())
}

fn put(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Compresses the disk to `path` and returns the hash of what it compressed.
fn compress(disk: &mut File, length: u64, path: &Path, progress: &Progress) -> Result<Hash> {
    let step = progress.step("compressing", length);
    let refused = || format!("cannot write {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(folder).with_context(refused)?;
    let mut encoder = zstd::Encoder::new(file, ZSTD_LEVEL)?;
    // Raspberry Pi Imager shows how far it is by it.
    encoder.set_pledged_src_size(Some(length))?;
    encoder.include_checksum(true)?;
    let mut hash = Hasher::default();
    disk.seek(SeekFrom::Start(0))?;
    let mut piece = vec![0; PIECE];
    loop {
        let count = disk.read(&mut piece)?;
        let (read, _) = piece.split_at(count);
        if read.is_empty() {
            break;
        }
        hash.update(read);
        encoder.write_all(read).with_context(refused)?;
        step.advance(u64::try_from(count)?);
    }
    let file = encoder.finish().with_context(refused)?;
    let mode = fs::Permissions::from_mode(0o644);
    file.as_file().set_permissions(mode)?;
    file.persist(path).with_context(refused)?;
    Ok(hash.finish())
}

/// Opens a disk image, compressed or not; its length is in bytes.
pub fn open(path: &Path, progress: &Progress) -> Result<(File, u64)> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut magic = [0; 4];
    let compressed = file.read_exact(&mut magic).is_ok() && magic == *b"\x28\xb5\x2f\xfd";
    file.seek(SeekFrom::Start(0))?;
    if compressed {
        let _step = progress.step("unpacking the image", 0);
        let mut plain = tempfile::tempfile().context("no room for the image")?;
        let length = unpack(file, &mut plain)
            .with_context(|| format!("{}: cannot be unpacked", path.display()))?;
        return Ok((plain, length));
    }
    let length = file.metadata()?.len();
    if length == 0 {
        bail!("{} is empty", path.display());
    }
    Ok((file, length))
}

/// Decompresses into a sparse file.
fn unpack(file: File, plain: &mut File) -> io::Result<u64> {
    let mut decoder = zstd::Decoder::new(file)?;
    let mut piece = vec![0; PIECE];
    let mut length = 0;
    loop {
        let count = decoder.read(&mut piece)?;
        let (read, _) = piece.split_at(count);
        if read.is_empty() {
            plain.set_len(length)?;
            plain.seek(SeekFrom::Start(0))?;
            return Ok(length);
        }
        if read.iter().any(|byte| *byte != 0) {
            plain.seek(SeekFrom::Start(length))?;
            plain.write_all(read)?;
        }
        length += u64::try_from(count).map_err(io::Error::other)?;
        if length > IMAGE_MAX {
            return Err(io::Error::other("it unpacks to more than any image"));
        }
    }
}

/// The hash of `length` bytes from `offset` on.
pub fn hash(disk: &mut File, offset: u64, length: u64) -> io::Result<Hash> {
    let mut hasher = Hasher::default();
    disk.seek(SeekFrom::Start(offset))?;
    let mut left = disk.take(length);
    let mut piece = vec![0; PIECE];
    loop {
        let count = left.read(&mut piece)?;
        let (read, _) = piece.split_at(count);
        if read.is_empty() {
            return Ok(hasher.finish());
        }
        hasher.update(read);
    }
}

/// The manifest beside an image, or in a release's folder.
pub fn manifest(path: &Path) -> Result<Manifest> {
    let place = if path.is_dir() {
        path.join(MANIFEST)
    } else if path.extension().is_some_and(|end| end == "json") {
        path.to_owned()
    } else {
        path.with_file_name(MANIFEST)
    };
    let text = fs::read_to_string(&place).with_context(|| {
        let place = place.display();
        format!("cannot read {place}, which a release has beside its image; fetch it, too")
    })?;
    Manifest::parse(&text).with_context(|| place.display().to_string())
}

/// The image of a release's folder, or the image itself.
pub fn image_of(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let Manifest { board, version, .. } = manifest(path)?;
    Ok(path.join(format!("tasuki-{board}-{version}.img.zst")))
}

/// The update bundle beside an image, as the builder left it.
pub fn update_of(image: &Path, manifest: &Manifest) -> PathBuf {
    let Manifest { board, version, .. } = manifest;
    image.with_file_name(format!("tasuki-{board}-{version}.update"))
}

struct Hasher(aws_lc_rs::digest::Context);

impl Default for Hasher {
    fn default() -> Self {
        Self(aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256))
    }
}

impl Hasher {
    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self) -> Hash {
        let mut sum = [0; 32];
        sum.copy_from_slice(self.0.finish().as_ref());
        Hash(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_the_same_after_compressing_and_sparse_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = tempfile::tempfile().unwrap();
        // A hole, bytes across two pieces, and a length that is no multiple of anything.
        let length = u64::try_from(3 * PIECE + 7).unwrap();
        disk.set_len(length).unwrap();
        disk.seek(SeekFrom::Start(u64::try_from(2 * PIECE - 3).unwrap()))
            .unwrap();
        disk.write_all(b"across").unwrap();
        let path = folder.path().join("image.zst");

        let hash = compress(&mut disk, length, &path, &Progress::quiet()).unwrap();
        let (mut again, again_length) = open(&path, &Progress::quiet()).unwrap();

        assert_eq!(again_length, length);
        assert_eq!(super::hash(&mut again, 0, length).unwrap(), hash);
        assert_eq!(super::hash(&mut disk, 0, length).unwrap(), hash);
    }
}
