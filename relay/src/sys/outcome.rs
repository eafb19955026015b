//! What one non-blocking transfer did.
//!
//! Owns the translation of error numbers into the few cases that matter to a session.
//! Plain data: the pure session core uses these types and nothing else of `sys`.

use std::io::{Error, ErrorKind};

use nix::errno::Errno;

/// Result of one read, write or splice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This many bytes moved. Zero means that a signal came in between: ask again.
    Progress(usize),
    /// The call would have blocked.
    Blocked,
    /// The source has no more bytes and will never have any.
    Eof,
    /// The socket is of no use any more.
    Error(Fault),
}

/// Why a socket is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The peer, or something on the way, reset the connection.
    Reset,
    /// The peer stopped answering: keepalive, `TCP_USER_TIMEOUT`, or no route to it.
    Timeout,
    /// The kernel had no memory or no descriptor to spare.
    Resource,
    /// Anything else.
    Io,
}

impl Outcome {
    /// Reads the result of a call that takes bytes out of a source: zero is the end.
    pub(super) fn of_read(result: Result<usize, Error>) -> Self {
        match result {
            Ok(0) => Self::Eof,
            Ok(bytes) => Self::Progress(bytes),
            Err(error) => Self::of_error(&error),
        }
    }

    /// Reads the result of a call that puts bytes into a sink.
    ///
    /// Nothing is ever written from an empty store, so zero means that our count is wrong.
    pub(super) fn of_write(result: Result<usize, Error>) -> Self {
        match result {
            Ok(0) => Self::Error(Fault::Io),
            Ok(bytes) => Self::Progress(bytes),
            Err(error) => Self::of_error(&error),
        }
    }

    fn of_error(error: &Error) -> Self {
        if error.kind() == ErrorKind::WouldBlock {
            Self::Blocked
        } else if error.kind() == ErrorKind::Interrupted {
            Self::Progress(0)
        } else {
            Self::Error(Fault::of(error))
        }
    }
}

impl Fault {
    /// Sorts an error that is not a would-block.
    pub fn of(error: &Error) -> Self {
        const RESET: [ErrorKind; 4] = [
            ErrorKind::ConnectionReset,
            ErrorKind::ConnectionAborted,
            ErrorKind::BrokenPipe,
            ErrorKind::NotConnected,
        ];
        // A timed-out connection reports the last ICMP error instead, where there was one.
        const TIMEOUT: [ErrorKind; 4] = [
            ErrorKind::TimedOut,
            ErrorKind::HostUnreachable,
            ErrorKind::NetworkUnreachable,
            ErrorKind::NetworkDown,
        ];
        // By number: most of these have no kind of their own.
        const RESOURCE: [Errno; 4] = [Errno::ENOMEM, Errno::ENOBUFS, Errno::ENFILE, Errno::EMFILE];

        let errno = error.raw_os_error().map(Errno::from_raw);
        if RESET.contains(&error.kind()) {
            Self::Reset
        } else if TIMEOUT.contains(&error.kind()) {
            Self::Timeout
        } else if errno.is_some_and(|errno| RESOURCE.contains(&errno)) {
            Self::Resource
        } else {
            Self::Io
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_number_falls_into_one_class() {
        let class = |errno: Errno| Outcome::of_read(Err(Error::from(errno)));

        assert_eq!(class(Errno::EAGAIN), Outcome::Blocked);
        assert_eq!(class(Errno::EINTR), Outcome::Progress(0));
        assert_eq!(class(Errno::ECONNRESET), Outcome::Error(Fault::Reset));
        assert_eq!(class(Errno::EPIPE), Outcome::Error(Fault::Reset));
        assert_eq!(class(Errno::ETIMEDOUT), Outcome::Error(Fault::Timeout));
        assert_eq!(class(Errno::EHOSTUNREACH), Outcome::Error(Fault::Timeout));
        assert_eq!(class(Errno::ENOMEM), Outcome::Error(Fault::Resource));
        assert_eq!(class(Errno::EMFILE), Outcome::Error(Fault::Resource));
        assert_eq!(class(Errno::EINVAL), Outcome::Error(Fault::Io));
    }

    #[test]
    fn zero_bytes_end_a_source_but_are_a_fault_of_a_sink() {
        assert_eq!(Outcome::of_read(Ok(0)), Outcome::Eof);
        assert_eq!(Outcome::of_write(Ok(0)), Outcome::Error(Fault::Io));
    }
}
