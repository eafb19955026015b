//! The initramfs of a board: the first stage, and the modules that find its root.

pub mod cpio;
pub mod modules;

use std::io::{self, Read};

use crate::root::{Tree, TreeError};

use self::cpio::{Archive, TooLarge};
use self::modules::{Modules, Unknown};

/// The kernel's own unpacker reads the highest levels too; this one costs a second.
const ZSTD_LEVEL: i32 = 15;

/// Why there is no initramfs.
#[derive(Debug, thiserror::Error)]
pub enum InitramfsError {
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Module(#[from] Unknown),
    #[error("module {name} cannot be unpacked: {error}")]
    Unpack { name: String, error: io::Error },
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    #[error("cannot compress the initramfs: {0}")]
    Compress(io::Error),
    #[error("the root's time lies outside what an initramfs can say")]
    Time,
}

/// Builds it from the modules in `tree`, compressed as the kernel takes it.
///
/// `folder` is the modules' folder, as `usr/lib/modules/6.12.0-arm64`; the archive is what
/// `docs/BOOT.md` says: `/init`, `/modules/order` and the modules that it lists.
pub fn build(
    tree: &Tree,
    folder: &str,
    first_stage: &[u8],
    modules: &[String],
) -> Result<Vec<u8>, InitramfsError> {
    let seconds = tree.time().as_second();
    let seconds = u32::try_from(seconds).map_err(|_| InitramfsError::Time)?;
    let known = Modules::read(tree, folder)?;
    let paths = known.order(modules)?;
    let mut archive = Archive::new(seconds);
    archive.folder("dev");
    // The kernel opens it for /init before anything can be mounted.
    archive.device("dev/console", 5, 1);
    for mount_point in ["proc", "run", "sys", "sysroot"] {
        archive.folder(mount_point);
    }
    archive.file("init", 0o755, first_stage)?;
    archive.folder("modules");
    let mut order = String::new();
    for path in &paths {
        let name = file_name(path);
        let content = tree.read(&format!("{folder}/{path}"))?;
        let content = unpack(path, content).map_err(|error| InitramfsError::Unpack {
            name: name.to_owned(),
            error,
        })?;
        archive.file(&format!("modules/{name}"), 0o644, &content)?;
        order.push_str(name);
        for need in known.needs(path) {
            order.push(' ');
            order.push_str(file_name(need));
        }
        order.push('\n');
    }
    archive.file("modules/order", 0o644, order.as_bytes())?;
    zstd::bulk::compress(&archive.finish(), ZSTD_LEVEL).map_err(InitramfsError::Compress)
}

/// The module's name in the archive.
fn file_name(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".xz").unwrap_or(name)
}

/// A module as the kernel loads it; Debian packs them with xz.
fn unpack(path: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    if path.ends_with(".xz") {
        liblzma::read::XzDecoder::new(content).read_to_end(&mut plain)?;
    } else {
        plain.extend(content);
    }
    Ok(plain)
}
