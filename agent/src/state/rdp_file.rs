//! Lines of an .rdp file, changed and put back. Every other line stays as it is.
//!
//! A line is `name:type:value`; `mstsc` writes UTF-16 with a mark in front, and reads other
//! encodings too. Nothing here touches a disk.

use serde::{Deserialize, Serialize};

const MARK: [u8; 2] = [0xff, 0xfe];

/// A setting as it shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Name and type: `audiomode:i`.
    pub(crate) name: &'static str,
    pub(crate) value: &'static str,
}

/// What became of a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    name: String,
    /// `None`: the file had no such line.
    before: Option<String>,
    after: String,
}

/// It is no text in UTF-16, though it says so.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotText;

/// The file with other settings, and how they were. An empty file is one that is not there.
pub(super) fn change(file: &[u8], wanted: &[Setting]) -> Result<(Vec<u8>, Vec<Change>), NotText> {
    let mut text = Text::decode(file)?;
    let changes = wanted.iter().map(|setting| Change {
        name: setting.name.to_owned(),
        before: text.set(setting.name, None, Some(setting.value)),
        after: setting.value.to_owned(),
    });
    let changes = changes.collect();
    Ok((text.encode(), changes))
}

/// The file with the settings as they were before. One that somebody else has changed since
/// stays as it is.
pub(super) fn put_back(file: &[u8], changes: &[Change]) -> Result<Vec<u8>, NotText> {
    let mut text = Text::decode(file)?;
    for change in changes {
        text.set(&change.name, Some(&change.after), change.before.as_deref());
    }
    Ok(text.encode())
}

struct Text {
    is_wide: bool,
    /// With their ends.
    lines: Vec<String>,
}

impl Text {
    fn decode(bytes: &[u8]) -> Result<Self, NotText> {
        let (is_wide, text) = match bytes.strip_prefix(&MARK) {
            Some(wide) => {
                let (pairs, rest) = wide.as_chunks::<2>();
                if !rest.is_empty() {
                    return Err(NotText);
                }
                let units: Vec<u16> = pairs.iter().copied().map(u16::from_le_bytes).collect();
                (true, String::from_utf16(&units).map_err(|_| NotText)?)
            }
            // Whatever it is, each byte is one letter, and will be the same byte again.
            None => (
                bytes.is_empty(),
                bytes.iter().copied().map(char::from).collect(),
            ),
        };
        let lines = text.split_inclusive('\n').map(str::to_owned).collect();
        Ok(Self { is_wide, lines })
    }

    /// Nothing is left of a text without lines.
    fn encode(&self) -> Vec<u8> {
        let text = self.lines.concat();
        if text.is_empty() {
            return Vec::new();
        }
        if self.is_wide {
            let units = text.encode_utf16().flat_map(u16::to_le_bytes);
            return MARK.into_iter().chain(units).collect();
        }
        // All letters came out of such a text.
        let narrow = text
            .chars()
            .map(|letter| u8::try_from(letter).unwrap_or(b'?'));
        narrow.collect()
    }

    /// Replaces the value of a setting, or takes its line away; with `only` just where it has
    /// that value. Returns the value that it had. Where a name stands twice, both lines change.
    fn set(&mut self, name: &str, only: Option<&str>, value: Option<&str>) -> Option<String> {
        let mut had = None;
        let mut at = 0;
        while let Some(line) = self.lines.get_mut(at) {
            at += 1;
            let Some(is) = value_of(line, name) else {
                continue;
            };
            if only.is_some_and(|only| only != is) {
                continue;
            }
            had = Some(is.to_owned());
            match value {
                Some(value) => *line = line_of(name, value),
                None => {
                    at -= 1;
                    self.lines.remove(at);
                }
            }
        }
        if let (None, None, Some(value)) = (&had, only, value) {
            if let Some(last) = self.lines.last_mut()
                && !last.ends_with('\n')
            {
                last.push_str("\r\n");
            }
            self.lines.push(line_of(name, value));
        }
        had
    }
}

fn value_of<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let (start, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(':')?;
    // `mstsc` takes names in any case.
    start
        .eq_ignore_ascii_case(name)
        .then(|| value.trim_end_matches(['\r', '\n']))
}

fn line_of(name: &str, value: &str) -> String {
    format!("{name}:{value}\r\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SOUND_OFF: Setting = Setting {
        name: "audiomode:i",
        value: "2",
    };
    const ALL_DRIVES: Setting = Setting {
        name: "drivestoredirect:s",
        value: "*",
    };

    fn wide(text: &str) -> Vec<u8> {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        MARK.into_iter().chain(units).collect()
    }

    #[test]
    fn lines_are_changed_and_put_back_in_either_encoding() {
        let text = "screen mode id:i:2\r\naudiomode:i:0\r\nusername:s:職場\\taro\r\n";
        for encode in [wide, |text: &str| text.as_bytes().to_vec()] {
            let before = encode(text);

            let (changed, changes) = change(&before, &[SOUND_OFF, ALL_DRIVES]).expect("is text");

            let expected = text.replace("audiomode:i:0", "audiomode:i:2");
            assert_eq!(changed, encode(&(expected + "drivestoredirect:s:*\r\n")));
            assert_eq!(put_back(&changed, &changes), Ok(before));
        }
    }

    #[test]
    fn a_file_that_was_not_there_is_empty_again() {
        let (changed, changes) = change(&[], &[SOUND_OFF]).expect("is text");

        assert_eq!(changed, wide("audiomode:i:2\r\n"));
        assert_eq!(put_back(&changed, &changes), Ok(Vec::new()));
    }

    #[test]
    fn what_somebody_else_has_changed_since_stays() {
        let before = wide("audiomode:i:0\r\n");
        let (_, changes) = change(&before, &[SOUND_OFF, ALL_DRIVES]).expect("is text");
        let now = wide("audiomode:i:1\r\ndrivestoredirect:s:*\r\nsession bpp:i:32\r\n");

        let after = put_back(&now, &changes).expect("is text");

        assert_eq!(after, wide("audiomode:i:1\r\nsession bpp:i:32\r\n"));
    }

    #[test]
    fn no_line_of_a_name_escapes_and_no_other_is_hit() {
        let file = b"AudioMode:i:0\r\naudiomode:i:1\nxaudiomode:i:0\naudiomode:s:0\naudiomode:i";

        let (changed, _) = change(file, &[SOUND_OFF]).expect("is text");

        let expected: &[u8] =
            b"audiomode:i:2\r\naudiomode:i:2\r\nxaudiomode:i:0\naudiomode:s:0\naudiomode:i";
        assert_eq!(changed, expected);
    }

    #[test]
    fn half_a_letter_is_no_text() {
        assert_eq!(change(&[0xff, 0xfe, b'a'], &[]).err(), Some(NotText));
        assert_eq!(change(&[0xff, 0xfe, 0, 0xd8], &[]).err(), Some(NotText));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_change_and_change_back(bytes: Vec<u8>) {
            if let Ok((changed, changes)) = change(&bytes, &[SOUND_OFF, ALL_DRIVES]) {
                let back = put_back(&changed, &changes).expect("still is text");
                // A last line without an end gets one; a mark without text goes.
                let ends = [bytes.clone(), [&bytes[..], b"\r\n"].concat(),
                            [&bytes[..], b"\r\0\n\0"].concat()];
                let is_empty = back.is_empty() && bytes == MARK;
                prop_assert!(is_empty || ends.contains(&back), "{bytes:?} became {back:?}");
            }
        }
    }
}
