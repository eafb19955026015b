//! What has changed on the screen since the last look.
//!
//! One look is one update at most, and the next look waits until it was taken: a slow path makes
//! fewer pictures, not a queue of them.

use crate::shape::Shape;

/// Bytes of a pixel: blue, green, red and one that means nothing.
pub const PIXEL: usize = 4;

/// No screen is longer or higher ([MS-RDPBCGR] 2.2.7.1.2); what lies beyond is not shown.
const SIDE_MAX: u16 = 8192;

/// What the viewer sees where there is nothing to be seen.
const CURTAIN: [u8; PIXEL] = [0x60, 0x60, 0x60, 0xff];

/// In pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub width: u16,
    pub height: u16,
}

impl Size {
    /// A size that can be shown.
    pub fn shown(width: u16, height: u16) -> Self {
        Self {
            width: width.clamp(1, SIDE_MAX),
            height: height.clamp(1, SIDE_MAX),
        }
    }

    /// Bytes of a picture's row.
    pub fn row(self) -> usize {
        usize::from(self.width) * PIXEL
    }

    /// Bytes of a picture.
    pub fn bytes(self) -> usize {
        self.row() * usize::from(self.height)
    }
}

/// What the system shows.
pub trait Screen {
    /// All monitors in one rectangle.
    fn size(&mut self) -> Size;

    /// The picture now, rows from the top, [`PIXEL`] bytes a pixel, as many as `size` wants.
    /// `None` while nobody may look at it: the PC is locked, or an administrator is asked for.
    fn look(&mut self, size: Size) -> Option<&[u8]>;

    /// What the mouse pointer looks like, if it has changed since the last question.
    fn pointer(&mut self) -> Option<Pointer>;
}

/// The mouse pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pointer {
    Hidden,
    Shaped(Shape),
    /// The viewer's own arrow.
    Default,
}

/// What the viewer has to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// The screen has another size. A new film begins with that size.
    Resized(Size),
    /// Rows that have changed, over the whole width.
    Rows {
        /// The first row, from the top.
        top: u16,
        pixels: Vec<u8>,
    },
    Pointer(Pointer),
}

/// The screen, from the first look to a change of its size.
#[derive(Debug)]
pub struct Film<S> {
    screen: S,
    size: Size,
    /// What the viewer has; nothing before the first look.
    shown: Vec<u8>,
}

impl<S: Screen> Film<S> {
    pub fn new(screen: S, size: Size) -> Self {
        Self {
            screen,
            size,
            shown: Vec::new(),
        }
    }

    /// Looks once. The first update with pixels has all of them.
    pub fn look(&mut self) -> Option<Update> {
        let size = self.screen.size();
        if size != self.size {
            return Some(Update::Resized(size));
        }
        // First, since a picture that never rests would leave it no turn.
        if let Some(pointer) = self.screen.pointer() {
            return Some(Update::Pointer(pointer));
        }
        self.changed_rows()
    }

    fn changed_rows(&mut self) -> Option<Update> {
        let curtain;
        let now = match self.screen.look(self.size) {
            Some(pixels) if pixels.len() == self.size.bytes() => pixels,
            _ => {
                curtain = CURTAIN.repeat(self.size.bytes() / PIXEL);
                &curtain
            }
        };
        let row = self.size.row();
        let (from, to) = changed(&self.shown, now, row)?;
        let top = u16::try_from(from / row).ok()?;
        let pixels = now.get(from..to)?.to_vec();
        if self.shown.len() == now.len() {
            self.shown.get_mut(from..to)?.copy_from_slice(&pixels);
        } else {
            self.shown.clone_from(&pixels);
        }
        Some(Update::Rows { top, pixels })
    }
}

/// From the first to the last row that differs, in bytes; all rows when the lengths differ.
fn changed(old: &[u8], new: &[u8], row: usize) -> Option<(usize, usize)> {
    if old.len() != new.len() {
        return Some((0, new.len()));
    }
    let differs = |(old, new): (&[u8], &[u8])| old != new;
    let pairs = || old.chunks_exact(row).zip(new.chunks_exact(row));
    let first = pairs().position(differs)?;
    let last = pairs().rposition(differs)?;
    Some((first * row, (last + 1) * row))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        width: 2,
        height: 4,
    };

    /// A screen whose pictures are set.
    struct Easel {
        size: Size,
        picture: Option<Vec<u8>>,
        pointer: Option<Pointer>,
    }

    impl Easel {
        fn new() -> Self {
            Self {
                size: SIZE,
                picture: Some(vec![7; SIZE.bytes()]),
                pointer: None,
            }
        }
    }

    impl Screen for Easel {
        fn size(&mut self) -> Size {
            self.size
        }

        fn look(&mut self, _: Size) -> Option<&[u8]> {
            self.picture.as_deref()
        }

        fn pointer(&mut self) -> Option<Pointer> {
            self.pointer.take()
        }
    }

    fn film() -> Film<Easel> {
        let mut film = Film::new(Easel::new(), SIZE);
        film.look();
        film
    }

    fn paint(film: &mut Film<Easel>, row: usize) {
        let picture = film.screen.picture.as_mut().expect("is there");
        picture[row * SIZE.row()] ^= 1;
    }

    #[test]
    fn the_first_look_shows_everything_and_the_next_nothing() {
        let mut film = Film::new(Easel::new(), SIZE);

        let pixels = vec![7; SIZE.bytes()];
        assert_eq!(film.look(), Some(Update::Rows { top: 0, pixels }));
        assert_eq!(film.look(), None);
    }

    #[test]
    fn only_rows_between_the_first_and_the_last_change_are_sent() {
        let mut film = film();

        paint(&mut film, 1);
        paint(&mut film, 2);

        let Some(Update::Rows { top, pixels }) = film.look() else {
            panic!("nothing was sent");
        };
        assert_eq!((top, pixels.len()), (1, 2 * SIZE.row()));
        assert_eq!(film.look(), None, "it is shown now");
    }

    #[test]
    fn a_change_in_the_last_row_is_seen() {
        let mut film = film();

        paint(&mut film, 3);

        assert!(matches!(film.look(), Some(Update::Rows { top: 3, .. })));
    }

    #[test]
    fn what_nobody_may_see_is_a_curtain_until_it_is_seen_again() {
        let mut film = film();
        let picture = film.screen.picture.take();

        let pixels = CURTAIN.repeat(8);
        assert_eq!(film.look(), Some(Update::Rows { top: 0, pixels }));
        assert_eq!(film.look(), None, "the curtain stays");
        film.screen.picture = picture;
        assert!(matches!(film.look(), Some(Update::Rows { top: 0, .. })));
    }

    #[test]
    fn a_picture_of_another_length_is_never_sent() {
        let mut film = film();

        film.screen.picture = Some(vec![7; SIZE.bytes() + 1]);

        let pixels = CURTAIN.repeat(8);
        assert_eq!(film.look(), Some(Update::Rows { top: 0, pixels }));
    }

    #[test]
    fn another_size_comes_before_everything_else() {
        let mut film = film();

        film.screen.size = Size::shown(0, u16::MAX);
        film.screen.pointer = Some(Pointer::Hidden);
        paint(&mut film, 0);

        let size = Size {
            width: 1,
            height: SIDE_MAX,
        };
        assert_eq!(film.look(), Some(Update::Resized(size)));
    }

    #[test]
    fn a_picture_that_never_rests_leaves_the_pointer_its_turn() {
        let mut film = film();

        film.screen.pointer = Some(Pointer::Hidden);
        paint(&mut film, 0);

        assert_eq!(film.look(), Some(Update::Pointer(Pointer::Hidden)));
        assert!(matches!(film.look(), Some(Update::Rows { .. })));
        assert_eq!(film.look(), None);
    }
}
