//! What a mouse pointer looks like.

/// A pointer is at most as large in each direction, in pixels ([MS-RDPBCGR] 2.2.9.1.1.4.4).
pub const SIDE_MAX: u16 = 96;

const PIXEL: usize = 4;

/// A mouse pointer as RDP has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    pub width: u16,
    pub height: u16,
    /// The pixel that points, from the upper left corner.
    pub hot: (u16, u16),
    /// Rows from the bottom, pixels of blue, green, red and how much of them covers what is below.
    pub pixels: Vec<u8>,
}

impl Shape {
    /// The pointer that looks like `on_black` before black and like `on_white` before white: rows
    /// from the top, four bytes a pixel. `None` when it is too large, or not as many bytes.
    ///
    /// What it covers fully looks the same both times; what it does not touch differs by 255.
    /// Pixels that turn what is below around (the bar in texts) become black, as everywhere where
    /// pointers have colours.
    pub fn new(
        (width, height): (u16, u16),
        (x, y): (u16, u16),
        on_black: &[u8],
        on_white: &[u8],
    ) -> Option<Self> {
        let row = usize::from(width) * PIXEL;
        let size = row * usize::from(height);
        let fits = (1..=SIDE_MAX).contains(&width) && (1..=SIDE_MAX).contains(&height);
        if !fits || on_black.len() != size || on_white.len() != size {
            return None;
        }
        let rows = on_black.chunks_exact(row).zip(on_white.chunks_exact(row));
        let pixels = rows.rev().flat_map(|(black, white)| {
            let pixels = black.chunks_exact(PIXEL).zip(white.chunks_exact(PIXEL));
            pixels.flat_map(|(black, white)| pixel(black, white))
        });
        Some(Self {
            width,
            height,
            hot: (x.min(width - 1), y.min(height - 1)),
            pixels: pixels.collect(),
        })
    }
}

fn pixel(black: &[u8], white: &[u8]) -> [u8; PIXEL] {
    let turns = black.iter().zip(white).take(3).any(|(b, w)| b > w);
    match (black, white) {
        (_, _) if turns => [0, 0, 0, 255],
        ([blue, green, red, ..], [_, below, ..]) => {
            [*blue, *green, *red, 255 - below.saturating_sub(*green)]
        }
        _ => [0; PIXEL],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covered_clear_half_and_turning_pixels_are_told_apart() {
        let on_black = [[9, 8, 7, 0], [0, 0, 0, 0], [0, 0, 128, 0], [255; 4]].concat();
        let on_white = [[9, 8, 7, 0], [255; 4], [127, 127, 255, 0], [0; 4]].concat();

        let shape = Shape::new((2, 2), (5, 1), &on_black, &on_white).expect("is a pointer");

        // The lower row comes first.
        let wanted = [[0, 0, 128, 128], [0, 0, 0, 255], [9, 8, 7, 255], [0; 4]];
        assert_eq!(shape.pixels, wanted.concat());
        assert_eq!(shape.hot, (1, 1), "a point outside of the picture");
    }

    #[test]
    fn the_largest_pointer_passes_and_a_larger_one_does_not() {
        let picture = |side: u16| vec![0; usize::from(side) * usize::from(side) * PIXEL];
        let new = |side| Shape::new((side, side), (0, 0), &picture(side), &picture(side));

        assert!(new(SIDE_MAX).is_some());
        assert!(new(SIDE_MAX + 1).is_none());
        assert!(new(0).is_none());
        assert!(Shape::new((1, 1), (0, 0), &[0; 4], &[0; 3]).is_none());
    }
}
