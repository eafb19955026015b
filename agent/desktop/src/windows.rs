//! The desktop of Windows, as `tasuki_desktop` wants it.

use std::io;
use std::thread;
use std::time::Duration;

use agent_windows::clipboard::{self, Open};
use agent_windows::cursor::{Cursor, Look};
use agent_windows::input;
use agent_windows::screen::{self, Area, Camera};
use tasuki_desktop::film::{Pointer, Size};
use tasuki_desktop::hands::{Button, Key};
use tasuki_desktop::shape::Shape;
use tasuki_desktop::{Clipboard, Input, Screen};

/// How often the clipboard is asked for while another program has it open, and how long to wait
/// in between: half a second in all.
const OPEN_TRIES: u32 = 25;
const OPEN_WAIT: Duration = Duration::from_millis(20);

/// The size of all monitors together.
pub(crate) fn size() -> Size {
    let Area { width, height, .. } = Area::now();
    Size::shown(width, height)
}

/// What all monitors show. It stays in one thread.
#[derive(Default)]
pub(crate) struct Monitors {
    /// A camera and what it was made for.
    camera: Option<(Area, Camera)>,
    pointer: Option<Option<Cursor>>,
}

impl Monitors {
    fn camera(&mut self, area: Area) -> io::Result<&mut Camera> {
        let fits = self.camera.as_ref().is_some_and(|(made, _)| *made == area);
        let camera = match self.camera.take() {
            Some((_, camera)) if fits => camera,
            _ => Camera::new(area)?,
        };
        Ok(&mut self.camera.insert((area, camera)).1)
    }
}

impl Screen for Monitors {
    fn size(&mut self) -> Size {
        size()
    }

    fn look(&mut self, size: Size) -> Option<&[u8]> {
        if !screen::is_open() {
            return None;
        }
        let Size { width, height } = size;
        let area = Area {
            width,
            height,
            ..Area::now()
        };
        // A screen that has just gone, or is looked at by nobody else: there is nothing to see.
        self.camera(area).ok()?.shoot().ok()
    }

    fn pointer(&mut self) -> Option<Pointer> {
        let now = Cursor::now().ok()?;
        if self.pointer == Some(now) {
            return None;
        }
        self.pointer = Some(now);
        Some(match now {
            None => Pointer::Hidden,
            Some(cursor) => shape(cursor).map_or(Pointer::Default, Pointer::Shaped),
        })
    }
}

fn shape(cursor: Cursor) -> Option<Shape> {
    let Look {
        width,
        height,
        hot,
        on_black,
        on_white,
    } = cursor.look().ok()?;
    Shape::new((width, height), hot, &on_black, &on_white)
}

/// Keyboard and mouse of the PC. What Windows does not take is not done, and nobody is told: the
/// viewer sees it, and each single movement would be a line in a log.
#[derive(Debug)]
pub(crate) struct Desk;

impl Input for Desk {
    fn key(&mut self, key: Key, down: bool) {
        let _ = input::key(key.code, key.extended, down);
    }

    fn letter(&mut self, unit: u16, down: bool) {
        let _ = input::letter(unit, down);
    }

    fn point(&mut self, x: u16, y: u16) {
        let _ = input::point(x, y);
    }

    fn button(&mut self, button: Button, down: bool) {
        let button = match button {
            Button::Left => input::Button::Left,
            Button::Right => input::Button::Right,
            Button::Middle => input::Button::Middle,
            Button::Fourth => input::Button::Fourth,
            Button::Fifth => input::Button::Fifth,
        };
        let _ = input::button(button, down);
    }

    fn wheel(&mut self, units: i32, is_horizontal: bool) {
        let _ = input::wheel(units, is_horizontal);
    }
}

/// The clipboard of the PC.
#[derive(Debug)]
pub(crate) struct Board;

impl Clipboard for Board {
    fn version(&mut self) -> u32 {
        clipboard::version()
    }

    fn has_text(&mut self) -> bool {
        clipboard::has_text()
    }

    fn text(&mut self, units_max: usize) -> io::Result<Option<Vec<u16>>> {
        open()?.text(units_max)
    }

    fn set_text(&mut self, units: &[u16]) -> io::Result<()> {
        open()?.set_text(units)
    }
}

/// Opens the clipboard, which other programs have open for moments.
fn open() -> io::Result<Open> {
    for _ in 1..OPEN_TRIES {
        if let Ok(open) = Open::new() {
            return Ok(open);
        }
        thread::sleep(OPEN_WAIT);
    }
    Open::new()
}
