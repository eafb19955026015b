//! What the mouse pointer looks like now.

use std::io;
use std::ptr::null_mut;

use windows_sys::Win32::Graphics::Gdi::{BLACKNESS, DeleteObject, HBITMAP, PatBlt, WHITENESS};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    CURSOR_SHOWING, CURSORINFO, DI_NORMAL, DrawIconEx, GetCursorInfo, GetIconInfo,
    GetSystemMetrics, HCURSOR, ICONINFO, SM_CXCURSOR, SM_CYCURSOR,
};

use crate::handle::checked;
use crate::screen::Canvas;

/// A pointer. The same one looks the same, as long as its program keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(HCURSOR);

/// What a pointer looks like: the same pixels before black and before white, rows from the top.
#[derive(Debug)]
pub struct Look {
    pub width: u16,
    pub height: u16,
    /// The pixel that points, from the upper left corner.
    pub hot: (u16, u16),
    pub on_black: Vec<u8>,
    pub on_white: Vec<u8>,
}

impl Cursor {
    /// The one that is shown now, if one is.
    pub fn now() -> io::Result<Option<Self>> {
        let mut info = CURSORINFO {
            cbSize: size_of::<CURSORINFO>()
                .try_into()
                .map_err(|_| io::ErrorKind::InvalidInput)?,
            ..Default::default()
        };
        // SAFETY: the answer is ours, and says how large it is.
        checked(unsafe { GetCursorInfo(&raw mut info) })?;
        let shown = info.flags & CURSOR_SHOWING != 0 && !info.hCursor.is_null();
        Ok(shown.then_some(Self(info.hCursor)))
    }

    /// # Errors
    ///
    /// Its program has taken it away meanwhile.
    pub fn look(self) -> io::Result<Look> {
        let (width, height) = (metric(SM_CXCURSOR), metric(SM_CYCURSOR));
        let hot = self.hot()?;
        Ok(Look {
            on_black: self.drawn(width, height, BLACKNESS)?,
            on_white: self.drawn(width, height, WHITENESS)?,
            width,
            height,
            hot,
        })
    }

    fn hot(self) -> io::Result<(u16, u16)> {
        let mut info = ICONINFO::default();
        // SAFETY: the answer is ours. A pointer that is no longer there is an error.
        checked(unsafe { GetIconInfo(self.0, &raw mut info) })?;
        delete(info.hbmMask);
        delete(info.hbmColor);
        let short = |place: u32| u16::try_from(place).unwrap_or(0);
        Ok((short(info.xHotspot), short(info.yHotspot)))
    }

    fn drawn(self, width: u16, height: u16, background: u32) -> io::Result<Vec<u8>> {
        let mut canvas = Canvas::new(width, height)?;
        let to = canvas.context;
        let (width, height) = (i32::from(width), i32::from(height));
        // SAFETY: the canvas lives.
        checked(unsafe { PatBlt(to, 0, 0, width, height, background) })?;
        // SAFETY: the canvas lives; a pointer that is no longer there is an error, and null means
        // that nothing is drawn behind it.
        let drawn =
            unsafe { DrawIconEx(to, 0, 0, self.0, width, height, 0, null_mut(), DI_NORMAL) };
        checked(drawn)?;
        Ok(canvas.pixels().to_vec())
    }
}

fn metric(index: i32) -> u16 {
    // SAFETY: the call takes no pointers.
    let pixels = unsafe { GetSystemMetrics(index) };
    u16::try_from(pixels).unwrap_or(0)
}

fn delete(bitmap: HBITMAP) {
    // SAFETY: GetIconInfo has made it for us; null is refused without harm.
    unsafe { DeleteObject(bitmap) };
}
