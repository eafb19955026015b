//! What Windows starts when this user logs on, as his own part of the registry says it.

use std::ffi::OsString;
use std::io;
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::Command;

use windows_registry::CURRENT_USER;

const RUN: &str = r"Software\Microsoft\Windows\CurrentVersion\Run";
/// Where Task Manager notes what somebody has switched off there.
const APPROVED: &str = r"Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run";
const NAME: &str = "Tasuki host";

/// `CREATE_NO_WINDOW`: a console that nobody sees, which the programs that share the desktop have
/// as well. Without any, Windows would open one for each of them.
const UNSEEN: u32 = 0x0800_0000;

/// The command, if there is one.
pub(crate) fn command() -> Option<String> {
    CURRENT_USER.open(RUN).ok()?.get_string(NAME).ok()
}

/// Starts `command` from the next time on, also where Task Manager has switched it off.
pub(crate) fn set(command: &str) -> io::Result<()> {
    remove()?;
    CURRENT_USER.create(RUN)?.set_string(NAME, command)?;
    Ok(())
}

/// Leaves no trace of it.
pub(crate) fn remove() -> io::Result<()> {
    for key in [RUN, APPROVED] {
        // A key that is not there has nothing in it.
        let Ok(key) = CURRENT_USER.options().read().write().open(key) else {
            continue;
        };
        if key.get_type(NAME).is_ok() {
            key.remove_value(NAME)?;
        }
    }
    Ok(())
}

/// Starts a program without a window, and leaves it running.
pub(crate) fn start(program: &Path, words: impl Iterator<Item = OsString>) -> io::Result<()> {
    let mut command = Command::new(program);
    command.args(words).creation_flags(UNSEEN);
    command.spawn().map(drop)
}
