//! Text on the clipboard.

use std::ffi::c_void;
use std::io;
use std::marker::PhantomData;
use std::ptr::null_mut;

use windows_link::link;
use windows_sys::Win32::Foundation::{GlobalFree, HANDLE, HGLOBAL, HWND};
use windows_sys::core::BOOL;

use crate::handle::checked;

/// Text, as UTF-16 with a zero behind it.
const CF_UNICODETEXT: u32 = 13;
/// Memory that the clipboard takes.
const GMEM_MOVEABLE: u32 = 2;

// As Microsoft's `winuser.h` and `winbase.h` declare them.
link!("user32.dll" "system" fn OpenClipboard(owner: HWND) -> BOOL);
link!("user32.dll" "system" fn CloseClipboard() -> BOOL);
link!("user32.dll" "system" fn EmptyClipboard() -> BOOL);
link!("user32.dll" "system" fn GetClipboardSequenceNumber() -> u32);
link!("user32.dll" "system" fn IsClipboardFormatAvailable(format: u32) -> BOOL);
link!("user32.dll" "system" fn GetClipboardData(format: u32) -> HANDLE);
link!("user32.dll" "system" fn SetClipboardData(format: u32, data: HANDLE) -> HANDLE);
link!("kernel32.dll" "system" fn GlobalAlloc(flags: u32, bytes: usize) -> HGLOBAL);
link!("kernel32.dll" "system" fn GlobalLock(memory: HGLOBAL) -> *mut c_void);
link!("kernel32.dll" "system" fn GlobalUnlock(memory: HGLOBAL) -> BOOL);
link!("kernel32.dll" "system" fn GlobalSize(memory: HGLOBAL) -> usize);

/// A number that changes with each change of the clipboard.
pub fn version() -> u32 {
    // SAFETY: the call takes nothing.
    unsafe { GetClipboardSequenceNumber() }
}

/// Whether there is text on it, or something that Windows can turn into text.
pub fn has_text() -> bool {
    // SAFETY: the call takes no pointers.
    let answer = unsafe { IsClipboardFormatAvailable(CF_UNICODETEXT) };
    answer != 0
}

/// The clipboard, which no other program can use meanwhile.
#[derive(Debug)]
pub struct Open {
    /// Windows has opened it for this thread.
    _thread: PhantomData<*const ()>,
}

impl Open {
    /// # Errors
    ///
    /// Another program has it open, which mostly takes a moment.
    pub fn new() -> io::Result<Self> {
        // Without a window nobody has to answer messages about it.
        // SAFETY: null stands for no window.
        checked(unsafe { OpenClipboard(null_mut()) })?;
        let _thread = PhantomData;
        Ok(Self { _thread })
    }

    /// The text on it, up to the zero that ends it. Of a longer one `units_max` units and one more.
    /// The program that has copied it may be asked for it, and be slow.
    pub fn text(&self, units_max: usize) -> io::Result<Option<Vec<u16>>> {
        if !has_text() {
            return Ok(None);
        }
        // SAFETY: the clipboard is open.
        let data = unsafe { GetClipboardData(CF_UNICODETEXT) };
        let memory = Memory::lock(data)?;
        // SAFETY: the call takes a handle that is locked, and so still there.
        let bytes = unsafe { GlobalSize(data) };
        let length = (bytes / size_of::<u16>()).min(units_max.saturating_add(1));
        // SAFETY: the memory is at least that long, begins where any number may, stays locked until
        // the end of this function, and is written by nobody while the clipboard is open.
        let units = unsafe { std::slice::from_raw_parts(memory.at.cast::<u16>(), length) };
        let text = units.iter().copied().take_while(|unit| *unit != 0);
        Ok(Some(text.collect()))
    }

    /// Puts a text in the place of everything that is on it.
    pub fn set_text(&mut self, units: &[u16]) -> io::Result<()> {
        let bytes = units.len().saturating_add(1) * size_of::<u16>();
        // SAFETY: the call takes no pointers.
        let data = unsafe { GlobalAlloc(GMEM_MOVEABLE, bytes) };
        let set = fill(data, units).and_then(|()| {
            // SAFETY: the clipboard is open.
            checked(unsafe { EmptyClipboard() })?;
            // SAFETY: the clipboard is open, and the memory holds a text with its zero; Windows
            // takes it over unless the call fails.
            let taken = unsafe { SetClipboardData(CF_UNICODETEXT, data) };
            checked(i32::from(!taken.is_null()))
        });
        if set.is_err() {
            // SAFETY: it is still ours, and nobody else has it; null is allowed.
            unsafe { GlobalFree(data) };
        }
        set
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // SAFETY: this thread has opened it.
        unsafe { CloseClipboard() };
    }
}

/// Writes a text and its zero into memory that was set aside for them.
fn fill(data: HGLOBAL, units: &[u16]) -> io::Result<()> {
    let memory = Memory::lock(data)?;
    let to = memory.at.cast::<u16>();
    // SAFETY: the memory was set aside for these and one more, begins where any number may, and
    // is new, so that no part of it is the text.
    unsafe { to.copy_from_nonoverlapping(units.as_ptr(), units.len()) };
    // SAFETY: one more fits.
    let end = unsafe { to.add(units.len()) };
    // SAFETY: as above.
    unsafe { end.write(0) };
    Ok(())
}

/// Memory that stays where it is while this lives.
struct Memory {
    handle: HGLOBAL,
    at: *mut c_void,
}

impl Memory {
    /// # Errors
    ///
    /// There is none: `handle` is what a call returned that failed.
    fn lock(handle: HGLOBAL) -> io::Result<Self> {
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call refuses what is no handle of such memory.
        let at = unsafe { GlobalLock(handle) };
        checked(i32::from(!at.is_null()))?;
        Ok(Self { handle, at })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it was locked once, and is unlocked once.
        unsafe { GlobalUnlock(self.handle) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_on_the_clipboard_is_found_there() {
        let text: Vec<u16> = "Tasuki 襷 🎋\r\n".encode_utf16().collect();
        let before = version();

        let mut open = Open::new().expect("nobody else has it open");
        open.set_text(&text).expect("is taken");
        drop(open);

        assert!(has_text());
        assert_ne!(version(), before);
        let open = Open::new().expect("was closed");
        let whole = open.text(text.len()).expect("is handed out");
        assert_eq!(whole, Some(text.clone()));
        let some = open.text(3).expect("is handed out");
        assert_eq!(some.as_deref(), text.get(..4), "one more than wanted");
    }
}
