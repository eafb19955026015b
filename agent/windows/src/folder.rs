//! Folders that a user can have moved elsewhere.

use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::ptr::null_mut;

use windows_sys::Win32::System::Com::CoTaskMemFree;
use windows_sys::Win32::UI::Shell::{FOLDERID_Documents, SHGetKnownFolderPath};

use crate::shell::execute;

/// Longest path of Windows, in UTF-16 units.
const PATH_MAX: usize = 32_767;

/// This user's documents.
pub fn documents() -> io::Result<PathBuf> {
    let which = FOLDERID_Documents;
    let mut path = null_mut();
    // SAFETY: the identifier is ours, without a token it is this user's folder, and the
    // pointer for the path is ours too.
    let result = unsafe { SHGetKnownFolderPath(&raw const which, 0, null_mut(), &raw mut path) };
    let owner = Task(path);
    if result < 0 || path.is_null() {
        return Err(io::Error::other(format!(
            "no documents folder: {result:#x}"
        )));
    }
    let length = (0..PATH_MAX).take_while(|at| {
        // SAFETY: nothing behind the zero that ends the path is looked at.
        let unit = unsafe { path.add(*at) };
        // SAFETY: it is a part of the path, or its zero.
        unsafe { unit.read() != 0 }
    });
    let length = length.count();
    // SAFETY: as many units were just counted, and `owner` holds them until the end.
    let units = unsafe { std::slice::from_raw_parts(path, length) };
    let path = OsString::from_wide(units).into();
    drop(owner);
    Ok(path)
}

/// Opens a folder in Windows' own window for them, which outlives this program.
pub fn show(path: &Path) -> io::Result<()> {
    // Anything but a folder would be started.
    if !path.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    execute("explore", path)
}

/// Memory that the shell has set aside for us.
struct Task(*mut u16);

impl Drop for Task {
    fn drop(&mut self) {
        // SAFETY: the call documents CoTaskMemFree for it, whether it failed or not, and nobody
        // else frees it. Null is allowed.
        unsafe { CoTaskMemFree(self.0.cast()) };
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn documents_have_a_folder() {
        let folder = super::documents().expect("has one");

        assert!(folder.is_absolute() && folder.is_dir(), "{folder:?}");
    }
}
