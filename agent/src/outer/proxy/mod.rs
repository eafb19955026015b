//! The way out of a network: straight, or through a proxy (A15).
//!
//! A proxy resolves the board's name itself: behind one, a PC often cannot.

mod http;
mod socks;

use tokio::net::TcpStream;

use super::dial::{DialError, dial};
use super::error::{OuterError, ProxyRefusal};
use crate::config::{Endpoint, Proxy, ProxyServer};

/// Opens a TCP connection to a board. The caller sets the deadline.
pub(super) async fn open(
    proxy: &Proxy,
    user_agent: &str,
    address: &Endpoint,
) -> Result<TcpStream, OuterError> {
    match proxy {
        Proxy::None => dial(address).await.map_err(|error| match error {
            DialError::Name(source) => name_not_found(address, source),
            DialError::Connect(source) => OuterError::Unreachable {
                address: address.clone(),
                source,
            },
        }),
        Proxy::Http(server) => {
            let stream = dial_proxy(server).await?;
            let asked = http::connect(stream, server, user_agent, address).await;
            asked.map_err(|source| refused(server, source))
        }
        Proxy::Socks5(server) => {
            let stream = dial_proxy(server).await?;
            let asked = socks::connect(stream, server, address).await;
            asked.map_err(|source| refused(server, source))
        }
    }
}

async fn dial_proxy(server: &ProxyServer) -> Result<TcpStream, OuterError> {
    dial(&server.address).await.map_err(|error| match error {
        DialError::Name(source) => name_not_found(&server.address, source),
        DialError::Connect(source) => refused(server, ProxyRefusal::Unreachable(source)),
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
