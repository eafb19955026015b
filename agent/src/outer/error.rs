//! Why a board could not be reached, or is not one of ours.

use std::io;
use std::time::SystemTime;

use protocol::codec::DecodeError;
use protocol::id::BoardName;
use protocol::refusal::Refusal;

use super::board::BoardListError;
use crate::config::Endpoint;

/// Everything that can go wrong before and beside the tunnel. `address` is the board's.
#[derive(Debug, thiserror::Error)]
pub enum OuterError {
    /// The entry file is broken: its signature is right, but not what it says.
    #[error("entry file is unusable: {0}")]
    EntryUnusable(String),
    #[error("board {0} is not on the board list")]
    UnknownBoard(BoardName),

    #[error("name {name} cannot be resolved")]
    NameNotFound { name: String, source: io::Error },
    #[error("no connection to {address}")]
    Unreachable {
        address: Endpoint,
        source: io::Error,
    },
    /// `connected`: something took the connection, and then said nothing.
    #[error("{address} does not answer")]
    NoAnswer { address: Endpoint, connected: bool },

    /// What has been set on this PC is no setting.
    #[error("proxy settings of this PC are unusable: {0}")]
    ProxySettings(#[source] io::Error),
    /// `script` is its address, or "WPAD".
    #[error("proxy script {script} is of no use: {source}")]
    ProxyScript { script: String, source: io::Error },
    #[error("proxy {proxy}: {source}")]
    Proxy {
        proxy: Endpoint,
        source: ProxyRefusal,
    },

    #[error("board at {address} is refused")]
    Certificate {
        address: Endpoint,
        source: CertificateRefusal,
    },
    #[error("{address} is board {found}, not {wanted}")]
    WrongBoard {
        address: Endpoint,
        wanted: BoardName,
        found: BoardName,
    },
    /// The other side speaks no TLS 1.3; a board always does.
    #[error("{address} does not speak TLS 1.3")]
    OldTls { address: Endpoint },
    /// A captive portal or a web server, say. `beginning`: what it said, as printable text.
    #[error("{address} does not speak TLS but \"{beginning}\"")]
    NotTls {
        address: Endpoint,
        beginning: String,
    },
    /// The connection was cut during the TLS handshake, as some firewalls do.
    #[error("{address} closed the connection during the TLS handshake")]
    HandshakeCut { address: Endpoint },
    #[error("TLS with {address}: {source}")]
    Tls {
        address: Endpoint,
        source: rustls::Error,
    },

    #[error("connection closed by the board")]
    Closed,
    #[error("connection to the board lost")]
    Lost(#[source] io::Error),
    #[error("connection to the board, through proxy {proxy}, was cut")]
    CutBehindProxy { proxy: Endpoint },
    #[error("board sent a frame that cannot be read: {0}")]
    BadFrame(DecodeError),
    #[error("board sent {0} where it makes no sense")]
    UnexpectedFrame(&'static str),
    #[error("board sent a board list in disorder: {0}")]
    BoardList(BoardListError),
    /// The board's own words.
    #[error("refused: {}", .0.code.label())]
    Refused(Box<Refusal>),
}

/// Why a proxy does not help.
#[derive(Debug, thiserror::Error)]
pub enum ProxyRefusal {
    #[error("no connection")]
    Unreachable(#[source] io::Error),
    /// It has heard who is here, and says no. `asked`, here and below: what it would accept,
    /// empty if it does not say.
    #[error("login rejected ({asked})")]
    Authentication { asked: String },
    /// It wants a user name and a password, and there are none.
    #[error("user name and password demanded ({asked})")]
    NoUser { asked: String },
    /// Nothing that it would accept can be done here.
    #[error("login demanded in a way that cannot be done here ({asked})")]
    UnknownSchemes { asked: String },
    /// Only the network has named this proxy, so it is told nobody.
    #[error("login demanded by a proxy that nobody has configured ({asked})")]
    Stranger { asked: String },
    /// The system cannot vouch for whoever is here.
    #[error("this PC cannot log in by {scheme}: {source}")]
    Logon {
        scheme: &'static str,
        source: io::Error,
    },
    #[error("it ends the connection in the middle of the login")]
    LoginCut,
    /// A page for a browser.
    #[error("it leads to a page instead: {answer}")]
    Portal { answer: String },
    #[error("connections to {address} are forbidden: {answer}")]
    Forbidden { address: Endpoint, answer: String },
    #[error("it cannot reach {address}: {answer}")]
    NoWay { address: Endpoint, answer: String },
    /// What answers is no proxy of the configured kind.
    #[error("unusable answer: {reason}")]
    Unusable { reason: String },
}

/// Why a board's certificate is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateRefusal {
    /// Another CA has signed it: something between opens TLS, or the deployment is another.
    #[error("its certificate comes from '{issuer}', not from the deployment")]
    Foreign { issuer: String },
    #[error("its certificate has expired")]
    Expired { since: SystemTime },
    #[error("its certificate is not valid yet")]
    NotYetValid { from: SystemTime },
    #[error("the certificate of board {board} is revoked")]
    Revoked { board: BoardName },
    #[error("board {board} is not on the board list")]
    NotListed { board: BoardName },
    /// The deployment has signed it, but for something else than a board.
    #[error("its certificate is not that of a board: {reason}")]
    NotABoard { reason: String },
}

impl OuterError {
    /// Of several addresses that failed, the most telling failure is reported: one that got
    /// further says more.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::NameNotFound { .. } => 1,
            Self::Unreachable { .. } | Self::NoAnswer { .. } => 2,
            Self::ProxySettings(_) | Self::ProxyScript { .. } | Self::Proxy { .. } => 3,
            Self::HandshakeCut { .. } => 5,
            Self::NotTls { .. } | Self::OldTls { .. } | Self::Tls { .. } => 6,
            Self::Closed
            | Self::Lost(_)
            | Self::CutBehindProxy { .. }
            | Self::BadFrame(_)
            | Self::UnexpectedFrame(_)
            | Self::BoardList(_) => 7,
            Self::Certificate { .. } | Self::WrongBoard { .. } => 8,
            Self::EntryUnusable(_) | Self::UnknownBoard(_) | Self::Refused(_) => 9,
        }
    }
}

/// Whether the other side, or something between, has cut the connection.
pub(super) fn is_cut(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        error.kind(),
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe
    )
}
