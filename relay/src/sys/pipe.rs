//! A kernel pipe and the two splices that move bytes through it.
//!
//! Must never be given back for reuse with bytes inside: whoever owns it counts them.
//! See `pipe(7)` and `splice(2)`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};

use super::Outcome;

/// Both ends of one pipe.
#[derive(Debug)]
pub struct Pipe {
    source: OwnedFd,
    sink: OwnedFd,
}

impl Pipe {
    /// Makes a pipe that holds about `capacity` bytes.
    ///
    /// The capacity is a count of slots, not of bytes: socket buffers move in by reference, so a
    /// pipe can hold more than this, or be full with less.
    ///
    /// # Errors
    /// No descriptors left, or an unprivileged user's share of pipe pages is used up
    /// (`fs.pipe-user-pages-soft`).
    pub fn new(capacity: usize) -> io::Result<Self> {
        let (source, sink) = nix::unistd::pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)?;
        let capacity = i32::try_from(capacity).map_err(io::Error::other)?;
        fcntl(&sink, FcntlArg::F_SETPIPE_SZ(capacity))?;
        Ok(Self { source, sink })
    }

    /// Moves up to `bytes_max` from a socket's receive queue into this pipe.
    ///
    /// `Blocked` and `Eof` are not to be believed: one byte of urgent data makes the kernel answer
    /// EAGAIN for ever, and zero after the FIN, with bytes unread. Confirm both by a peek.
    /// `Blocked` also stands for a full pipe, so ask only while the pipe is empty.
    pub fn fill_from(&self, socket: &impl AsFd, bytes_max: usize) -> Outcome {
        let result = splice(socket, None, &self.sink, None, bytes_max, flags());
        Outcome::of_read(result.map_err(io::Error::from))
    }

    /// Moves up to `bytes_max` from this pipe into a socket's send queue.
    ///
    /// The kernel may raise SIGPIPE here, whatever the flags; Rust's runtime ignores that signal.
    pub fn drain_to(&self, socket: &impl AsFd, bytes_max: usize) -> Outcome {
        let result = splice(&self.source, None, socket, None, bytes_max, flags());
        Outcome::of_write(result.map_err(io::Error::from))
    }

    /// Copies the `bytes` that are inside into user memory, which empties this pipe; `None` if it
    /// holds another number of them.
    pub fn read_out(&self, bytes: usize) -> Option<Box<[u8]>> {
        let mut inside = vec![0; bytes].into_boxed_slice();
        let mut rest = &mut inside[..];
        while !rest.is_empty() {
            let taken = nix::unistd::read(&self.source, rest).ok()?;
            rest = rest.get_mut(taken..).filter(|_| taken > 0)?;
        }
        Some(inside)
    }
}

/// Without `SPLICE_F_MORE`: the last bytes of a burst must leave at once.
fn flags() -> SpliceFFlags {
    SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK
}
