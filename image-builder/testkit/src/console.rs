//! What a guest says on its serial console, as it says it.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Whoever says nothing for so long is taken for dead: a machine under load is slow, but not mute.
/// A health gate that gives up was silent for five or six minutes.
const SILENCE: Duration = Duration::from_secs(600);
/// Whoever talks for so long without saying what is waited for is taken for lost.
const PATIENCE: Duration = Duration::from_secs(2400);
/// How many lines an error quotes.
const TAIL_LINES: usize = 30;

/// A serial console; clones are the same one.
#[derive(Debug, Clone)]
pub struct Console {
    shared: Arc<(Mutex<Heard>, Condvar)>,
}

#[derive(Debug)]
struct Heard {
    from: Instant,
    /// Without control sequences.
    text: String,
    /// Where each complete line ends in `text`, and when that was.
    lines: Vec<(usize, Duration)>,
    /// Where the last wait ended.
    read: usize,
    last: Instant,
    over: bool,
    plain: Plain,
    /// A letter whose last bytes have not come yet.
    partial: Vec<u8>,
}

impl Console {
    /// Time counts from now on.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let heard = Heard {
            from: now,
            text: String::new(),
            lines: Vec::new(),
            read: 0,
            last: now,
            over: false,
            plain: Plain::Text,
            partial: Vec::new(),
        };
        Self {
            shared: Arc::new((Mutex::new(heard), Condvar::new())),
        }
    }

    /// Listens until the guest is gone; `see` gets each piece as it comes.
    pub(crate) fn listen(&self, mut stream: UnixStream, mut see: impl FnMut(&str)) {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            let mut heard = self.heard();
            let from = heard.text.len();
            heard.take(buffer.get(..count).unwrap_or_default());
            see(heard.text.get(from..).unwrap_or_default());
            drop(heard);
            self.shared.1.notify_all();
        }
        self.heard().over = true;
        self.shared.1.notify_all();
    }

    /// Waits until the guest says `text`, and returns how long after its start that was. The next
    /// wait goes on behind it, so the same words of a second boot are waited for anew.
    ///
    /// # Errors
    /// The guest has ended or is mute for minutes; the last lines are in the error.
    pub fn wait_for(&self, text: &str) -> Result<Duration> {
        self.wait_for_any(&[text]).map(|(_, when)| when)
    }

    /// The same for whichever of `texts` comes first; also returns its index.
    ///
    /// # Errors
    /// As [`Self::wait_for`].
    pub fn wait_for_any(&self, texts: &[&str]) -> Result<(usize, Duration)> {
        self.wait(texts, |rest| {
            let found = texts.iter().enumerate();
            let found = found.filter_map(|(index, text)| Some((rest.find(text)?, index, text)));
            let (at, index, text) = found.min()?;
            Some((at + text.len(), index))
        })
    }

    /// Waits until the guest has said all of `texts`, in whichever order: programs that know nothing
    /// of each other keep none.
    ///
    /// # Errors
    /// As [`Self::wait_for`].
    pub fn wait_for_all(&self, texts: &[&str]) -> Result<()> {
        let all = self.wait(texts, |rest| {
            let ends = texts.iter().map(|text| Some(rest.find(text)? + text.len()));
            let ends: Option<Vec<usize>> = ends.collect();
            Some((ends?.into_iter().max()?, ()))
        });
        all.map(|_| ())
    }

    /// Waits until `look` finds something in what has not been waited for yet, which it returns with
    /// the place where that ends.
    fn wait<T>(
        &self,
        texts: &[&str],
        look: impl Fn(&str) -> Option<(usize, T)>,
    ) -> Result<(T, Duration)> {
        let begin = Instant::now();
        let mut heard = self.heard();
        loop {
            let rest = heard.text.get(heard.read..).unwrap_or_default();
            if let Some((end, found)) = look(rest) {
                heard.read += end;
                let when = heard.when(heard.read);
                return Ok((found, when));
            }
            let quiet = heard.last.max(begin).elapsed();
            let why = if heard.over {
                "the machine has ended".to_owned()
            } else if quiet >= SILENCE {
                format!("nothing was said for {} s", quiet.as_secs())
            } else if begin.elapsed() >= PATIENCE {
                format!("{} s went by", begin.elapsed().as_secs())
            } else {
                let next = Duration::from_secs(1);
                let woken = self.shared.1.wait_timeout(heard, next);
                heard = woken.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            };
            bail!(
                "waited for {texts:?} on the console: {why}; its last lines:\n{}",
                heard.tail()
            );
        }
    }

    /// Whether the guest says `text` within `limit`, which is for questions to this machine, not to
    /// a guest: a slow one is no dead one.
    pub(crate) fn says_within(&self, text: &str, limit: Duration) -> bool {
        let silent = |heard: &mut Heard| !heard.over && !heard.text.contains(text);
        let woken = self
            .shared
            .1
            .wait_timeout_while(self.heard(), limit, silent);
        let heard = woken.unwrap_or_else(PoisonError::into_inner).0;
        heard.text.contains(text)
    }

    /// When the guest first said `text`, after its start.
    pub fn first(&self, text: &str) -> Option<Duration> {
        let heard = self.heard();
        let at = heard.text.find(text)?;
        Some(heard.when(at))
    }

    /// Everything so far, without control sequences.
    pub fn text(&self) -> String {
        self.heard().text.clone()
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        // Whoever panicked has changed nothing that others could stumble over.
        let locked = self.shared.0.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    fn take(&mut self, bytes: &[u8]) {
        self.last = Instant::now();
        let now = self.from.elapsed();
        self.partial.extend_from_slice(bytes);
        let rest = self.partial.split_off(complete(&self.partial));
        let whole = std::mem::replace(&mut self.partial, rest);
        for letter in String::from_utf8_lossy(&whole).chars() {
            if self.plain.shows(letter) {
                self.text.push(letter);
                if letter == '\n' {
                    self.lines.push((self.text.len(), now));
                }
            }
        }
    }

    /// When the line with this byte was complete; an incomplete one is as old as its last byte.
    fn when(&self, at: usize) -> Duration {
        let index = self.lines.partition_point(|(end, _)| *end < at);
        let line = self.lines.get(index);
        line.map_or_else(|| self.last - self.from, |(_, when)| *when)
    }

    fn tail(&self) -> String {
        let lines: Vec<&str> = self.text.trim_end().lines().collect();
        let from = lines.len().saturating_sub(TAIL_LINES);
        lines.get(from..).unwrap_or_default().join("\n")
    }
}

/// How many bytes at the beginning are whole letters, or will never become one.
fn complete(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

/// Tells letters from what terminals are steered with (ECMA-48).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plain {
    Text,
    Escape,
    Sequence,
}

impl Plain {
    fn shows(&mut self, letter: char) -> bool {
        let (next, shows) = match (*self, letter) {
            (_, '\x1b') => (Self::Escape, false),
            (Self::Escape, '[') => (Self::Sequence, false),
            // Parameters go before the letter that ends a sequence.
            (Self::Sequence, ' '..='?') => (Self::Sequence, false),
            (Self::Escape | Self::Sequence, _) => (Self::Text, false),
            (Self::Text, letter) => (Self::Text, letter == '\n' || !letter.is_control()),
        };
        *self = next;
        shows
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::thread;

    use super::*;

    /// A console that hears `text` and then the end.
    fn heard(text: &str) -> Console {
        let (mut guest, stream) = UnixStream::pair().unwrap();
        guest.write_all(text.as_bytes()).unwrap();
        drop(guest);
        let console = Console::new();
        console.listen(stream, |_| ());
        console
    }

    #[test]
    fn waits_go_on_behind_each_other() {
        let console = heard("boot\nready\nboot\n");

        console.wait_for("boot").unwrap();
        console.wait_for("ready").unwrap();
        console.wait_for("boot").unwrap();

        let missing = console.wait_for("ready").unwrap_err().to_string();
        assert!(missing.contains("has ended"), "{missing}");
    }

    #[test]
    fn the_first_of_several_words_is_told() {
        let console = heard("b then a\n");

        assert_eq!(console.wait_for_any(&["a", "b"]).unwrap().0, 1);
        assert_eq!(console.wait_for_any(&["b", "a"]).unwrap().0, 1);
    }

    #[test]
    fn several_words_are_waited_for_in_any_order() {
        let console = heard("b then a, a again\n");

        console.wait_for_all(&["a", "b"]).unwrap();

        assert!(console.wait_for("then").is_err(), "it lies behind");
        console.wait_for("a again").unwrap();
        assert!(heard("b\n").wait_for_all(&["a", "b"]).is_err());
    }

    #[test]
    fn control_sequences_are_no_text() {
        let console = heard("\x1b[0;32m  OK  \x1b[0m] Rea\x1b[2Kched\r\n\x1b=x");

        assert_eq!(console.text(), "  OK  ] Reached\nx");
    }

    #[test]
    fn letters_in_pieces_are_put_together() {
        let console = Console::new();
        for byte in "a…b".as_bytes() {
            console.heard().take(&[*byte]);
        }
        assert_eq!(console.text(), "a…b");

        assert_eq!(complete(b"\xffb"), 2, "what is no letter holds nothing up");
    }

    #[test]
    fn a_word_that_comes_late_is_waited_for() {
        let (mut guest, stream) = UnixStream::pair().unwrap();
        let console = Console::new();
        let listener = console.clone();
        let listening = thread::spawn(move || listener.listen(stream, |_| ()));
        let waiting = console.clone();
        let waiting = thread::spawn(move || waiting.wait_for("ready"));

        guest.write_all(b"rea").unwrap();
        guest.write_all(b"dy").unwrap();

        let when = waiting.join().unwrap().unwrap();
        assert_eq!(console.first("nothing"), None);
        assert!(console.first("ready").unwrap() <= when);
        drop(guest);
        listening.join().unwrap();
    }
}
