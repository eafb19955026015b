//! How to get out of a network that only lets a proxy through (A15).

use std::fmt;

use zeroize::Zeroizing;

/// The way to the boards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Proxy {
    /// Straight.
    #[default]
    None,
    /// HTTP CONNECT.
    Http(ProxyServer),
    Socks5(ProxyServer),
}

/// Where a proxy is, and what it wants to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyServer {
    /// `host:port`.
    pub address: String,
    /// User name and password, if the proxy asks.
    pub credentials: Option<(String, Password)>,
}

/// A password; never printed, wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub Zeroizing<String>);

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[password]")
    }
}
