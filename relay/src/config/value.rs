//! Values that `relay.toml` writes as text: durations, sizes, ranges of addresses, choices.

use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use protocol::from_toml_text;

use crate::data::DataPath;

/// A duration: "90s", "5m", "2h" or "1d".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// A number of bytes: "512K", "128M" or "1G".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub(super) usize);

/// A range of addresses: "192.0.2.0/24", "2001:db8::/32", or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range(pub(super) IpNet);

/// How bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path(pub(super) DataPath);

/// Something that can be turned off by the word "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Or<T>(pub(super) Option<T>);

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
        let seconds = counted(text, &units).ok_or("is not a duration")?;
        Ok(Self(Duration::from_secs(seconds)))
    }
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let units = [("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)];
        let bytes = counted(text, &units).and_then(|bytes| usize::try_from(bytes).ok());
        bytes.map(Self).ok_or("is not a size")
    }
}

impl FromStr for Range {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let single = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
        let range: IpNet = text
            .parse()
            .ok()
            .or_else(single)
            .ok_or("is not a range of addresses")?;
        // 192.0.2.7/24 is more likely a slip than a range.
        if range.addr() == range.network() {
            Ok(Self(range))
        } else {
            Err("has bits set behind the prefix")
        }
    }
}

impl FromStr for Path {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self(DataPath::Auto)),
            "splice" => Ok(Self(DataPath::Splice)),
            "copy" => Ok(Self(DataPath::Copy)),
            _ => Err("is not a data path"),
        }
    }
}

impl<T: FromStr> FromStr for Or<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        match text {
            "none" => Ok(Self(None)),
            text => text.parse().map(|value| Self(Some(value))),
        }
    }
}

from_toml_text!(
    Span: "a duration, as \"90s\", \"5m\", \"2h\" or \"1d\"",
    Size: "a number of bytes, as \"512K\", \"128M\" or \"1G\"",
    Range: "a range of addresses, as \"192.0.2.0/24\" or \"2001:db8::/32\"",
    Path: "\"auto\", \"splice\" or \"copy\"",
    Or<std::net::SocketAddr>: "\"none\", or an address with a port, as \"127.0.0.1:9464\"",
);

/// A whole number with a unit behind it, multiplied out.
fn counted(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (digits, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), *factor)))?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_need_a_number_and_a_unit() {
        assert_eq!("90s".parse(), Ok(Span(Duration::from_secs(90))));
        assert_eq!("5 m".parse(), Ok(Span(Duration::from_secs(300))));
        assert_eq!("128M".parse(), Ok(Size(128 << 20)));
        for wrong in [
            "",
            "s",
            "5",
            "+5s",
            "-5s",
            "5 minutes",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
        assert!("128".parse::<Size>().is_err());
    }

    #[test]
    fn ranges_are_whole_networks_or_single_addresses() {
        assert_eq!(
            "192.0.2.0/24"
                .parse::<Range>()
                .map(|range| range.0.to_string()),
            Ok("192.0.2.0/24".into())
        );
        assert_eq!(
            "2001:db8::1"
                .parse::<Range>()
                .map(|range| range.0.to_string()),
            Ok("2001:db8::1/128".into())
        );
        assert_eq!(
            "192.0.2.7/24".parse::<Range>(),
            Err("has bits set behind the prefix")
        );
        assert_eq!(
            "192.0.2.0/33".parse::<Range>(),
            Err("is not a range of addresses")
        );
    }

    #[test]
    fn none_turns_off() {
        assert_eq!("none".parse::<Or<u16>>(), Ok(Or(None)));
        assert_eq!("7".parse::<Or<u16>>(), Ok(Or(Some(7))));
    }
}
