//! `host:port`, the host a name or an address.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use protocol::from_toml_text;

/// Where something listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A DNS name or an address, without brackets.
    pub host: String,
    pub port: u16,
}

/// Why a text is not an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error("has no port")]
    NoPort,
    #[error("the port is not a number from 1 to 65535")]
    Port,
    #[error("the host is neither a name nor an address (IPv6 in brackets)")]
    Host,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (host, port) = text.rsplit_once(':').ok_or(EndpointError::NoPort)?;
        let port = match port.parse() {
            Ok(0) | Err(_) => return Err(EndpointError::Port),
            Ok(port) => port,
        };
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let valid = match bracketed {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => is_name(host),
        };
        if valid {
            let host = bracketed.unwrap_or(host).to_owned();
            Ok(Self { host, port })
        } else {
            Err(EndpointError::Host)
        }
    }
}

/// Also an IPv4 address. The limit is that of DNS (RFC 1035, 2.3.4).
fn is_name(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=253).contains(&host.len()) && host.bytes().all(allowed)
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host.parse() {
            Ok(IpAddr::V6(_)) => write!(formatter, "[{host}]:{port}"),
            Ok(IpAddr::V4(_)) | Err(_) => write!(formatter, "{host}:{port}"),
        }
    }
}

from_toml_text!(Endpoint: "a name or address with a port, as \"proxy.example:8080\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_and_addresses_and_prints_them_back() {
        for text in [
            "proxy.example:8080",
            "192.0.2.1:443",
            "[2001:db8::1]:443",
            "a_b-c:1",
        ] {
            let endpoint: Endpoint = text.parse().expect(text);

            assert_eq!(endpoint.to_string(), text);
        }
    }

    #[test]
    fn refuses_what_could_be_two_things_or_smuggle_a_header() {
        let cases = [
            ("proxy", EndpointError::NoPort),
            ("proxy:0", EndpointError::Port),
            ("proxy:65536", EndpointError::Port),
            ("proxy:x", EndpointError::Port),
            (":80", EndpointError::Host),
            ("2001:db8::1:443", EndpointError::Host),
            ("[192.0.2.1]:443", EndpointError::Host),
            ("a b:80", EndpointError::Host),
            ("a\r\nX: y:80", EndpointError::Host),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<Endpoint>(), Err(error), "{text:?}");
        }
        assert!(format!("{}:1", "a".repeat(253)).parse::<Endpoint>().is_ok());
        assert!(
            format!("{}:1", "a".repeat(254))
                .parse::<Endpoint>()
                .is_err()
        );
    }
}
