//! Speaking to a relay: dialling, proxies, outer TLS against the deployment's CA, frames.
//!
//! Trusts a board only as far as its certificate and the board list go, and with nothing
//! but delivery. Read `connection` for what callers hold, `tls` for what is checked.

pub mod board;
mod connection;
mod dial;
mod error;
mod proxy;
mod record;
mod tls;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use board::Boards;
pub use connection::Connection;
pub use error::{CertificateRefusal, OuterError, ProxyRefusal};
use protocol::file::entry::Entry;
use protocol::id::BoardName;
use tokio::time::timeout;

use crate::config::{Endpoint, Proxy};
use crate::state::Identity;
use tls::Trust;

/// All that happens at one address, from the name to the end of the TLS handshake.
const ADDRESS_DEADLINE: Duration = Duration::from_secs(20);
/// Addresses tried in one go; a fleet's entry file names a few.
const ADDRESSES_MAX: usize = 8;

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
    entry_addresses: Vec<Endpoint>,
    proxy: Proxy,
    user_agent: String,
    boards: Boards,
    trust: Trust,
}

impl Outer {
    /// Prepares the way; dials nothing yet.
    pub fn new(entry: &Entry, options: Options) -> Result<Self, OuterError> {
        let Options {
            proxy,
            user_agent,
            identity,
            boards,
        } = options;
        let unusable = |error: String| OuterError::EntryUnusable(error);
        let addresses = entry.addresses.iter().take(ADDRESSES_MAX);
        let parse = |address: &String| {
            address
                .parse()
                .map_err(|error| unusable(format!("address '{address}' {error}")))
        };
        Ok(Self {
            entry_addresses: addresses.map(parse).collect::<Result<_, _>>()?,
            trust: Trust::new(&entry.ca, identity.as_ref(), boards.clone()).map_err(unusable)?,
            proxy,
            user_agent,
            boards,
        })
    }

    /// The board list, and what is learnt for it on the way.
    pub fn boards(&self) -> &Boards {
        &self.boards
    }

    /// Opens a host's link. Ends by itself after 20 s for each address.
    pub async fn link(&self, target: &Target) -> Result<Connection, OuterError> {
        self.connect(target, protocol::ALPN_LINK).await
    }

    /// Opens a leg. Ends by itself after 20 s for each address.
    pub async fn leg(&self, target: &Target) -> Result<Connection, OuterError> {
        self.connect(target, protocol::ALPN_LEG).await
    }

    /// Tries the target's addresses one after the other, until one leads to one of our boards.
    async fn connect(&self, target: &Target, alpn: &[u8]) -> Result<Connection, OuterError> {
        let (addresses, wanted) = self.resolve(target)?;
        let mut worst: Option<OuterError> = None;
        for address in &addresses {
            match self.connect_to(address, wanted, alpn).await {
                Ok(connection) => return Ok(connection),
                Err(error)
                    if worst
                        .as_ref()
                        .is_none_or(|worst| worst.weight() < error.weight()) =>
                {
                    worst = Some(error);
                }
                Err(_says_less) => {}
            }
        }
        Err(worst.unwrap_or_else(|| OuterError::EntryUnusable("it names no address".into())))
    }

    fn resolve<'t>(
        &self,
        target: &'t Target,
    ) -> Result<(Vec<Endpoint>, Option<&'t BoardName>), OuterError> {
        match target {
            Target::Entry => Ok((self.entry_addresses.clone(), None)),
            Target::Board(name) => {
                let list = self.boards.newest();
                let board = list.as_ref().and_then(|list| list.board(name));
                let board = board.ok_or_else(|| OuterError::UnknownBoard(name.clone()))?;
                let addresses = board.addresses.iter();
                let parsed = addresses.filter_map(|address| address.as_str().parse().ok());
                Ok((parsed.collect(), Some(name)))
            }
        }
    }

    async fn connect_to(
        &self,
        address: &Endpoint,
        wanted: Option<&BoardName>,
        alpn: &[u8],
    ) -> Result<Connection, OuterError> {
        let way = async {
            let stream = proxy::open(&self.proxy, &self.user_agent, address).await?;
            let (stream, board) = self.trust.shake_hands(stream, alpn, address).await?;
            match wanted {
                Some(wanted) if *wanted != board.name => Err(OuterError::WrongBoard {
                    address: address.clone(),
                    wanted: wanted.clone(),
                    found: board.name,
                }),
                Some(_) | None => Ok(Connection::new(stream, board, address, self.boards.clone())),
            }
        };
        let no_answer = || OuterError::NoAnswer {
            address: address.clone(),
        };
        timeout(ADDRESS_DEADLINE, way)
            .await
            .map_err(|_elapsed| no_answer())?
    }
}
