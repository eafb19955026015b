//! Processes and the users who run them.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{ERROR_NO_MORE_FILES, FILETIME};
use windows_sys::Win32::Security::{
    GetTokenInformation, TOKEN_ELEVATION, TOKEN_QUERY, TOKEN_USER, TokenElevation, TokenUser,
};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, OpenProcessToken, PROCESS_QUERY_LIMITED_INFORMATION,
};

use crate::handle::{checked, owned};
use crate::text::identifier;

/// A process and the one that started it, which may have ended: numbers are given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    pub id: u32,
    pub parent: u32,
}

/// All processes that run now.
pub fn all() -> io::Result<Vec<Process>> {
    // SAFETY: the call takes no pointers.
    let snapshot = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
    // SAFETY: it was just made.
    let snapshot = unsafe { owned(snapshot) }?;
    let mut entry = PROCESSENTRY32W {
        dwSize: size_of::<PROCESSENTRY32W>()
            .try_into()
            .map_err(|_| io::ErrorKind::InvalidInput)?,
        ..Default::default()
    };
    let mut found = Vec::new();
    // SAFETY: the snapshot is open, and the entry says how large it is.
    let mut more = unsafe { Process32FirstW(snapshot.as_raw_handle(), &raw mut entry) };
    while more != 0 {
        found.push(Process {
            id: entry.th32ProcessID,
            parent: entry.th32ParentProcessID,
        });
        // SAFETY: as above.
        more = unsafe { Process32NextW(snapshot.as_raw_handle(), &raw mut entry) };
    }
    match io::Error::last_os_error() {
        end if end.raw_os_error() == Some(ERROR_NO_MORE_FILES.cast_signed()) => Ok(found),
        error => Err(error),
    }
}

/// When a process began, in ticks of 100 ns since 1601.
pub fn began(process: u32) -> io::Result<u64> {
    let process = open(process)?;
    let (mut began, mut ended, mut kernel, mut user) = Default::default();
    // SAFETY: the process is open, and the four answers are ours.
    let told = unsafe {
        GetProcessTimes(
            process.as_raw_handle(),
            &raw mut began,
            &raw mut ended,
            &raw mut kernel,
            &raw mut user,
        )
    };
    checked(told)?;
    let FILETIME {
        dwLowDateTime: low,
        dwHighDateTime: high,
    } = began;
    Ok(u64::from(high) << 32 | u64::from(low))
}

/// The user who runs a process, as `S-1-5-21-...`.
pub fn user(process: u32) -> io::Result<String> {
    let token = token(process)?;
    // A TOKEN_USER and the longest identifier behind it (68 bytes), in numbers that are
    // aligned for it.
    let mut answer = [0_u64; 16];
    information(&token, TokenUser, &mut answer)?;
    // SAFETY: the call has put a TOKEN_USER at the beginning of `answer`, which is aligned.
    let user = unsafe { answer.as_ptr().cast::<TOKEN_USER>().read() };
    // SAFETY: the identifier lies in `answer`, which still lives.
    unsafe { identifier(user.User.Sid) }
}

/// Whether this process has an administrator's rights now.
pub fn is_elevated() -> io::Result<bool> {
    let token = token(std::process::id())?;
    let mut answer = [0_u64; 1];
    information(&token, TokenElevation, &mut answer)?;
    // SAFETY: the call has put a TOKEN_ELEVATION at the beginning of `answer`.
    let elevation = unsafe { answer.as_ptr().cast::<TOKEN_ELEVATION>().read() };
    Ok(elevation.TokenIsElevated != 0)
}

fn open(process: u32) -> io::Result<OwnedHandle> {
    // SAFETY: the call takes no pointers.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, process) };
    // SAFETY: it was just opened.
    unsafe { owned(process) }
}

fn token(process: u32) -> io::Result<OwnedHandle> {
    let process = open(process)?;
    let mut token = null_mut();
    // SAFETY: the process is open, and the pointer for the answer is ours.
    checked(unsafe { OpenProcessToken(process.as_raw_handle(), TOKEN_QUERY, &raw mut token) })?;
    // SAFETY: it was just opened.
    unsafe { owned(token) }
}

fn information(token: &OwnedHandle, class: i32, answer: &mut [u64]) -> io::Result<()> {
    let room = u32::try_from(size_of_val(answer)).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut used = 0;
    // SAFETY: the token is open, and the call writes no more bytes than the answer has.
    let told = unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            class,
            answer.as_mut_ptr().cast::<c_void>(),
            room,
            &raw mut used,
        )
    };
    checked(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_among_all_and_began_after_its_parent() {
        let me = std::process::id();
        let found = all().expect("looks");
        let this = found.iter().find(|process| process.id == me);
        let this = this.expect("runs");

        assert!(this.parent != me);
        assert!(began(me).expect("is known") > 0);
        assert!(found.iter().any(|process| process.id != me));
    }

    #[test]
    fn own_user_has_an_identifier_and_a_process_that_is_not_there_has_none() {
        let user = user(std::process::id()).expect("is known");

        assert!(user.starts_with("S-1-5-"), "{user}");
        assert!(super::user(u32::MAX - 3).is_err());
        is_elevated().expect("is known");
    }
}
