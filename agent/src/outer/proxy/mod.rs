//! The way out of a network: straight, or through a proxy (A15).
//!
//! `routes` has the order of tries, `system` what this PC's system says of proxies, `http` and
//! `socks` speak to one, `login` tells it who is here. A proxy resolves the board's name itself:
//! behind one, a PC often cannot.

mod aside;
pub mod environment;
pub mod exempt;
mod http;
pub mod list;
pub mod login;
mod routes;
mod socks;
pub mod system;

use std::sync::Arc;

use tokio::net::TcpStream;

use super::dial::{DialError, dial};
use super::error::{OuterError, ProxyRefusal};
use crate::config::{Endpoint, ProxyServer};
pub(super) use routes::Routes;
use system::System;

/// One way to a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    Straight,
    Http(ProxyServer),
    Socks5(ProxyServer),
}

impl Way {
    /// The proxy that stands on it.
    pub(super) fn proxy(&self) -> Option<&ProxyServer> {
        match self {
            Self::Straight => None,
            Self::Http(server) | Self::Socks5(server) => Some(server),
        }
    }

    /// Where that is.
    pub(super) fn address(&self) -> Option<&Endpoint> {
        self.proxy().map(|server| &server.address)
    }
}

/// Opens a TCP connection to a board. The caller sets the deadline.
pub(super) async fn open(
    way: &Way,
    user_agent: &str,
    address: &Endpoint,
    system: &Arc<dyn System>,
) -> Result<TcpStream, OuterError> {
    match way {
        Way::Straight => dial(address).await.map_err(|error| match error {
            DialError::Name(source) => name_not_found(address, source),
            DialError::Connect(source) => OuterError::Unreachable {
                address: address.clone(),
                source,
            },
        }),
        Way::Http(server) => http::connect(server, user_agent, address, system).await,
        Way::Socks5(server) => {
            let stream = dial_proxy(server).await?;
            let asked = socks::connect(stream, server, address).await;
            asked.map_err(|source| refused(server, source))
        }
    }
}

async fn dial_proxy(server: &ProxyServer) -> Result<TcpStream, OuterError> {
    dial(&server.address).await.map_err(|error| {
        let (DialError::Name(source) | DialError::Connect(source)) = error;
        refused(server, ProxyRefusal::Unreachable(source))
    })
}

fn refused(server: &ProxyServer, source: ProxyRefusal) -> OuterError {
    OuterError::Proxy {
        proxy: server.address.clone(),
        source,
    }
}

fn name_not_found(endpoint: &Endpoint, source: std::io::Error) -> OuterError {
    OuterError::NameNotFound {
        name: endpoint.host.clone(),
        source,
    }
}
