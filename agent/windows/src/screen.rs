//! What the monitors show, as one picture.

use std::io;
use std::ptr::null_mut;

use windows_sys::Win32::Graphics::Gdi::{
    BI_RGB, BITMAPINFO, BITMAPINFOHEADER, BitBlt, CAPTUREBLT, CreateCompatibleDC, CreateDIBSection,
    DIB_RGB_COLORS, DeleteDC, DeleteObject, GdiFlush, GetDC, HBITMAP, HDC, ReleaseDC, SRCCOPY,
    SelectObject,
};
use windows_sys::Win32::System::StationsAndDesktops::{
    CloseDesktop, DESKTOP_READOBJECTS, OpenInputDesktop,
};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    GetSystemMetrics, SM_CXVIRTUALSCREEN, SM_CYVIRTUALSCREEN, SM_XVIRTUALSCREEN, SM_YVIRTUALSCREEN,
};

use crate::handle::checked;

/// Bytes of a pixel: blue, green, red and one that means nothing.
pub const PIXEL: usize = 4;

/// The rectangle around all monitors, in pixels; its corner may lie left of or above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    pub x: i32,
    pub y: i32,
    pub width: u16,
    pub height: u16,
}

impl Area {
    pub fn now() -> Self {
        Self {
            x: metric(SM_XVIRTUALSCREEN),
            y: metric(SM_YVIRTUALSCREEN),
            width: length(metric(SM_CXVIRTUALSCREEN)),
            height: length(metric(SM_CYVIRTUALSCREEN)),
        }
    }
}

/// Nothing where there is no screen; no screen is longer than Windows can address.
fn length(pixels: i32) -> u16 {
    u16::try_from(pixels.max(0)).unwrap_or(u16::MAX)
}

fn metric(index: i32) -> i32 {
    // SAFETY: the call takes no pointers.
    unsafe { GetSystemMetrics(index) }
}

/// Whether the monitors show the desktop of this process's user, and not the lock screen or the
/// question for an administrator, which no other program may look at.
pub fn is_open() -> bool {
    // SAFETY: the call takes no pointers.
    let desktop = unsafe { OpenInputDesktop(0, 0, DESKTOP_READOBJECTS) };
    if desktop.is_null() {
        return false;
    }
    // SAFETY: it was just opened, and nobody else has it.
    unsafe { CloseDesktop(desktop) };
    true
}

/// Takes pictures of a part of the screen. It stays in the thread that has made it, as Windows
/// wants.
pub struct Camera {
    area: Area,
    screen: HDC,
    canvas: Canvas,
}

impl Camera {
    /// # Errors
    ///
    /// There is no screen, or no memory for a picture of that size.
    pub fn new(area: Area) -> io::Result<Self> {
        let canvas = Canvas::new(area.width, area.height)?;
        // SAFETY: null means the whole screen.
        let screen = unsafe { GetDC(null_mut()) };
        if screen.is_null() {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            area,
            screen,
            canvas,
        })
    }

    /// The picture now: rows from the top, without gaps, pixels of [`PIXEL`] bytes. The mouse
    /// pointer is not in it.
    pub fn shoot(&mut self) -> io::Result<&[u8]> {
        let Area {
            x,
            y,
            width,
            height,
        } = self.area;
        let (width, height) = (i32::from(width), i32::from(height));
        let (to, from) = (self.canvas.context, self.screen);
        let how = SRCCOPY | CAPTUREBLT;
        // SAFETY: both contexts live as long as this does.
        checked(unsafe { BitBlt(to, 0, 0, width, height, from, x, y, how) })?;
        Ok(self.canvas.pixels())
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        // SAFETY: this thread has got it from GetDC, and gives it back once.
        unsafe { ReleaseDC(null_mut(), self.screen) };
    }
}

/// A picture in memory that Windows can draw on.
pub(crate) struct Canvas {
    pub(crate) context: HDC,
    bitmap: HBITMAP,
    pixels: *const u8,
    size: usize,
}

impl Canvas {
    pub(crate) fn new(width: u16, height: u16) -> io::Result<Self> {
        let size = usize::from(width) * usize::from(height) * PIXEL;
        if size == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let info = BITMAPINFO {
            bmiHeader: BITMAPINFOHEADER {
                biSize: size_of::<BITMAPINFOHEADER>()
                    .try_into()
                    .map_err(|_| io::ErrorKind::InvalidInput)?,
                biWidth: width.into(),
                // Below zero: the first row is the top one.
                biHeight: -i32::from(height),
                biPlanes: 1,
                biBitCount: 32,
                biCompression: BI_RGB,
                ..Default::default()
            },
            ..Default::default()
        };
        // SAFETY: null means a context like the screen's.
        let context = unsafe { CreateCompatibleDC(null_mut()) };
        if context.is_null() {
            return Err(io::Error::last_os_error());
        }
        let mut pixels = null_mut();
        // SAFETY: the description is complete, the pointer for the answer is ours, and null means
        // that Windows finds the memory, as much as the description asks for.
        let bitmap = unsafe {
            CreateDIBSection(
                context,
                &raw const info,
                DIB_RGB_COLORS,
                &raw mut pixels,
                null_mut(),
                0,
            )
        };
        let this = Self {
            context,
            bitmap,
            pixels: pixels.cast(),
            size,
        };
        if this.bitmap.is_null() || this.pixels.is_null() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        // SAFETY: both were just made. What was selected before is a part of the context.
        unsafe { SelectObject(this.context, this.bitmap) };
        Ok(this)
    }

    /// What was drawn.
    pub(crate) fn pixels(&mut self) -> &[u8] {
        // SAFETY: the call takes no pointers; what was drawn is in memory after it.
        unsafe { GdiFlush() };
        // SAFETY: the bitmap has as many bytes, lives as long as this does, and is drawn on only
        // through this, which the caller has borrowed.
        unsafe { std::slice::from_raw_parts(self.pixels, self.size) }
    }
}

impl Drop for Canvas {
    fn drop(&mut self) {
        // SAFETY: it is ours. With it the bitmap is selected nowhere any more.
        unsafe { DeleteDC(self.context) };
        // SAFETY: it is ours; null is refused without harm.
        unsafe { DeleteObject(self.bitmap) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canvas_has_a_pixel_for_each_place_and_begins_black() {
        let mut canvas = Canvas::new(3, 2).expect("is made");

        assert_eq!(canvas.pixels(), [0; 3 * 2 * PIXEL]);
        assert!(Canvas::new(0, 2).is_err());
    }
}
