//! Files that are there completely or not at all, whenever the power goes.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// For the owner's eyes only.
pub const SECRET: u32 = 0o600;
/// For everybody's.
pub const PUBLIC: u32 = 0o644;

/// Puts `bytes` at `path`, in place of what was there.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = folder_of(path);
    written(folder, bytes, mode)?.persist(path)?;
    sync_folder(folder)
}

/// Puts `bytes` at `path`; fails if something is there.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = folder_of(path);
    written(folder, bytes, mode)?.persist_noclobber(path)?;
    sync_folder(folder)
}

/// Makes what was created, renamed or removed in `folder` outlast a power cut.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Whether anybody but the owner may touch the file.
pub fn is_open_to_others(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

fn written(folder: &Path, bytes: &[u8], mode: u32) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".tasuki-")
        .permissions(Permissions::from_mode(SECRET))
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    // The mode at creation passes through the umask; this one does not.
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
