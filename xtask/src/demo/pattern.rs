//! The wallpaper of one run: two blues in a random mosaic.
//!
//! A picture that shows this mosaic was taken of this run's desktop: no earlier picture, blank
//! screen or error message has it by chance.

use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result, bail};

use super::picture::Picture;

/// Blocks across and down.
const COLUMNS: usize = 16;
const ROWS: usize = 12;

/// The side of a block in pixels.
const BLOCK: usize = 64;

/// The size of a desktop that the mosaic covers exactly once.
pub(super) const WIDTH: usize = COLUMNS * BLOCK;
pub(super) const HEIGHT: usize = ROWS * BLOCK;

type Colour = [u8; 3];
const DARK: Colour = [0x16, 0x3a, 0x5f];
const LIGHT: Colour = [0x23, 0x55, 0x82];

/// How far a colour may be off in each channel: RDP may compress with loss.
const TOLERANCE: u8 = 16;

/// Part of the blocks that has to be seen; windows may cover the rest, and have to cover some.
const SEEN_PERCENT: std::ops::RangeInclusive<usize> = 40..=85;

/// Which blocks are light, row by row.
pub(super) struct Pattern {
    light: Vec<bool>,
}

impl Pattern {
    pub(super) fn random() -> Result<Self> {
        let mut bytes = [0; COLUMNS * ROWS];
        File::open("/dev/urandom")
            .and_then(|mut source| source.read_exact(&mut bytes))
            .context("no randomness from the system")?;
        Ok(Self {
            light: bytes.iter().map(|byte| byte & 1 == 1).collect(),
        })
    }

    /// The mosaic as an X bitmap, which `xsetroot` paints.
    pub(super) fn bitmap(&self) -> String {
        let mut text = format!(
            "#define tasuki_width {WIDTH}\n#define tasuki_height {HEIGHT}\n\
             static char tasuki_bits[] = {{\n"
        );
        for row in self.light.chunks(COLUMNS) {
            let line: String = row
                .iter()
                .flat_map(|light| [if *light { "0xff," } else { "0x00," }; BLOCK / 8])
                .collect();
            for _ in 0..BLOCK {
                text.push_str(&line);
                text.push('\n');
            }
        }
        text.push_str("};\n");
        text
    }

    /// The colours for set and unset bits, as `xsetroot` reads them.
    pub(super) fn colours() -> [String; 2] {
        [LIGHT, DARK].map(|[red, green, blue]| format!("#{red:02x}{green:02x}{blue:02x}"))
    }

    /// Counts the blocks that a picture shows.
    ///
    /// # Errors
    ///
    /// Says what is wrong with a picture that does not show this mosaic.
    pub(super) fn find_in(&self, picture: &Picture) -> Result<usize> {
        let mut right = 0;
        let mut wrong = 0;
        for (index, light) in self.light.iter().enumerate() {
            match seen(picture, index % COLUMNS, index / COLUMNS) {
                Some(seen) if seen == *light => right += 1,
                Some(_) => wrong += 1,
                None => {}
            }
        }
        if wrong > 0 {
            bail!("the wallpaper is another one: {wrong} blocks differ from this run's");
        }
        let blocks = self.light.len();
        let percent = right * 100 / blocks;
        if percent < *SEEN_PERCENT.start() {
            bail!("the wallpaper is not there: {right} of {blocks} blocks seen");
        }
        if percent > *SEEN_PERCENT.end() {
            bail!("the desktop is empty: {right} of {blocks} blocks of its wallpaper seen");
        }
        Ok(right)
    }
}

/// Whether a block is light or dark; `None` when something else is there.
fn seen(picture: &Picture, column: usize, row: usize) -> Option<bool> {
    let middle = |block: usize| block * BLOCK + BLOCK / 4..block * BLOCK + BLOCK * 3 / 4;
    let all = |colour: Colour| {
        middle(row).all(|y| middle(column).all(|x| picture.at(x, y).is_some_and(near(colour))))
    };
    if all(LIGHT) {
        Some(true)
    } else {
        all(DARK).then_some(false)
    }
}

fn near(wanted: Colour) -> impl Fn(Colour) -> bool {
    move |colour| {
        colour
            .iter()
            .zip(wanted)
            .all(|(a, b)| a.abs_diff(b) <= TOLERANCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(pattern: &Pattern) -> Picture {
        Picture::drawn(WIDTH, HEIGHT, |x, y| {
            if pattern.light[y / BLOCK * COLUMNS + x / BLOCK] {
                LIGHT
            } else {
                DARK
            }
        })
    }

    #[test]
    fn windows_have_to_cover_some_of_it_but_not_most() {
        let pattern = Pattern::random().unwrap();
        let desktop = painted(&pattern);
        let covered = |columns: usize| {
            let window = columns * BLOCK;
            Picture::drawn(WIDTH, HEIGHT, |x, y| {
                if x < window {
                    [255; 3]
                } else {
                    desktop.at(x, y).unwrap()
                }
            })
        };

        assert!(pattern.find_in(&desktop).is_err());
        assert!(pattern.find_in(&covered(2)).is_err());
        assert_eq!(pattern.find_in(&covered(3)).unwrap(), 13 * ROWS);
        assert_eq!(pattern.find_in(&covered(9)).unwrap(), 7 * ROWS);
        assert!(pattern.find_in(&covered(10)).is_err());
    }

    #[test]
    fn blank_foreign_and_small_pictures_are_refused() {
        let pattern = Pattern::random().unwrap();
        let blank = Picture::drawn(WIDTH, HEIGHT, |_, _| DARK);
        let black = Picture::drawn(WIDTH, HEIGHT, |_, _| [0; 3]);
        let small = Picture::drawn(1, 1, |_, _| LIGHT);
        let foreign = painted(&Pattern::random().unwrap());

        for picture in [blank, black, small, foreign] {
            assert!(pattern.find_in(&picture).is_err());
        }
    }

    #[test]
    fn the_bitmap_has_every_bit() {
        let text = Pattern::random().unwrap().bitmap();

        assert_eq!(text.matches("0x").count(), WIDTH * HEIGHT / 8);
    }
}
