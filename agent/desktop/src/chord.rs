//! The keys that take the desktop off the screen at home, Ctrl+Alt+Shift+F (pure).
//!
//! Counts what the viewer holds, whatever of it this PC has been told.

use std::collections::BTreeSet;

use crate::hands::Key;

/// Ctrl, Alt and Shift, each left and right.
const TOGETHER: [[Key; 2]; 3] = [
    [key(0x1d, false), key(0x1d, true)],
    [key(0x38, false), key(0x38, true)],
    [key(0x2a, false), key(0x36, false)],
];
const F: Key = key(0x21, false);

const fn key(code: u8, extended: bool) -> Key {
    Key { code, extended }
}

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It is for this PC.
    Typed,
    /// It completes the keys.
    Leave,
    /// It belongs to an F that completed them.
    Nothing,
}

/// The hand of a viewer on these keys.
#[derive(Debug, Default)]
pub(crate) struct Chord {
    /// Of Ctrl, Alt, Shift and F.
    held: BTreeSet<Key>,
    /// The F that is held has completed them.
    is_complete: bool,
}

impl Chord {
    pub(crate) fn on(&mut self, key: Key, down: bool) -> Meaning {
        let is_new = if !down {
            self.held.remove(&key);
            false
        } else if key == F || TOGETHER.as_flattened().contains(&key) {
            self.held.insert(key)
        } else {
            false
        };
        if key != F {
            return Meaning::Typed;
        }
        let was_complete = self.is_complete;
        let completes = is_new && self.are_together();
        self.is_complete = down && (was_complete || completes);
        match (completes, was_complete) {
            (true, _) => Meaning::Leave,
            (false, true) => Meaning::Nothing,
            (false, false) => Meaning::Typed,
        }
    }

    /// The viewer holds nothing.
    pub(crate) fn let_go(&mut self) {
        *self = Self::default();
    }

    fn are_together(&self) -> bool {
        let is_held = |sides: &[Key; 2]| sides.iter().any(|key| self.held.contains(key));
        TOGETHER.iter().all(is_held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CTRL: Key = TOGETHER[0][0];
    const RIGHT_CTRL: Key = TOGETHER[0][1];
    const ALT: Key = TOGETHER[1][0];
    const RIGHT_ALT: Key = TOGETHER[1][1];
    const SHIFT: Key = TOGETHER[2][0];
    const RIGHT_SHIFT: Key = TOGETHER[2][1];
    const G: Key = key(0x22, false);

    fn holding(keys: &[Key]) -> Chord {
        let mut chord = Chord::default();
        for key in keys {
            assert_eq!(chord.on(*key, true), Meaning::Typed);
        }
        chord
    }

    #[test]
    fn f_with_the_three_of_either_side_leaves_and_nothing_of_it_is_typed() {
        for keys in [
            [CTRL, ALT, SHIFT],
            [RIGHT_SHIFT, CTRL, RIGHT_ALT],
            [RIGHT_CTRL, RIGHT_ALT, RIGHT_SHIFT],
        ] {
            let mut chord = holding(&keys);

            assert_eq!(chord.on(F, true), Meaning::Leave);
            assert_eq!(chord.on(F, true), Meaning::Nothing, "a repeat");
            // The others are let go first; F goes on repeating.
            for key in keys {
                assert_eq!(chord.on(key, false), Meaning::Typed);
                assert_eq!(chord.on(F, true), Meaning::Nothing);
            }
            assert_eq!(chord.on(F, false), Meaning::Nothing);
            assert_eq!(chord.on(F, true), Meaning::Typed, "an F of its own");
            assert_eq!(chord.on(F, false), Meaning::Typed);
        }
    }

    #[test]
    fn it_can_be_pressed_again_while_the_others_stay_held() {
        let mut chord = holding(&[CTRL, ALT, SHIFT]);

        for _ in 0..3 {
            assert_eq!(chord.on(F, true), Meaning::Leave);
            assert_eq!(chord.on(F, false), Meaning::Nothing);
        }
    }

    #[test]
    fn anything_less_or_else_is_typed() {
        for keys in [
            &[][..],
            &[CTRL, ALT],
            &[ALT, SHIFT],
            &[CTRL, SHIFT, RIGHT_CTRL],
        ] {
            assert_eq!(holding(keys).on(F, true), Meaning::Typed, "{keys:?}");
        }
        let mut chord = holding(&[CTRL, ALT, SHIFT]);
        assert_eq!(chord.on(G, true), Meaning::Typed);
        assert_eq!(chord.on(key(F.code, true), true), Meaning::Typed);
        assert_eq!(chord.on(ALT, false), Meaning::Typed);
        assert_eq!(chord.on(F, true), Meaning::Typed);
    }

    #[test]
    fn an_f_that_was_held_before_the_others_does_not_count() {
        let mut chord = holding(&[F, CTRL, ALT, SHIFT]);

        assert_eq!(chord.on(F, true), Meaning::Typed, "a repeat");
        assert_eq!(chord.on(F, false), Meaning::Typed);
        assert_eq!(chord.on(F, true), Meaning::Leave);
    }

    #[test]
    fn a_viewer_that_holds_nothing_any_more_has_to_press_all_again() {
        let mut chord = holding(&[CTRL, ALT, SHIFT]);
        assert_eq!(chord.on(F, true), Meaning::Leave);

        chord.let_go();

        assert_eq!(chord.on(F, true), Meaning::Typed);
    }
}
