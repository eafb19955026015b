//! What the first stage asks of the kernel: the only module that names nix, and the only one with
//! `unsafe`.

mod device_mapper;
mod watchdog;

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::kmod::ModuleInitFlags;
use nix::mount::MsFlags;
use nix::sys::reboot::RebootMode;

pub use self::device_mapper::DeviceMapper;
pub use self::watchdog::start_watchdog;

/// Mounts a file system of the kernel's own (`proc`, `tmpfs`) at a folder, which is made.
pub fn mount_virtual(kind: &str, place: &str, options: &str) -> io::Result<()> {
    fs::create_dir_all(place)?;
    nix::mount::mount(
        Some(kind),
        place,
        Some(kind),
        MsFlags::MS_NOSUID,
        Some(options),
    )?;
    Ok(())
}

/// Mounts a device read-only.
pub fn mount_root(device: &Path, place: &str, kind: &str) -> io::Result<()> {
    fs::create_dir_all(place)?;
    let no_options: Option<&str> = None;
    nix::mount::mount(
        Some(device),
        place,
        Some(kind),
        MsFlags::MS_RDONLY,
        no_options,
    )?;
    Ok(())
}

/// Moves a mount to another place.
pub fn move_mount(from: &str, to: &str) -> io::Result<()> {
    let none: Option<&str> = None;
    nix::mount::mount(Some(from), to, none, MsFlags::MS_MOVE, none)?;
    Ok(())
}

/// Makes a mounted folder the root of everything.
pub fn switch_root(place: &str) -> io::Result<()> {
    nix::unistd::chdir(place)?;
    move_mount(".", "/")?;
    nix::unistd::chroot(".")?;
    nix::unistd::chdir("/")?;
    Ok(())
}

/// Loads a kernel module; one that is there already is fine. False: this machine has nothing for it.
pub fn load_module(file: &File) -> io::Result<bool> {
    match nix::kmod::finit_module(file, c"", ModuleInitFlags::empty()) {
        Ok(()) | Err(Errno::EEXIST) => Ok(true),
        Err(Errno::ENODEV) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Becomes another program; returns only if that fails.
pub fn become_program(path: &Path) -> io::Error {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return io::ErrorKind::InvalidInput.into();
    };
    match nix::unistd::execv(&path, &[path.as_c_str()]) {
        Ok(never) => match never {},
        Err(error) => error.into(),
    }
}

/// Restarts the board; returns only if that fails.
pub fn restart() {
    // The caller ends after this, which restarts the board as well.
    let _ = nix::sys::reboot::reboot(RebootMode::RB_AUTOBOOT);
}
