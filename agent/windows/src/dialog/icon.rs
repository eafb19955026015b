//! A window's icon: the one of its program, in the size that the screen asks for.

use std::ptr::{null, without_provenance};

use windows_sys::Win32::Foundation::{HMODULE, HWND};
use windows_sys::Win32::System::LibraryLoader::GetModuleHandleW;
use windows_sys::Win32::UI::HiDpi::{GetDpiForWindow, GetSystemMetricsForDpi};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    DestroyIcon, HICON, ICON_BIG, ICON_SMALL, IMAGE_ICON, LR_DEFAULTCOLOR, LoadImageW, SM_CXICON,
    SM_CXSMICON, SYSTEM_METRICS_INDEX, SendMessageW, WM_SETICON,
};

/// The number of the icon among a program's resources.
const NUMBER: usize = 1;

/// Of the title bar and of the list of programs; whoever holds them keeps them in use.
pub(super) struct Icons([HICON; 2]);

impl Icons {
    /// Gives the window what its program has; without an icon Windows' own stays.
    pub(super) fn of_program(window: HWND) -> Self {
        // SAFETY: no name asks for this program itself, which stays loaded.
        let program = unsafe { GetModuleHandleW(null()) };
        Self::of(program, window)
    }

    fn of(module: HMODULE, window: HWND) -> Self {
        let kinds = [(ICON_SMALL, SM_CXSMICON), (ICON_BIG, SM_CXICON)];
        Self(kinds.map(|(kind, metric)| {
            let icon = load(module, side(window, metric));
            if let Ok(kind) = usize::try_from(kind) {
                let icon = icon.expose_provenance().cast_signed();
                // SAFETY: the message takes an icon, or none; `Drop` ends it no earlier than the
                // owner has other ones or the window has gone.
                unsafe { SendMessageW(window, WM_SETICON, kind, icon) };
            }
            icon
        }))
    }
}

impl Drop for Icons {
    fn drop(&mut self) {
        for icon in self.0.into_iter().filter(|icon| !icon.is_null()) {
            // SAFETY: the icon was made by `load`, for this owner alone.
            unsafe { DestroyIcon(icon) };
        }
    }
}

/// How many pixels an icon has on the screen where the window is.
fn side(window: HWND, metric: SYSTEM_METRICS_INDEX) -> i32 {
    // SAFETY: the call takes no pointers but the window.
    let dpi = unsafe { GetDpiForWindow(window) };
    // SAFETY: the call takes numbers only.
    unsafe { GetSystemMetricsForDpi(metric, dpi) }
}

/// Null where there is none. Not shared: Windows shares icons by name, whatever their size.
fn load(module: HMODULE, side: i32) -> HICON {
    let name = without_provenance(NUMBER);
    // SAFETY: a name below 65536 is a number, and nothing is read there; the module is loaded.
    unsafe { LoadImageW(module, name, IMAGE_ICON, side, side, LR_DEFAULTCOLOR) }
}
