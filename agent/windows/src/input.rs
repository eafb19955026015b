//! Keys and mouse, as if somebody at the PC had used them.

use std::io;

use windows_sys::Win32::UI::Input::KeyboardAndMouse::{
    INPUT, INPUT_0, INPUT_KEYBOARD, INPUT_MOUSE, KEYBDINPUT, KEYEVENTF_EXTENDEDKEY,
    KEYEVENTF_KEYUP, KEYEVENTF_SCANCODE, KEYEVENTF_UNICODE, MAPVK_VSC_TO_VK_EX,
    MOUSEEVENTF_ABSOLUTE, MOUSEEVENTF_HWHEEL, MOUSEEVENTF_LEFTDOWN, MOUSEEVENTF_LEFTUP,
    MOUSEEVENTF_MIDDLEDOWN, MOUSEEVENTF_MIDDLEUP, MOUSEEVENTF_MOVE, MOUSEEVENTF_RIGHTDOWN,
    MOUSEEVENTF_RIGHTUP, MOUSEEVENTF_VIRTUALDESK, MOUSEEVENTF_WHEEL, MOUSEEVENTF_XDOWN,
    MOUSEEVENTF_XUP, MOUSEINPUT, MapVirtualKeyW, SendInput,
};
use windows_sys::Win32::UI::WindowsAndMessaging::{XBUTTON1, XBUTTON2};

/// Where scan codes of extended keys begin, for the call that translates them.
const EXTENDED: u32 = 0xe000;

/// A button of the mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    Left,
    Right,
    Middle,
    /// Back, on most mice.
    Fourth,
    /// Forward, on most mice.
    Fifth,
}

/// A key by its scan code (set 1), which the keyboard layout of the PC gives a meaning.
pub fn key(code: u8, extended: bool, down: bool) -> io::Result<()> {
    let mut flags = KEYEVENTF_SCANCODE;
    let mut scan = u32::from(code);
    if extended {
        flags |= KEYEVENTF_EXTENDEDKEY;
        scan |= EXTENDED;
    }
    // SAFETY: the call takes no pointers.
    let virtual_key = unsafe { MapVirtualKeyW(scan, MAPVK_VSC_TO_VK_EX) };
    // Windows reads the scan code alone; Wine wants both.
    let virtual_key = u16::try_from(virtual_key).unwrap_or(0);
    keyboard(virtual_key, code.into(), flags, down)
}

/// A letter by one unit of its UTF-16, whatever the keyboard layout.
pub fn letter(unit: u16, down: bool) -> io::Result<()> {
    keyboard(0, unit, KEYEVENTF_UNICODE, down)
}

/// Moves the pointer, in parts of the rectangle around all monitors, of which there are 65536 in
/// each direction.
pub fn point(x: u16, y: u16) -> io::Result<()> {
    let flags = MOUSEEVENTF_MOVE | MOUSEEVENTF_ABSOLUTE | MOUSEEVENTF_VIRTUALDESK;
    mouse(x.into(), y.into(), 0, flags)
}

pub fn button(button: Button, down: bool) -> io::Result<()> {
    let (pressed, released, data) = match button {
        Button::Left => (MOUSEEVENTF_LEFTDOWN, MOUSEEVENTF_LEFTUP, 0),
        Button::Right => (MOUSEEVENTF_RIGHTDOWN, MOUSEEVENTF_RIGHTUP, 0),
        Button::Middle => (MOUSEEVENTF_MIDDLEDOWN, MOUSEEVENTF_MIDDLEUP, 0),
        Button::Fourth => (MOUSEEVENTF_XDOWN, MOUSEEVENTF_XUP, u32::from(XBUTTON1)),
        Button::Fifth => (MOUSEEVENTF_XDOWN, MOUSEEVENTF_XUP, u32::from(XBUTTON2)),
    };
    mouse(0, 0, data, if down { pressed } else { released })
}

/// Turns a wheel; a notch is 120, up or right.
pub fn wheel(units: i32, is_horizontal: bool) -> io::Result<()> {
    let flags = if is_horizontal {
        MOUSEEVENTF_HWHEEL
    } else {
        MOUSEEVENTF_WHEEL
    };
    mouse(0, 0, units.cast_unsigned(), flags)
}

fn keyboard(virtual_key: u16, scan: u16, flags: u32, down: bool) -> io::Result<()> {
    let up = if down { 0 } else { KEYEVENTF_KEYUP };
    send(INPUT {
        r#type: INPUT_KEYBOARD,
        Anonymous: INPUT_0 {
            ki: KEYBDINPUT {
                wVk: virtual_key,
                wScan: scan,
                dwFlags: flags | up,
                ..Default::default()
            },
        },
    })
}

fn mouse(dx: i32, dy: i32, data: u32, flags: u32) -> io::Result<()> {
    send(INPUT {
        r#type: INPUT_MOUSE,
        Anonymous: INPUT_0 {
            mi: MOUSEINPUT {
                dx,
                dy,
                mouseData: data,
                dwFlags: flags,
                ..Default::default()
            },
        },
    })
}

/// # Errors
///
/// Windows has not taken it: a program with more rights is in front, or another desktop.
fn send(input: INPUT) -> io::Result<()> {
    let size = i32::try_from(size_of::<INPUT>()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: one event of that size is there.
    let taken = unsafe { SendInput(1, &raw const input, size) };
    if taken == 1 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
