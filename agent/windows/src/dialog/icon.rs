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

#[cfg(test)]
pub(super) mod tests {
    use windows_sys::Win32::Graphics::Gdi::{BITMAP, DeleteObject, GetObjectW};
    use windows_sys::Win32::System::LibraryLoader::LoadLibraryW;
    use windows_sys::Win32::UI::WindowsAndMessaging::{GetIconInfo, ICONINFO, WM_GETICON};

    use super::*;
    use crate::text::wide;

    /// Gives the window an icon of Windows' own, since this program has none, and looks at it.
    pub(in super::super) fn try_on(window: HWND) {
        let name = wide("shell32.dll");
        // SAFETY: the name ends with a zero; this library of Windows does nothing when it comes.
        let library = unsafe { LoadLibraryW(name.as_ptr()) };

        let icons = Icons::of(library, window);

        for (kind, metric) in [(ICON_SMALL, SM_CXSMICON), (ICON_BIG, SM_CXICON)] {
            let kind = usize::try_from(kind).expect("a small number");
            // SAFETY: the message takes numbers only, and answers with an icon of the window's.
            let icon = unsafe { SendMessageW(window, WM_GETICON, kind, 0) };
            let icon = std::ptr::with_exposed_provenance_mut(icon.cast_unsigned());
            assert!(icons.0.contains(&icon), "not the one that it was given");
            assert_eq!(width(icon), side(window, metric));
        }
    }

    fn width(icon: HICON) -> i32 {
        let mut parts = ICONINFO::default();
        // SAFETY: the structure is ours, and outlives the call.
        assert_ne!(unsafe { GetIconInfo(icon, &raw mut parts) }, 0, "no icon");
        let mut bitmap = BITMAP::default();
        let size = i32::try_from(size_of::<BITMAP>()).expect("a small number");
        // SAFETY: the bitmap is ours, and the structure has as many bytes as the call is told.
        let written = unsafe { GetObjectW(parts.hbmColor, size, (&raw mut bitmap).cast()) };
        assert_eq!(written, size);
        for part in [parts.hbmColor, parts.hbmMask] {
            // SAFETY: both bitmaps are copies that belong to the caller.
            unsafe { DeleteObject(part) };
        }
        bitmap.bmWidth
    }
}
