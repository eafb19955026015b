//! The server's side of the NBD protocol, as far as QEMU uses it: fixed newstyle handshake, one
//! export, simple replies. A request is answered before the next is read, so the order of answers
//! is the order of the journal.
//! <https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md>

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;

use super::Shared;

const MAGIC: &[u8] = b"NBDMAGICIHAVEOPT";
const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const REPLY_MAGIC: u32 = 0x6744_6698;

/// Fixed newstyle, no zeroes after the export's flags: the same two bits from both sides.
const HANDSHAKE_FLAGS: u16 = 0b11;

const OPTION_EXPORT_NAME: u32 = 1;
const OPTION_ABORT: u32 = 2;
const OPTION_GO: u32 = 7;
const REPLY_ACK: u32 = 1;
const REPLY_INFO: u32 = 3;
const REPLY_UNSUPPORTED: u32 = 0x8000_0001;
/// Long enough for the name of an export, which nobody looks at.
const OPTION_MAX: u32 = 4096;

/// Has flags, takes flushes, takes forced writes. No trimming and no zeroing: QEMU writes zeros.
const EXPORT_FLAGS: u16 = 0b1101;

const READ: u16 = 0;
const WRITE: u16 = 1;
const DISCONNECT: u16 = 2;
const FLUSH: u16 = 3;
const FORCED: u16 = 1;
/// QEMU asks for at most this much at once.
const REQUEST_MAX: u32 = 32 << 20;

const IO_ERROR: u32 = 5;
const INVALID: u32 = 22;
const NO_SPACE: u32 = 28;

/// Serves one machine until it disconnects, the power goes or the disk is to end.
pub(super) fn serve(stream: UnixStream, shared: &Shared) -> io::Result<()> {
    let mut peer = Peer { stream, shared };
    if peer.negotiate()? {
        while peer.request()? {}
    }
    Ok(())
}

struct Peer<'a> {
    stream: UnixStream,
    shared: &'a Shared,
}

impl Peer<'_> {
    /// Whether the machine wants the disk.
    fn negotiate(&mut self) -> io::Result<bool> {
        self.send(&[MAGIC, &HANDSHAKE_FLAGS.to_be_bytes()])?;
        let flags = u32::from_be_bytes(self.receive()?);
        let export = [
            &self.shared.length.to_be_bytes()[..],
            &EXPORT_FLAGS.to_be_bytes(),
        ]
        .concat();
        loop {
            if u64::from_be_bytes(self.receive()?) != OPTION_MAGIC {
                return Err(ErrorKind::InvalidData.into());
            }
            let option = u32::from_be_bytes(self.receive()?);
            let length = u32::from_be_bytes(self.receive()?);
            if length > OPTION_MAX {
                return Err(ErrorKind::InvalidData.into());
            }
            self.receive_many(length)?;
            match option {
                OPTION_EXPORT_NAME => {
                    self.send(&[&export])?;
                    if flags & 0b10 == 0 {
                        self.send(&[&[0; 124]])?;
                    }
                    return Ok(true);
                }
                OPTION_GO => {
                    // Information of type 0: the export.
                    self.reply(option, REPLY_INFO, &[&[0, 0], &export[..]].concat())?;
                    self.reply(option, REPLY_ACK, &[])?;
                    return Ok(true);
                }
                OPTION_ABORT => {
                    self.reply(option, REPLY_ACK, &[])?;
                    return Ok(false);
                }
                _ => self.reply(option, REPLY_UNSUPPORTED, &[])?,
            }
        }
    }

    fn reply(&mut self, option: u32, kind: u32, content: &[u8]) -> io::Result<()> {
        let length = u32::try_from(content.len()).map_err(io::Error::other)?;
        self.send(&[
            &OPTION_REPLY_MAGIC.to_be_bytes(),
            &option.to_be_bytes(),
            &kind.to_be_bytes(),
            &length.to_be_bytes(),
            content,
        ])
    }

    /// Answers one request; false: there will be no other.
    fn request(&mut self) -> io::Result<bool> {
        if u32::from_be_bytes(self.receive()?) != REQUEST_MAGIC {
            return Err(ErrorKind::InvalidData.into());
        }
        let flags = u16::from_be_bytes(self.receive()?);
        let kind = u16::from_be_bytes(self.receive()?);
        let cookie: [u8; 8] = self.receive()?;
        let offset = u64::from_be_bytes(self.receive()?);
        let length = u32::from_be_bytes(self.receive()?);
        if kind == DISCONNECT {
            return Ok(false);
        }
        if length > REQUEST_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        let content = match kind {
            WRITE => self.receive_many(length)?,
            _ => Vec::new(),
        };
        let end = offset.checked_add(length.into());
        let inside = end.is_some_and(|end| end <= self.shared.length);
        let answer = match kind {
            READ if inside => self.read(offset, length),
            WRITE if inside => self.write(offset, &content, flags & FORCED != 0),
            FLUSH => self.shared.journal().add_flush().map(Answer::of),
            _ => Err(ErrorKind::InvalidInput.into()),
        };
        let (error, content) = match answer {
            Ok(Answer::PowerGone) => return Ok(false),
            Ok(Answer::Done(content)) => (0, content),
            Err(error) => (number(&error), Vec::new()),
        };
        let (magic, error) = (REPLY_MAGIC.to_be_bytes(), error.to_be_bytes());
        self.send(&[&magic, &error, &cookie, &content])?;
        Ok(true)
    }

    fn read(&self, offset: u64, length: u32) -> io::Result<Answer> {
        self.shared.journal().count_read();
        let mut content = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.shared.image.read_exact_at(&mut content, offset)?;
        let rotten = self.shared.rotten.load(Ordering::Relaxed);
        let place = rotten
            .checked_sub(offset)
            .and_then(|at| usize::try_from(at).ok());
        if let Some(byte) = place.and_then(|at| content.get_mut(at)) {
            *byte ^= 1;
        }
        Ok(Answer::Done(content))
    }

    /// A machine reads what it wrote, flushed or not.
    fn write(&self, offset: u64, content: &[u8], forced: bool) -> io::Result<Answer> {
        let mut journal = self.shared.journal();
        let goes_on = journal.add_write(offset, content, forced)?;
        self.shared.image.write_all_at(content, offset)?;
        Ok(Answer::of(goes_on))
    }

    fn receive<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn receive_many(&mut self, length: u32) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Like `read_exact`, but looks now and then whether the disk is to end.
    fn fill(&mut self, mut rest: &mut [u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.stream.read(rest) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => rest = rest.get_mut(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.shared.is_over() {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn send(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        self.stream.write_all(&parts.concat())
    }
}

enum Answer {
    Done(Vec<u8>),
    PowerGone,
}

impl Answer {
    fn of(goes_on: bool) -> Self {
        if goes_on {
            Self::Done(Vec::new())
        } else {
            Self::PowerGone
        }
    }
}

/// What the protocol calls an error.
fn number(error: &io::Error) -> u32 {
    if error.kind() == ErrorKind::InvalidInput {
        INVALID
    } else if error.kind() == ErrorKind::StorageFull {
        NO_SPACE
    } else {
        IO_ERROR
    }
}
