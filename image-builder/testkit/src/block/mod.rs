//! A card that forgets what a real one may forget when the power goes.
//!
//! QEMU reaches it over a Unix socket ([`nbd`]). Every write and flush is written down in order
//! ([`Journal`]), so that the card can be made again as a power cut at any of them may have left
//! it ([`cut`]), as often as one likes and without the machine.
//! It must never be kinder than a card: what was not flushed may be gone, whole or by sectors.

mod cut;
mod journal;
mod nbd;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};

pub use self::journal::{Counts, Journal};

/// What a card writes in one go. Bytes.
const SECTOR: u64 = 512;
/// How often the server looks whether it is to end.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A card in its slot. Dropping this takes it out; the image stays.
#[derive(Debug)]
pub struct BlockServer {
    socket: PathBuf,
    shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
}

/// What the server and its owner both see.
#[derive(Debug)]
struct Shared {
    image: File,
    /// Of the image, in bytes.
    length: u64,
    journal: Mutex<Journal>,
    /// The byte whose lowest bit comes back wrong; none: `u64::MAX`.
    rotten: AtomicU64,
    over: AtomicBool,
    /// Why a machine lost its card.
    trouble: Mutex<Option<String>>,
}

impl Shared {
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

impl BlockServer {
    /// Serves `image`, which the machine will change, at a socket in `folder`.
    ///
    /// # Errors
    /// The image cannot be written, or a socket lies there already.
    pub fn start(image: &Path, folder: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(image)
            .with_context(|| format!("cannot open {}", image.display()))?;
        let socket = folder.join("card.sock");
        let listener = UnixListener::bind(&socket)
            .with_context(|| format!("cannot listen at {}", socket.display()))?;
        listener.set_nonblocking(true)?;
        let shared = Arc::new(Shared {
            length: file.metadata()?.len(),
            image: file,
            journal: Mutex::new(Journal::new()?),
            rotten: AtomicU64::new(u64::MAX),
            over: AtomicBool::new(false),
            trouble: Mutex::default(),
        });
        let server = thread::Builder::new().name("card".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        })?;
        Ok(Self {
            socket,
            shared,
            server: Some(server),
        })
    }

    /// For [`crate::Disk::nbd`].
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// How much the machine has read, written and flushed so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.journal().counts()
    }

    /// Cuts the power during the event of this index: it is the last that the card hears of.
    pub fn cut_at(&self, event: usize) {
        self.shared.journal().end_at(event);
    }

    /// From now on one bit of this byte comes back wrong, whatever is written there.
    pub fn rot(&self, offset: u64) {
        self.shared.rotten.store(offset, Ordering::Relaxed);
    }

    /// Whether the power has gone.
    #[must_use]
    pub fn was_cut(&self) -> bool {
        self.shared.journal().has_ended()
    }

    /// Takes the card out and returns what the machine did to it.
    ///
    /// # Errors
    /// The machine lost its card before: what the journal says is not all that it would have done.
    pub fn stop(mut self) -> Result<Journal> {
        self.end();
        if let Some(trouble) = self.shared.trouble().take() {
            bail!("the machine lost its card: {trouble}");
        }
        Ok(std::mem::take(&mut *self.shared.journal()))
    }

    fn end(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(server) = self.server.take() {
            // It returns nothing, and a panic there was shown when it happened.
            let _ = server.join();
        }
        // It lies in a temporary folder, which goes as well.
        let _ = fs::remove_file(&self.socket);
    }
}

impl Drop for BlockServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Serves one machine after the other.
fn accept(listener: &UnixListener, shared: &Shared) {
    while !shared.is_over() && !shared.journal().has_ended() {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(LOOK_AGAIN);
            continue;
        };
        let set = stream
            .set_nonblocking(false)
            .and_then(|()| stream.set_read_timeout(Some(LOOK_AGAIN)));
        match set.and_then(|()| nbd::serve(stream, shared)) {
            // A machine whose plug is pulled says no goodbye.
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
                *shared.trouble() = Some(error.to_string());
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// Copies an image and leaves out what is zero, so that it takes as little room.
///
/// # Errors
/// A file cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    const CHUNK: usize = 1 << 16;
    let named = |path: &Path| format!("cannot copy {}", path.display());
    let mut source = File::open(from).with_context(|| named(from))?;
    let mut target = File::create(to).with_context(|| named(to))?;
    let (mut buffer, zeros) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        let length = source.read(&mut buffer).with_context(|| named(from))?;
        let Some(chunk) = buffer.get(..length).filter(|chunk| !chunk.is_empty()) else {
            break;
        };
        if zeros.starts_with(chunk) {
            target.seek(SeekFrom::Current(i64::try_from(length)?))?;
        } else {
            target.write_all(chunk).with_context(|| named(to))?;
        }
    }
    target.set_len(source.metadata()?.len())?;
    Ok(())
}

/// Makes `image`, a copy of the card before the journal, what a power cut during `event` may have
/// left. What was flushed before is there; of the rest, `seed` decides.
///
/// # Errors
/// A file cannot be read or written.
pub fn replay(image: &Path, journal: &Journal, event: usize, seed: u64) -> Result<()> {
    let file = OpenOptions::new().write(true).open(image)?;
    for piece in cut::survivors(journal.events(), event, seed) {
        file.write_all_at(&journal.read(&piece)?, piece.offset)?;
    }
    Ok(())
}

/// Makes `image` again what `before` is, where the journal has changed it.
///
/// # Errors
/// A file cannot be read or written.
pub fn undo(image: &Path, before: &Path, journal: &Journal) -> Result<()> {
    let (before, file) = (
        File::open(before)?,
        OpenOptions::new().write(true).open(image)?,
    );
    for place in journal.written() {
        let mut bytes = vec![0; usize::try_from(place.end - place.start)?];
        before.read_exact_at(&mut bytes, place.start)?;
        file.write_all_at(&bytes, place.start)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
