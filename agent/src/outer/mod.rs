//! Speaking to a relay: dialling, proxies, outer TLS against the deployment's CA, frames.
//!
//! Trusts a board only as far as its certificate and the board list go, and with nothing
//! but delivery. Read `connection` for what callers hold, `tls` for what is checked. `https` goes
//! the same ways to a web server.

pub mod board;
pub mod check;
mod connection;
mod dial;
mod error;
pub mod https;
pub mod proxy;
mod record;
mod tls;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use board::Boards;
pub use connection::Connection;
pub use error::{CertificateRefusal, OuterError, ProxyRefusal};
use protocol::file::entry::Entry;
use protocol::id::BoardName;
use tokio::time::{Instant, timeout_at};

use crate::config::{Endpoint, Proxy};
use crate::platform;
use crate::state::Identity;
use proxy::system::System;
use proxy::{Routes, Way};
use tls::{Purpose, Trust};

/// All that happens on one way to one address, from the name to the end of the TLS handshake.
const WAY_DEADLINE: Duration = Duration::from_secs(20);
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
    routes: Routes,
    user_agent: String,
    boards: Boards,
    trust: Trust,
}

impl Outer {
    /// Prepares the way; dials nothing yet.
    pub fn new(entry: &Entry, options: Options) -> Result<Self, OuterError> {
        Self::with_system(entry, options, Arc::new(platform::ProxySystem))
    }

    /// The same with what stands for this PC's system.
    fn with_system(
        entry: &Entry,
        options: Options,
        system: Arc<dyn System>,
    ) -> Result<Self, OuterError> {
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
            routes: Routes::new(proxy, system),
            user_agent,
            boards,
        })
    }

    /// The board list, and what is learnt for it on the way.
    pub fn boards(&self) -> &Boards {
        &self.boards
    }

    /// Opens a host's link. Ends by itself after 20 s for each way to each address.
    pub async fn link(&self, target: &Target) -> Result<Connection, OuterError> {
        self.connect(target, Purpose::Link).await
    }

    /// Opens a leg. Ends by itself after 20 s for each way to each address.
    pub async fn leg(&self, target: &Target) -> Result<Connection, OuterError> {
        self.connect(target, Purpose::Leg).await
    }

    /// Tries the target's addresses one after the other, until one leads to one of our boards.
    async fn connect(&self, target: &Target, purpose: Purpose) -> Result<Connection, OuterError> {
        let (addresses, wanted) = self.resolve(target)?;
        let mut worst = Worst::default();
        for address in &addresses {
            let connected = self.connect_to(address, wanted, purpose, &mut worst).await;
            if let Some(connection) = connected {
                return Ok(connection);
            }
        }
        Err(worst.into_failure().error)
    }

    /// Tries the ways to one address; `worst` hears of each that fails.
    async fn connect_to(
        &self,
        address: &Endpoint,
        wanted: Option<&BoardName>,
        purpose: Purpose,
        worst: &mut Worst,
    ) -> Option<Connection> {
        let mut tries = self.routes.to(address).await;
        while let Some(way) = tries.next().await {
            match self.connect_by(&way, address, wanted, purpose).await {
                Ok(connection) => return Some(connection),
                Err(error) => {
                    tries.failed(&error);
                    worst.take(error, way.address().cloned());
                }
            }
        }
        if let Some(trouble) = tries.trouble() {
            worst.take(trouble, None);
        }
        None
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

    async fn connect_by(
        &self,
        way: &Way,
        address: &Endpoint,
        wanted: Option<&BoardName>,
        purpose: Purpose,
    ) -> Result<Connection, OuterError> {
        if let Some(objection) = self.routes.objection(way) {
            return Err(objection);
        }
        let deadline = Instant::now() + WAY_DEADLINE;
        let no_answer = |connected| OuterError::NoAnswer {
            address: address.clone(),
            connected,
        };
        let open = proxy::open(way, &self.user_agent, address, self.routes.system());
        let opened = timeout_at(deadline, open).await;
        let stream = opened.map_err(|_elapsed| no_answer(false))??;
        let shake = self.trust.shake_hands(stream, purpose, address);
        let shaken = timeout_at(deadline, shake).await;
        let (stream, board) = shaken.map_err(|_elapsed| no_answer(true))??;
        match wanted {
            Some(wanted) if *wanted != board.name => Err(OuterError::WrongBoard {
                address: address.clone(),
                wanted: wanted.clone(),
                found: board.name,
            }),
            Some(_) | None => {
                let proxy = way.address().cloned();
                let boards = self.boards.clone();
                Ok(Connection::new(stream, board, address, proxy, boards))
            }
        }
    }
}

/// How a way failed.
#[derive(Debug)]
struct Failure {
    error: OuterError,
    /// The proxy on it.
    proxy: Option<Endpoint>,
}

/// Of several failures the most telling one, and of those the first.
#[derive(Default)]
struct Worst(Option<Failure>);

impl Worst {
    fn take(&mut self, error: OuterError, proxy: Option<Endpoint>) {
        let before = self.0.as_ref().map(|failure| failure.error.weight());
        if before.is_none_or(|before| before < error.weight()) {
            self.0 = Some(Failure { error, proxy });
        }
    }

    fn into_failure(self) -> Failure {
        self.0.unwrap_or_else(|| Failure {
            error: OuterError::EntryUnusable("it names no address".into()),
            proxy: None,
        })
    }
}
