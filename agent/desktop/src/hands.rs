//! What a viewer does with keyboard and mouse, as it is done on this PC.
//!
//! Holds what is pressed, so that a session that ends leaves nothing pressed.
//! Keys are scan codes: the keyboard layout of this PC gives them their meaning, a Japanese one as
//! any other, and so does its input method. Letters come from viewers that have a keyboard of
//! their own on the screen.

use std::collections::BTreeSet;

use crate::chord::{Chord, Meaning};
use crate::film::Size;

/// Keys and buttons held at once: more than any keyboard can tell apart. What is pressed beyond
/// that is passed on, and left to the viewer to let go.
const HELD_MAX: usize = 64;

/// What the system does. Nothing is told when it does not, as when a program with more rights is
/// in front: the viewer sees it.
pub trait Input {
    fn key(&mut self, key: Key, down: bool);
    /// A unit of UTF-16.
    fn letter(&mut self, unit: u16, down: bool);
    /// In parts of the whole screen, of which there are 65536 in each direction.
    fn point(&mut self, x: u16, y: u16);
    fn button(&mut self, button: Button, down: bool);
    /// A notch is 120, up or right.
    fn wheel(&mut self, units: i32, is_horizontal: bool);
}

/// A key of the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its scan code (set 1).
    pub code: u8,
    /// One that came later than the first keyboards: arrows, the right Ctrl.
    pub extended: bool,
}

/// A button of the mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Button {
    Left,
    Right,
    Middle,
    Fourth,
    Fifth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Held {
    Key(Key),
    Letter(u16),
    Button(Button),
}

/// The hands of one viewer.
#[derive(Debug)]
pub struct Hands<I: Input> {
    input: I,
    held: BTreeSet<Held>,
    chord: Chord,
}

impl<I: Input> Hands<I> {
    pub fn new(input: I) -> Self {
        Self {
            input,
            held: BTreeSet::new(),
            chord: Chord::default(),
        }
    }

    /// Says whether this key is the one by which the viewer leaves full screen: it is not pressed
    /// here, and what was pressed for it is let go, since its end may stay at home.
    pub fn key(&mut self, key: Key, down: bool) -> bool {
        match self.chord.on(key, down) {
            Meaning::Typed => {
                self.input.key(key, down);
                self.note(Held::Key(key), down);
                false
            }
            Meaning::Leave => {
                self.release();
                true
            }
            Meaning::Nothing => false,
        }
    }

    pub fn letter(&mut self, unit: u16, down: bool) {
        self.input.letter(unit, down);
        self.note(Held::Letter(unit), down);
    }

    pub fn button(&mut self, button: Button, down: bool) {
        self.input.button(button, down);
        self.note(Held::Button(button), down);
    }

    pub fn wheel(&mut self, units: i32, is_horizontal: bool) {
        self.input.wheel(units, is_horizontal);
    }

    /// Moves the pointer to a pixel of a screen of that size.
    pub fn point(&mut self, x: u16, y: u16, size: Size) {
        self.input
            .point(share(x, size.width), share(y, size.height));
    }

    /// Lets go of everything: the viewer holds nothing.
    pub fn let_go(&mut self) {
        self.chord.let_go();
        self.release();
    }

    fn release(&mut self) {
        for held in std::mem::take(&mut self.held) {
            match held {
                Held::Key(key) => self.input.key(key, false),
                Held::Letter(unit) => self.input.letter(unit, false),
                Held::Button(button) => self.input.button(button, false),
            }
        }
    }

    fn note(&mut self, held: Held, down: bool) {
        if !down {
            self.held.remove(&held);
        } else if self.held.len() < HELD_MAX {
            self.held.insert(held);
        }
    }
}

impl<I: Input> Drop for Hands<I> {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Where a pixel lies when `length` of them are 65536: the least that Windows, which rounds down,
/// turns into this pixel again.
fn share(pixel: u16, length: u16) -> u16 {
    let length = u32::from(length.max(1));
    let pixel = u32::from(pixel).min(length - 1);
    u16::try_from((pixel << 16).div_ceil(length)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTROL: Key = Key {
        code: 0x1d,
        extended: true,
    };

    /// Writes down what it is told.
    #[derive(Debug, Default)]
    struct Diary(Vec<String>);

    impl Input for &mut Diary {
        fn key(&mut self, key: Key, down: bool) {
            self.0.push(format!("key {:#x} {down}", key.code));
        }

        fn letter(&mut self, unit: u16, down: bool) {
            self.0.push(format!("letter {unit:#x} {down}"));
        }

        fn point(&mut self, x: u16, y: u16) {
            self.0.push(format!("point {x} {y}"));
        }

        fn button(&mut self, button: Button, down: bool) {
            self.0.push(format!("button {button:?} {down}"));
        }

        fn wheel(&mut self, units: i32, is_horizontal: bool) {
            self.0.push(format!("wheel {units} {is_horizontal}"));
        }
    }

    #[test]
    fn what_is_still_pressed_is_let_go_at_the_end_and_only_that() {
        let mut diary = Diary::default();
        let mut hands = Hands::new(&mut diary);

        hands.key(CONTROL, true);
        hands.button(Button::Left, true);
        hands.letter(0x3042, true);
        hands.letter(0x3042, false);
        drop(hands);

        let last = &diary.0[diary.0.len() - 2..];
        assert_eq!(last, ["key 0x1d false", "button Left false"]);
        assert_eq!(diary.0.len(), 6);
    }

    #[test]
    fn nothing_is_let_go_twice() {
        let mut diary = Diary::default();
        let mut hands = Hands::new(&mut diary);

        hands.key(CONTROL, true);
        hands.let_go();
        hands.let_go();
        drop(hands);

        assert_eq!(diary.0, ["key 0x1d true", "key 0x1d false"]);
    }

    #[test]
    fn the_key_that_leaves_full_screen_is_not_pressed_and_leaves_nothing_pressed() {
        let mut diary = Diary::default();
        let mut hands = Hands::new(&mut diary);
        let keys = [0x38, 0x2a].map(|code| Key {
            code,
            extended: false,
        });
        let f = Key {
            code: 0x21,
            extended: false,
        };

        for key in [CONTROL].iter().chain(&keys) {
            assert!(!hands.key(*key, true));
        }
        assert!(hands.key(f, true));
        assert!(hands.held.is_empty(), "let go at once");
        assert!(!hands.key(f, true) && !hands.key(f, false));
        assert!(hands.key(f, true), "the viewer holds the others still");
        drop(hands);

        let expected = [
            "key 0x1d true",
            "key 0x38 true",
            "key 0x2a true",
            "key 0x1d false",
            "key 0x2a false",
            "key 0x38 false",
        ];
        assert_eq!(diary.0, expected);
    }

    #[test]
    fn no_more_is_held_than_the_limit_but_all_is_passed_on() {
        let mut diary = Diary::default();
        let mut hands = Hands::new(&mut diary);

        for unit in 0..=u16::try_from(HELD_MAX).expect("is small") {
            hands.letter(unit, true);
        }
        assert_eq!(hands.held.len(), HELD_MAX);
        drop(hands);

        assert_eq!(diary.0.len(), HELD_MAX + 1 + HELD_MAX);
    }

    #[test]
    fn every_pixel_is_found_again() {
        for length in [1, 2, 1023, 1024, 1920, 5760, 8192] {
            for pixel in 0..length {
                let share = u32::from(share(pixel, length));
                // As Windows does it.
                let found = (share * u32::from(length)) >> 16;
                assert_eq!(found, u32::from(pixel), "of {length}");
            }
        }
    }

    #[test]
    fn a_point_outside_lies_on_the_edge() {
        assert_eq!(share(u16::MAX, 800), share(799, 800));
        assert_eq!(share(5, 1), 0);
        assert_eq!(share(5, 0), 0);
    }
}
