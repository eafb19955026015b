//! Windows on the desktop, of whatever program.

use std::io;
use std::ptr::with_exposed_provenance_mut;

use windows_sys::Win32::Foundation::{HWND, LPARAM};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    EnumWindows, GW_OWNER, GetWindow, GetWindowThreadProcessId, IsWindowVisible, SW_MINIMIZE,
    ShowWindowAsync,
};
use windows_sys::core::BOOL;

use crate::handle::checked;

/// A window, which may go at any time.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Whose it is.
    pub process: u32,
    handle: HWND,
}

/// The windows that can be seen and stand for themselves: Windows hides what belongs to one of them
/// together with it. There are no more of them than Windows has room for, some ten thousand.
pub fn all() -> io::Result<Vec<Window>> {
    let mut found: Vec<Window> = Vec::new();
    let to = (&raw mut found).expose_provenance().cast_signed();
    // SAFETY: the procedure has the signature that is asked for, and expects what it is given; it
    // is called by this thread alone, and by nobody after the call has returned.
    checked(unsafe { EnumWindows(Some(note), to) })?;
    Ok(found)
}

/// Notes one window, and wants the next.
unsafe extern "system" fn note(window: HWND, to: LPARAM) -> BOOL {
    if stands_alone(window) {
        let mut process = 0;
        // SAFETY: the pointer for the answer is ours; of a window that has gone there is none.
        unsafe { GetWindowThreadProcessId(window, &raw mut process) };
        // SAFETY: `all` has handed over its list, which nobody else uses until all were noted.
        let found = unsafe { &mut *with_exposed_provenance_mut::<Vec<Window>>(to.cast_unsigned()) };
        found.push(Window {
            process,
            handle: window,
        });
    }
    1
}

fn stands_alone(window: HWND) -> bool {
    // SAFETY: the call takes no pointers, and any window.
    let is_visible = unsafe { IsWindowVisible(window) };
    // SAFETY: as above.
    let owner = unsafe { GetWindow(window, GW_OWNER) };
    is_visible != 0 && owner.is_null()
}

impl Window {
    /// Asks it to become a button of the task bar, and does not wait for its program. Says whether
    /// Windows has passed that on.
    pub fn minimize(self) -> bool {
        // SAFETY: the call takes no pointers, and refuses a window that has gone.
        let passed_on = unsafe { ShowWindowAsync(self.handle, SW_MINIMIZE) };
        passed_on != 0
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::ptr::{null, null_mut};
    use std::thread;
    use std::time::{Duration, Instant};

    use windows_sys::Win32::UI::WindowsAndMessaging::{
        CreateWindowExW, DestroyWindow, DispatchMessageW, IsIconic, MSG, PM_REMOVE, PeekMessageW,
        WS_OVERLAPPEDWINDOW, WS_VISIBLE,
    };

    use super::*;
    use crate::text::wide;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A window of this thread.
    struct Own(HWND);

    impl Own {
        fn open(style: u32, owner: HWND) -> Self {
            let class = wide("STATIC");
            // SAFETY: the class is one of Windows' own, and ends with a zero; nulls stand for no
            // title, menu, module and parameter.
            let window = unsafe {
                CreateWindowExW(
                    0,
                    class.as_ptr(),
                    null(),
                    style,
                    0,
                    0,
                    200,
                    100,
                    owner,
                    null_mut(),
                    null_mut(),
                    null(),
                )
            };
            assert!(!window.is_null(), "{}", io::Error::last_os_error());
            Self(window)
        }
    }

    impl Drop for Own {
        fn drop(&mut self) {
            // SAFETY: this thread has made it.
            unsafe { DestroyWindow(self.0) };
        }
    }

    /// A program with a window.
    struct Other(Child);

    impl Drop for Other {
        fn drop(&mut self) {
            // One that has ended by itself needs no end.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn is_iconic(window: HWND) -> bool {
        // SAFETY: the call takes no pointers.
        let answer = unsafe { IsIconic(window) };
        answer != 0
    }

    /// Deals with this thread's messages until there is an answer.
    fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut message = MSG::default();
            // SAFETY: the message is ours; null means all windows of this thread.
            while unsafe { PeekMessageW(&raw mut message, null_mut(), 0, 0, PM_REMOVE) } != 0 {
                // SAFETY: it was just filled in.
                unsafe { DispatchMessageW(&raw const message) };
            }
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "it did not come");
            thread::yield_now();
        }
    }

    fn of(process: u32) -> Vec<Window> {
        let mut all = all().expect("are told");
        all.retain(|window| window.process == process);
        all
    }

    #[test]
    fn the_windows_of_one_program_are_minimized_and_no_others() {
        let other = Other(Command::new("notepad").spawn().expect("starts"));
        let theirs = wait_for(|| of(other.0.id()).pop());
        let own = Own::open(WS_OVERLAPPEDWINDOW | WS_VISIBLE, null_mut());
        let hidden = Own::open(WS_OVERLAPPEDWINDOW, null_mut());
        let owned = Own::open(WS_OVERLAPPEDWINDOW | WS_VISIBLE, own.0);
        let ours = of(std::process::id());
        let is_there = |window: &Own| ours.iter().any(|one| one.handle == window.0);

        assert!(is_there(&own) && !is_there(&hidden) && !is_there(&owned));
        for window in &ours {
            window.minimize();
        }
        wait_for(|| is_iconic(own.0).then_some(()));
        assert!(!is_iconic(hidden.0) && !is_iconic(theirs.handle));

        assert!(theirs.minimize());
        wait_for(|| is_iconic(theirs.handle).then_some(()));
    }

    #[test]
    fn a_window_that_has_gone_is_asked_in_vain() {
        let own = Own::open(WS_OVERLAPPEDWINDOW | WS_VISIBLE, null_mut());
        let mut ours = of(std::process::id()).into_iter();
        let window = ours.find(|one| one.handle == own.0).expect("is there");
        drop(own);

        assert!(!window.minimize());
    }
}
