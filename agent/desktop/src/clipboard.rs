//! Text that is copied on one PC and pasted on the other (pure).
//!
//! What is copied at home is fetched at once; what is copied here is only announced, and read when
//! somebody at home pastes it. Nothing but text passes, and no more of it than [`BYTES_MAX`].
//! What a viewer sends is text or refused, and what was on the clipboard stays.

use std::fmt;
use std::io;

/// The longest text, in bytes of UTF-16 without the zero behind it: half a million letters.
pub const BYTES_MAX: usize = 1024 * 1024;
/// The longest that is looked at when it comes from a viewer.
pub const WIRE_MAX: usize = BYTES_MAX + UNIT;
/// Units of the longest text.
const UNITS_MAX: usize = BYTES_MAX / UNIT;
/// Bytes of a unit of UTF-16.
const UNIT: usize = size_of::<u16>();

/// What the system keeps for whoever pastes.
pub trait Clipboard {
    /// Another number after each change.
    fn version(&mut self) -> u32;
    fn has_text(&mut self) -> bool;
    /// UTF-16 without a zero; `None` when there is no text. Of a longer text than `units_max`
    /// units, some more than that.
    fn text(&mut self, units_max: usize) -> io::Result<Option<Vec<u16>>>;
    /// Puts UTF-16 without a zero in the place of everything that is there.
    fn set_text(&mut self, units: &[u16]) -> io::Result<()>;
}

/// What the viewer is told.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// Whether there is text here now.
    Announce { is_text: bool },
    /// Send the text that you have.
    Fetch,
    /// The text here: UTF-16 with a zero behind it. `None` when there is none to be had.
    Text(Option<Vec<u8>>),
}

/// What has been copied is nobody's business.
impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Announce { is_text } => write!(formatter, "Announce({is_text})"),
            Self::Fetch => formatter.write_str("Fetch"),
            Self::Text(text) => {
                let bytes = text.as_ref().map(Vec::len);
                write!(formatter, "Text({bytes:?} bytes)")
            }
        }
    }
}

/// Why a text stays where it is.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("it is longer than {BYTES_MAX} bytes of UTF-16")]
    TooLong,
    #[error("it is no text: {0}")]
    NoText(&'static str),
    #[error("Windows says: {0}")]
    Clipboard(#[from] io::Error),
}

/// The clipboard of this PC, and what is known of the viewer's.
#[derive(Debug)]
pub struct Exchange<C> {
    clipboard: C,
    /// The version that the viewer knows of, or that came from there.
    known: Option<u32>,
    /// Nothing newer than what was fetched has been copied since.
    is_wanted: bool,
}

impl<C: Clipboard> Exchange<C> {
    pub fn new(clipboard: C) -> Self {
        Self {
            clipboard,
            known: None,
            is_wanted: false,
        }
    }

    /// Something new has been copied at home. What is there when a session begins counts more than
    /// what is here.
    pub fn announced(&mut self, is_text: bool) -> Option<Message> {
        self.is_wanted = is_text;
        if !is_text {
            return None;
        }
        self.known = Some(self.clipboard.version());
        Some(Message::Fetch)
    }

    /// Looks whether something new has been copied here.
    pub fn look(&mut self) -> Option<Message> {
        let version = self.clipboard.version();
        if self.known.replace(version) == Some(version) {
            return None;
        }
        self.is_wanted = false;
        let is_text = self.clipboard.has_text();
        Some(Message::Announce { is_text })
    }

    /// Somebody at home pastes. There is always an answer.
    pub fn asked(&mut self) -> (Message, Result<(), Refusal>) {
        match self.read() {
            Ok(text) => (Message::Text(text), Ok(())),
            Err(refusal) => (Message::Text(None), Err(refusal)),
        }
    }

    /// The viewer's text has come; `None` when it could not send it.
    pub fn arrived(&mut self, text: Option<&[u8]>) -> Result<(), Refusal> {
        let Some(text) = text.filter(|_| self.is_wanted) else {
            return Ok(());
        };
        let units = units(text)?;
        let written = self.clipboard.set_text(&units);
        // It comes from the viewer, who need not be told of it.
        self.known = Some(self.clipboard.version());
        Ok(written?)
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(units) = self.clipboard.text(UNITS_MAX)? else {
            return Ok(None);
        };
        if units.len() > UNITS_MAX {
            return Err(Refusal::TooLong);
        }
        let ended = units.into_iter().chain([0]);
        Ok(Some(ended.flat_map(u16::to_le_bytes).collect()))
    }
}

/// Text as Windows keeps it: up to the zero, and lines ended by CR and LF.
fn units(bytes: &[u8]) -> Result<Vec<u16>, Refusal> {
    if bytes.len() > WIRE_MAX {
        return Err(Refusal::TooLong);
    }
    let (pairs, rest) = bytes.as_chunks::<UNIT>();
    if !rest.is_empty() {
        return Err(Refusal::NoText("half a letter at its end"));
    }
    let mut units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    let Some(end) = units.iter().position(|unit| *unit == 0) else {
        return Err(Refusal::NoText("no zero at its end"));
    };
    units.truncate(end);
    if char::decode_utf16(units.iter().copied()).any(|letter| letter.is_err()) {
        return Err(Refusal::NoText("half a letter in it"));
    }
    Ok(with_line_ends(&units))
}

fn with_line_ends(units: &[u16]) -> Vec<u16> {
    const CR: u16 = 0x0d;
    const LF: u16 = 0x0a;
    let before = [0].iter().chain(units);
    let pairs = before.zip(units);
    pairs
        .flat_map(|(before, unit)| {
            let is_bare = *unit == LF && *before != CR;
            is_bare.then_some(CR).into_iter().chain([*unit])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clipboard that can be looked at.
    #[derive(Default)]
    struct Board {
        version: u32,
        text: Option<Vec<u16>>,
        is_busy: bool,
    }

    impl Board {
        fn copy(&mut self, text: Option<&str>) {
            self.version += 1;
            self.text = text.map(|text| text.encode_utf16().collect());
        }
    }

    impl Clipboard for Board {
        fn version(&mut self) -> u32 {
            self.version
        }

        fn has_text(&mut self) -> bool {
            self.text.is_some()
        }

        fn text(&mut self, units_max: usize) -> io::Result<Option<Vec<u16>>> {
            if self.is_busy {
                return Err(io::ErrorKind::ResourceBusy.into());
            }
            let some = |text: &Vec<u16>| text.iter().copied().take(units_max + 1).collect();
            Ok(self.text.as_ref().map(some))
        }

        fn set_text(&mut self, units: &[u16]) -> io::Result<()> {
            if self.is_busy {
                return Err(io::ErrorKind::ResourceBusy.into());
            }
            self.version += 1;
            self.text = Some(units.to_vec());
            Ok(())
        }
    }

    fn wire(text: &str) -> Vec<u8> {
        let units = text.encode_utf16().chain([0]);
        units.flat_map(u16::to_le_bytes).collect()
    }

    /// A session in which both know that nothing has been copied anywhere.
    fn exchange() -> Exchange<Board> {
        let mut exchange = Exchange::new(Board::default());
        exchange.announced(false);
        exchange.look();
        exchange
    }

    fn pasted(exchange: &Exchange<Board>) -> Option<String> {
        let text = exchange.clipboard.text.as_ref();
        text.map(|units| String::from_utf16(units).expect("is text"))
    }

    fn paste(text: &[u8]) -> (Result<(), Refusal>, Option<String>) {
        let mut exchange = exchange();
        exchange.announced(true);
        let result = exchange.arrived(Some(text));
        (result, pasted(&exchange))
    }

    #[test]
    fn what_is_copied_here_is_announced_once_and_sent_when_it_is_wanted() {
        let mut exchange = exchange();

        exchange.clipboard.copy(Some("Tasuki 襷 🎋"));

        let is_text = true;
        assert_eq!(exchange.look(), Some(Message::Announce { is_text }));
        assert_eq!(exchange.look(), None);
        let (answer, result) = exchange.asked();
        assert_eq!(answer, Message::Text(Some(wire("Tasuki 襷 🎋"))));
        result.expect("is short enough");
    }

    #[test]
    fn what_is_no_text_is_told_and_never_sent() {
        let mut exchange = exchange();

        exchange.clipboard.copy(None);

        let is_text = false;
        assert_eq!(exchange.look(), Some(Message::Announce { is_text }));
        assert_eq!(exchange.asked().0, Message::Text(None));
    }

    #[test]
    fn what_is_copied_at_home_is_fetched_and_not_announced_back() {
        let mut exchange = exchange();

        assert_eq!(exchange.announced(true), Some(Message::Fetch));
        exchange
            .arrived(Some(&wire("あ\nい\r\nう")))
            .expect("is text");

        assert_eq!(pasted(&exchange).as_deref(), Some("あ\r\nい\r\nう"));
        assert_eq!(exchange.look(), None);
    }

    #[test]
    fn at_the_beginning_the_text_at_home_counts() {
        let mut board = Board::default();
        board.copy(Some("office"));
        let mut exchange = Exchange::new(board);

        assert_eq!(exchange.announced(true), Some(Message::Fetch));
        assert_eq!(exchange.look(), None);
    }

    #[test]
    fn at_the_beginning_text_here_is_announced_where_home_has_none() {
        let mut board = Board::default();
        board.copy(Some("office"));
        let mut exchange = Exchange::new(board);

        assert_eq!(exchange.announced(false), None);
        let is_text = true;
        assert_eq!(exchange.look(), Some(Message::Announce { is_text }));
    }

    #[test]
    fn the_longest_text_passes_and_a_longer_one_does_not() {
        let longest = "x".repeat(UNITS_MAX);
        let longer = "x".repeat(UNITS_MAX + 1);

        assert_eq!(paste(&wire(&longest)).1, Some(longest.clone()));
        let (result, pasted) = paste(&wire(&longer));
        assert!(matches!(result, Err(Refusal::TooLong)));
        assert_eq!(pasted, None);

        let mut exchange = exchange();
        exchange.clipboard.copy(Some(&longest));
        assert_eq!(exchange.asked().0, Message::Text(Some(wire(&longest))));
        exchange.clipboard.copy(Some(&longer));
        let (answer, result) = exchange.asked();
        assert_eq!(answer, Message::Text(None));
        assert!(matches!(result, Err(Refusal::TooLong)));
    }

    #[test]
    fn what_is_no_text_leaves_the_clipboard_alone() {
        let half = 0xd83c_u16.to_le_bytes();
        let cases: [&[u8]; 5] = [
            b"",
            b"a",
            &[b'a', 0, 0],
            &[b'a', 0],
            &[&half[..], &[b'a', 0, 0, 0]].concat(),
        ];

        for bytes in cases {
            let (result, pasted) = paste(bytes);
            assert!(matches!(result, Err(Refusal::NoText(_))), "{bytes:?}");
            assert_eq!(pasted, None);
        }
    }

    #[test]
    fn what_stands_behind_the_zero_is_not_looked_at() {
        let text = [wire("a"), 0xd83c_u16.to_le_bytes().to_vec()].concat();

        assert_eq!(paste(&text).1.as_deref(), Some("a"));
        assert_eq!(paste(&[0, 0]).1.as_deref(), Some(""));
    }

    #[test]
    fn what_is_older_than_what_is_here_is_dropped() {
        let mut exchange = exchange();

        exchange.arrived(Some(&wire("a"))).expect("is dropped");
        exchange.announced(true);
        exchange.arrived(None).expect("is no text");
        assert_eq!(pasted(&exchange), None);
        exchange.clipboard.copy(Some("newer"));
        exchange.look();
        exchange.arrived(Some(&wire("b"))).expect("is dropped");
        assert_eq!(pasted(&exchange).as_deref(), Some("newer"));
    }

    #[test]
    fn of_two_texts_on_their_way_the_later_one_stays() {
        let mut exchange = exchange();

        exchange.announced(true);
        exchange.announced(true);
        exchange.arrived(Some(&wire("a"))).expect("is text");
        exchange.arrived(Some(&wire("b"))).expect("is text");

        assert_eq!(pasted(&exchange).as_deref(), Some("b"));
    }

    #[test]
    fn a_busy_clipboard_is_said_and_answered() {
        let mut exchange = exchange();
        exchange.clipboard.copy(Some("a"));
        exchange.clipboard.is_busy = true;

        let (answer, result) = exchange.asked();
        assert_eq!(answer, Message::Text(None));
        assert!(matches!(result, Err(Refusal::Clipboard(_))));
        exchange.look();
        exchange.announced(true);
        let result = exchange.arrived(Some(&wire("b")));
        assert!(matches!(result, Err(Refusal::Clipboard(_))));
        assert_eq!(pasted(&exchange).as_deref(), Some("a"));
    }

    #[test]
    fn nothing_that_was_copied_is_shown_in_a_log() {
        let text = Message::Text(Some(wire("secret")));

        assert_eq!(format!("{text:?}"), "Text(Some(14) bytes)");
    }
}
