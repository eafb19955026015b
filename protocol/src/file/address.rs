//! Addresses that an operator types: where agents reach a board, and what the board talks to.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use crate::from_toml_text;

/// Longest address that a board list carries, in bytes.
const ADDRESS_MAX: usize = 96;
/// RFC 1035, section 2.3.4.
const LABEL_MAX: usize = 63;

/// `host:port`, the host a name or an address (IPv6 in brackets).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("has no port; write host:port, as relay.example.jp:443")]
    PortMissing,
    #[error("has a port that is not a number from 1 to 65535")]
    Port,
    #[error("is an IPv6 address without brackets; write [2001:db8::1]:443")]
    Brackets,
    #[error("has a host that is neither a name nor an address")]
    Host,
    #[error("is longer than 96 bytes")]
    Length,
}

impl Address {
    /// The address as it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > ADDRESS_MAX {
            return Err(AddressError::Length);
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(AddressError::Brackets);
        }
        let (host, port) = text.rsplit_once(':').ok_or(AddressError::PortMissing)?;
        if host.starts_with('[') && port.ends_with(']') {
            return Err(AddressError::PortMissing);
        }
        let digits_only = port.bytes().all(|byte| byte.is_ascii_digit());
        if !digits_only || !port.parse().is_ok_and(|port: u16| port > 0) {
            return Err(AddressError::Port);
        }
        match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(inner) if inner.parse::<Ipv6Addr>().is_ok() => {}
            None if host.parse::<Ipv6Addr>().is_ok() => return Err(AddressError::Brackets),
            None if host.split('.').all(is_label) => {}
            Some(_) | None => return Err(AddressError::Host),
        }
        Ok(Self(text.to_owned()))
    }
}

/// A machine without a port: a name or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// The host as it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Host {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > ADDRESS_MAX {
            return Err(AddressError::Length);
        }
        if text.parse::<IpAddr>().is_ok() || text.split('.').all(is_label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(AddressError::Host)
        }
    }
}

from_toml_text!(
    Address: "an address, as relay.example.jp:443",
    Host: "a name or an address, as ntp.nict.jp or 192.0.2.1",
);

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=LABEL_MAX).contains(&label.len()) && label.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_of_both_kinds_are_taken() {
        for text in [
            "relay.example.jp:443",
            "localhost:8443",
            "192.0.2.1:443",
            "[2001:db8::1]:443",
        ] {
            assert_eq!(
                text.parse::<Address>().map(|address| address.0),
                Ok(text.into())
            );
        }
    }

    #[test]
    fn mistakes_are_told_by_what_to_write_instead() {
        let too_long = format!("{}.jp:443", ["a"; 46].join("."));
        assert_eq!(too_long.len(), ADDRESS_MAX + 2);
        for (text, error) in [
            ("relay.example.jp", AddressError::PortMissing),
            ("[2001:db8::1]", AddressError::PortMissing),
            ("relay.example.jp:", AddressError::Port),
            ("relay.example.jp:+443", AddressError::Port),
            ("relay.example.jp:0", AddressError::Port),
            ("relay.example.jp:65536", AddressError::Port),
            ("2001:db8::1", AddressError::Brackets),
            ("2001:db8:1:2:3:4:5:6:443", AddressError::Brackets),
            ("[relay]:443", AddressError::Host),
            ("https://relay:443", AddressError::Host),
            (" relay:443", AddressError::Host),
            ("relay..jp:443", AddressError::Host),
            (":443", AddressError::Host),
            (too_long.as_str(), AddressError::Length),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
    }
}
