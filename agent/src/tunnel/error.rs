//! Why a tunnel did not come to be, and why a stream of one ended.

use std::io;

use protocol::codec::{DecodeError, EncodeError};
use protocol::id::HostKey;
use protocol::refusal::{Refusal, RefusalCode};

/// Why there is no tunnel.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// Client: the host shows another key than the pinned one. Nothing was sent to it.
    #[error("host key changed from {expected} to {found}")]
    ChangedHostKey { expected: HostKey, found: HostKey },
    /// The password is right, and yet the two ends do not see the same tunnel.
    #[error("somebody sits between client and host")]
    ManInTheMiddle,
    /// The password or the user name is wrong.
    #[error("wrong password")]
    WrongPassword,
    /// Client: the host said no. Host: what it answered.
    #[error("refused: {}", .0.code.label())]
    Refused(Box<Refusal>),
    /// The peer took too long.
    #[error("no {0} in time")]
    TimedOut(Step),
    /// The connection ended early.
    #[error("connection closed instead of {0}")]
    Closed(Step),
    #[error("connection broke during {step}")]
    Io { step: Step, source: io::Error },
    /// The peer's TLS is not what a tunnel needs.
    #[error("unfit tls in tunnel")]
    Tls(#[source] rustls::Error),
    #[error("malformed frame instead of {step}")]
    BadFrame { step: Step, source: DecodeError },
    #[error("{found} instead of {step}")]
    UnexpectedFrame { step: Step, found: &'static str },
    #[error("password message is malformed")]
    BadPasswordMessage,
    /// Welcome names a version that was not offered.
    #[error("peer picked version {0}, which was not offered")]
    BadVersion(u16),
    #[error("password too long")]
    PasswordTooLong,
    #[error("no randomness or memory for the password check")]
    Resources,
}

/// A step of the handshake, as its error names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Tls,
    Hello,
    Challenge,
    Proof,
    Welcome,
}

impl std::fmt::Display for Step {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Tls => "tls handshake",
            Self::Hello => "hello",
            Self::Challenge => "challenge",
            Self::Proof => "proof",
            Self::Welcome => "welcome",
        })
    }
}

impl From<EncodeError> for TunnelError {
    fn from(EncodeError: EncodeError) -> Self {
        Self::Resources
    }
}

/// Why a stream does not go on. Reads and writes carry it inside their [`io::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The connection under the tunnel ended while the stream was open.
    #[error("path died")]
    PathDied,
    /// The other end gave the stream up.
    #[error("stream reset: {}", .0.label())]
    Reset(RefusalCode),
    /// As many streams are open as a tunnel may have.
    #[error("tunnel has no stream left")]
    TooManyStreams,
    /// The stream was written to after its end.
    #[error("stream is shut for writing")]
    Shut,
}

impl StreamError {
    /// The stream error inside `error`, if it came from a stream.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        let kind = match error {
            StreamError::PathDied => io::ErrorKind::ConnectionAborted,
            StreamError::Reset(_) => io::ErrorKind::ConnectionReset,
            StreamError::TooManyStreams => io::ErrorKind::QuotaExceeded,
            StreamError::Shut => io::ErrorKind::BrokenPipe,
        };
        Self::new(kind, error)
    }
}
