//! What a virtual screen shows, read from the frame buffer file of Xvfb and saved as PNG.
//!
//! The file is in the XWD format: a header of 25 big-endian words, a window name, colours, pixels.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// The format's version, and the bytes of one entry of its colour table.
const XWD_VERSION: usize = 7;
const COLOUR_ENTRY_BYTES: usize = 12;

/// No screen of the demo is larger in either direction.
const SIDE_MAX: usize = 8192;

/// The most that a codec changes one of a pixel's three colours, of 255.
const LOSS: u8 = 64;

/// Pixels of red, green and blue.
#[derive(PartialEq, Eq)]
pub(super) struct Picture {
    width: usize,
    rgb: Vec<u8>,
}

impl Picture {
    pub(super) fn read(frame_buffer: &Path) -> Result<Self> {
        let bytes = fs::read(frame_buffer)
            .with_context(|| format!("no picture at {}", frame_buffer.display()))?;
        Self::decode(&bytes).context("the frame buffer file is not as Xvfb writes it")
    }

    fn decode(xwd: &[u8]) -> Result<Self> {
        let word = |index: usize| -> Result<usize> {
            let bytes = xwd
                .get(index * 4..index * 4 + 4)
                .context("the header is cut off")?;
            Ok(usize::try_from(u32::from_be_bytes(bytes.try_into()?))?)
        };
        let (header, width, height, row_bytes) = (word(0)?, word(4)?, word(5)?, word(12)?);
        ensure!(word(1)? == XWD_VERSION, "another version of the format");
        ensure!(
            word(7)? == 0 && word(11)? == 32,
            "not 32 bits a pixel, lowest byte first"
        );
        ensure!(
            width <= SIDE_MAX && height <= SIDE_MAX,
            "larger than any screen"
        );
        let first = word(19)?
            .checked_mul(COLOUR_ENTRY_BYTES)
            .and_then(|colours| colours.checked_add(header))
            .context("a colour table without end")?;
        let pixels = xwd.get(first..).context("the pixels are cut off")?;
        let mut rgb = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            let from = y.checked_mul(row_bytes).context("rows without end")?;
            let row = from
                .checked_add(width * 4)
                .and_then(|to| pixels.get(from..to));
            for pixel in row.context("a row is cut off")?.chunks_exact(4) {
                if let [blue, green, red, _] = *pixel {
                    rgb.extend([red, green, blue]);
                }
            }
        }
        Ok(Self { width, rgb })
    }

    /// The colour at a place; `None` outside.
    pub(super) fn at(&self, x: usize, y: usize) -> Option<[u8; 3]> {
        if x >= self.width {
            return None;
        }
        let from = (y * self.width + x) * 3;
        self.rgb.get(from..from + 3)?.try_into().ok()
    }

    fn height(&self) -> usize {
        self.rgb.len() / 3 / self.width.max(1)
    }

    /// The upper left part; black where there is nothing.
    pub(super) fn part(&self, width: usize, height: usize) -> Self {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let rgb = places.flat_map(|(x, y)| self.at(x, y).unwrap_or_default());
        Self {
            width,
            rgb: rgb.collect(),
        }
    }

    /// How many pixels are others than in a picture of the same size.
    pub(super) fn differs(&self, other: &Self) -> usize {
        let pixels = self.rgb.chunks_exact(3).zip(other.rgb.chunks_exact(3));
        pixels.filter(|(one, two)| one != two).count()
    }

    /// How many pixels look like others than in a picture of the same size: by more than what a
    /// codec loses.
    pub(super) fn looks_unlike(&self, other: &Self) -> usize {
        let pixels = self.rgb.chunks_exact(3).zip(other.rgb.chunks_exact(3));
        let is_far = |(one, two): (&u8, &u8)| one.abs_diff(*two) > LOSS;
        pixels
            .filter(|(one, two)| one.iter().zip(*two).any(is_far))
            .count()
    }

    /// Whether it has one colour only.
    pub(super) fn is_plain(&self) -> bool {
        self.stands_out() == 0
    }

    /// How many pixels have a colour.
    pub(super) fn count(&self, colour: [u8; 3]) -> usize {
        let pixels = self.rgb.chunks_exact(3);
        pixels.filter(|pixel| **pixel == colour).count()
    }

    /// How many pixels have another colour than the first one.
    pub(super) fn stands_out(&self) -> usize {
        let first = self.rgb.get(..3);
        let pixels = self.rgb.chunks_exact(3);
        pixels.filter(|pixel| Some(*pixel) != first).count()
    }

    /// Square pictures in rows, as many as `width` has room for.
    pub(super) fn sheet(pictures: &[&Self], side: usize, width: usize) -> Self {
        let columns = (width / side).max(1);
        let height = pictures.len().div_ceil(columns) * side;
        let places = (0..height).flat_map(|y| (0..columns * side).map(move |x| (x, y)));
        let rgb = places.flat_map(|(x, y)| {
            let picture = pictures.get(y / side * columns + x / side);
            picture
                .and_then(|picture| picture.at(x % side, y % side))
                .unwrap_or([255; 3])
        });
        Self {
            width: columns * side,
            rgb: rgb.collect(),
        }
    }

    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let width = u32::try_from(self.width)?;
        let height = u32::try_from(self.height())?;
        let mut encoder = png::Encoder::new(BufWriter::new(file), width, height);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.rgb)?;
        writer.finish()?;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn drawn(
        width: usize,
        height: usize,
        colour: impl Fn(usize, usize) -> [u8; 3],
    ) -> Self {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Self {
            width,
            rgb: places.flat_map(|(x, y)| colour(x, y)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of two pixels, the first red, with one colour entry and a padded row.
    fn xwd() -> Vec<u8> {
        let mut words = [0_u32; 25];
        for (index, value) in [
            (0, 100),
            (1, 7),
            (4, 2),
            (5, 1),
            (11, 32),
            (12, 12),
            (19, 1),
        ] {
            words[index] = value;
        }
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.extend([0; COLOUR_ENTRY_BYTES]);
        bytes.extend([0, 0, 255, 0, 1, 2, 3, 0, 9, 9, 9, 9]);
        bytes
    }

    #[test]
    fn pixels_are_found_behind_header_and_colours() {
        let picture = Picture::decode(&xwd()).unwrap();

        assert_eq!(picture.at(0, 0), Some([255, 0, 0]));
        assert_eq!(picture.at(1, 0), Some([3, 2, 1]));
        assert_eq!(picture.at(2, 0), None);
        assert_eq!(picture.at(0, 1), None);
    }

    #[test]
    fn parts_sheets_and_differences_are_pixel_by_pixel() {
        let red = Picture::drawn(2, 2, |_, _| [255, 0, 0]);
        let mixed = Picture::drawn(3, 3, |x, _| [if x == 1 { 0 } else { 255 }, 0, 0]);

        let part = mixed.part(2, 2);
        let sheet = Picture::sheet(&[&red, &part, &red], 2, 5);

        assert!(red.is_plain() && !part.is_plain());
        assert_eq!(red.differs(&part), 2);
        assert_eq!(red.looks_unlike(&part), 2);
        let paler = Picture::drawn(2, 2, |_, _| [255 - LOSS, LOSS, 0]);
        assert_eq!(red.looks_unlike(&paler), 0);
        assert_eq!((sheet.width, sheet.height()), (4, 4));
        assert_eq!(sheet.at(3, 0), Some([0, 0, 0]));
        assert_eq!(sheet.at(3, 3), Some([255; 3]), "there is no fourth picture");
    }

    #[test]
    fn a_file_cut_off_anywhere_is_an_error() {
        let whole = xwd();
        let needed = whole.len() - 4;

        for length in 0..needed {
            assert!(Picture::decode(&whole[..length]).is_err(), "{length}");
        }
        assert!(Picture::decode(&whole[..needed]).is_ok());
    }

    #[test]
    fn a_saved_picture_is_read_back_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        let picture = Picture::decode(&xwd()).unwrap();

        picture.save(&path).unwrap();

        let decoder = png::Decoder::new(std::io::BufReader::new(File::open(&path).unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, picture.rgb);
    }
}
