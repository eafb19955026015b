//! Speaking to a relay: dialling, proxies, outer TLS against the deployment's CA, frames.
//!
//! Trusts a board only as far as its certificate and the board list go, and with nothing
//! but delivery. Read [`connection`] for what callers hold, `tls` for what is checked.

pub mod board;
mod connection;
mod error;

use protocol::file::entry::Entry;
use protocol::id::BoardName;

pub use board::Boards;
pub use connection::Connection;
pub use error::OuterError;

use crate::config::Proxy;
use crate::state::Identity;

/// What decides how boards are reached.
#[derive(Debug)]
pub struct Options {
    pub proxy: Proxy,
    /// Sent to an HTTP proxy.
    pub user_agent: String,
    /// A host shows its key; a client has none.
    pub identity: Option<Identity>,
    pub boards: Boards,
}

/// Where to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The entry addresses, in their order.
    Entry,
    /// A board from the board list.
    Board(BoardName),
}

/// The way to the boards of a deployment.
#[derive(Debug)]
pub struct Outer {
    addresses: Vec<String>,
    options: Options,
}

impl Outer {
    /// Prepares the way; dials nothing yet.
    pub fn new(entry: &Entry, options: Options) -> Result<Self, OuterError> {
        let addresses = entry.addresses.clone();
        Ok(Self { addresses, options })
    }

    /// The board list and what has been learnt for it.
    pub fn boards(&self) -> &Boards {
        &self.options.boards
    }

    /// Opens a host's link. Bounded in time by itself.
    pub async fn link(&self, target: &Target) -> Result<Connection, OuterError> {
        self.connect(target, protocol::ALPN_LINK).await
    }

    /// Opens a leg. Bounded in time by itself.
    pub async fn leg(&self, target: &Target) -> Result<Connection, OuterError> {
        self.connect(target, protocol::ALPN_LEG).await
    }

    #[expect(clippy::unused_async, reason = "skeleton")]
    async fn connect(&self, target: &Target, alpn: &[u8]) -> Result<Connection, OuterError> {
        let _ = (target, alpn, &self.addresses);
        unimplemented!()
    }
}
