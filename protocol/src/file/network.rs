//! How a board is reached where it stands, and which machines it talks to: `[network]`.
//!
//! Every value here ends up in the configuration of another program, line by line; so each is
//! parsed into a type that cannot hold a line break or a quote. Everything has a default.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use data_encoding::BASE64;

use super::address::{Address, Host};
use super::node::{list, quote};
use super::reader::Table;
use crate::from_toml_text;

/// Most name servers, and most time servers.
pub const SERVERS_MAX: usize = 4;
/// IEEE 802.1Q: 0 and 4095 have other meanings.
pub const VLANS: std::ops::RangeInclusive<u16> = 1..=4094;
/// The least that IPv6 needs (RFC 8200, section 5), and the most that switches carry.
pub const MTUS: std::ops::RangeInclusive<u16> = 1280..=9216;

/// The board's place in a network; the default asks the network for everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    pub ipv4: Addressing<Ipv4Addr>,
    pub ipv6: Addressing<Ipv6Addr>,
    /// Name servers beside those that the network names.
    pub dns: Vec<IpAddr>,
    /// Time servers; none: those that the network names, else the image's.
    pub ntp: Vec<Host>,
    /// 802.1Q number of the VLAN that carries everything.
    pub vlan: Option<u16>,
    /// Bytes; none: what the network says.
    pub mtu: Option<u16>,
    /// Where the journal goes, as syslog over TCP (RFC 5424, RFC 6587).
    pub log_host: Option<Address>,
    /// Who may log in by SSH; none: nobody, and nothing listens.
    pub ssh_key: Option<SshKey>,
}

/// How a board comes to an address of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Addressing<A> {
    /// DHCP, or router advertisements.
    #[default]
    Auto,
    /// Not used.
    Off,
    Static {
        address: A,
        prefix: u8,
        gateway: Option<A>,
    },
}

impl Network {
    /// Takes the keys out of their table.
    pub fn take(table: &mut Table<'_>) -> Option<Self> {
        let network = Self {
            ipv4: table.optional("ipv4").unwrap_or_default(),
            ipv6: table.optional("ipv6").unwrap_or_default(),
            dns: table.optional("dns").unwrap_or_default(),
            ntp: table.optional("ntp").unwrap_or_default(),
            vlan: table.optional("vlan"),
            mtu: table.optional("mtu"),
            log_host: table.optional("log_host"),
            ssh_key: table.optional("ssh_key"),
        };
        for (key, problem) in network.problems() {
            table.reject(key, problem);
        }
        Some(network)
    }

    /// What does not fit together, by key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.ipv4 == Addressing::Off && self.ipv6 == Addressing::Off {
            problems.push((
                "ipv6",
                "IPv4 and IPv6 are both \"none\": nobody could reach the board".to_owned(),
            ));
        }
        for (key, count) in [("dns", self.dns.len()), ("ntp", self.ntp.len())] {
            if count > SERVERS_MAX {
                problems.push((key, format!("names more than {SERVERS_MAX} servers")));
            }
        }
        for (key, value, range) in [("vlan", self.vlan, VLANS), ("mtu", self.mtu, MTUS)] {
            if value.is_some_and(|value| !range.contains(&value)) {
                let (least, most) = range.into_inner();
                problems.push((key, format!("must be {least} to {most}")));
            }
        }
        problems
    }

    /// The keys that differ from the default, one a line; empty if none does.
    pub fn to_text(&self) -> String {
        let texts = |hosts: Vec<String>| (!hosts.is_empty()).then(|| list(&hosts));
        let strings = |it: &dyn fmt::Display| quote(&it.to_string());
        let auto = |is_auto: bool, it: &dyn fmt::Display| (!is_auto).then(|| strings(it));
        [
            ("ipv4", auto(self.ipv4 == Addressing::Auto, &self.ipv4)),
            ("ipv6", auto(self.ipv6 == Addressing::Auto, &self.ipv6)),
            (
                "dns",
                texts(self.dns.iter().map(IpAddr::to_string).collect()),
            ),
            ("ntp", texts(self.ntp.iter().map(Host::to_string).collect())),
            ("vlan", self.vlan.map(|vlan| vlan.to_string())),
            ("mtu", self.mtu.map(|mtu| mtu.to_string())),
            ("log_host", self.log_host.as_ref().map(|it| strings(it))),
            ("ssh_key", self.ssh_key.as_ref().map(|it| strings(it))),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some(format!("{key} = {}\n", value?)))
        .collect()
    }
}

/// What IPv4 and IPv6 share.
pub trait Family: Copy + Eq + FromStr + fmt::Display + Into<IpAddr> {
    /// Length of an address in bits.
    const BITS: u8;
    /// Address bits, right-aligned.
    fn bits(self) -> u128;
}

impl Family for Ipv4Addr {
    const BITS: u8 = 32;

    fn bits(self) -> u128 {
        self.to_bits().into()
    }
}

impl Family for Ipv6Addr {
    const BITS: u8 = 128;

    fn bits(self) -> u128 {
        self.to_bits()
    }
}

impl<A: Family> FromStr for Addressing<A> {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => return Ok(Self::Auto),
            "none" => return Ok(Self::Off),
            _ => {}
        }
        let (interface, gateway) = match text.split_once(" via ") {
            Some((interface, gateway)) => (interface, Some(gateway)),
            None => (text, None),
        };
        let (address, prefix) = interface
            .split_once('/')
            .ok_or("has no prefix length, as the /24 in 192.0.2.10/24")?;
        let address: A = address.parse().map_err(|_| "has a wrong address")?;
        let prefix = prefix
            .parse()
            .ok()
            .filter(|prefix| (1..=A::BITS).contains(prefix))
            .ok_or("has a wrong prefix length")?;
        let gateway = gateway
            .map(|gateway| gateway.trim().parse::<A>())
            .transpose()
            .map_err(|_| "has a wrong gateway")?;
        check_static(address, prefix, gateway)?;
        Ok(Self::Static {
            address,
            prefix,
            gateway,
        })
    }
}

/// Refuses what no network can mean: the slips that leave a board out of reach.
fn check_static<A: Family>(address: A, prefix: u8, gateway: Option<A>) -> Result<(), &'static str> {
    let ip: IpAddr = address.into();
    if ip.is_loopback() || ip.is_multicast() || ip.is_unspecified() {
        return Err("is not an address that a board can have");
    }
    let host_bits = A::BITS - prefix;
    let host_mask = 1_u128
        .checked_shl(u32::from(host_bits))
        .map_or(u128::MAX, |bit| bit - 1);
    let host = address.bits() & host_mask;
    // RFC 3021: both addresses of a /31 are hosts.
    if ip.is_ipv4() && host_bits > 1 && (host == 0 || host == host_mask) {
        return Err("is the address of the network itself, or its broadcast address");
    }
    let Some(gateway) = gateway else {
        return Ok(());
    };
    let same_network = address.bits() & !host_mask == gateway.bits() & !host_mask;
    let link_local = matches!(gateway.into(), IpAddr::V6(it) if it.is_unicast_link_local());
    if gateway == address {
        Err("has itself as its gateway")
    } else if same_network || link_local {
        Ok(())
    } else {
        Err("has a gateway outside of its network")
    }
}

impl<A: Family> fmt::Display for Addressing<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Off => formatter.write_str("none"),
            Self::Static {
                address,
                prefix,
                gateway,
            } => {
                write!(formatter, "{address}/{prefix}")?;
                gateway.map_or(Ok(()), |gateway| write!(formatter, " via {gateway}"))
            }
        }
    }
}

/// One line of `authorized_keys` (sshd(8)) without options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshKey(String);

impl SshKey {
    /// Longest line in bytes: an RSA key of 8192 bits has 1,400.
    pub const MAX: usize = 2048;
    const KINDS: [&str; 7] = [
        "ssh-ed25519",
        "sk-ssh-ed25519@openssh.com",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ecdsa-sha2-nistp256@openssh.com",
        "ssh-rsa",
    ];

    /// The line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SshKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.contains("PRIVATE KEY") {
            return Err("is a private key; the public one is in the file that ends in .pub");
        }
        if text.len() > Self::MAX || text.chars().any(char::is_control) {
            return Err("is not one line of text");
        }
        let mut words = text.split(' ');
        let kind = words.next().unwrap_or_default();
        let blob = words.next().unwrap_or_default();
        if !Self::KINDS.contains(&kind) {
            return Err("does not begin with a kind of key");
        }
        // RFC 4253, section 6.6: the key itself begins with its kind, after four bytes of length.
        let named = BASE64.decode(blob.as_bytes()).is_ok_and(|bytes| {
            bytes
                .split_first_chunk::<4>()
                .is_some_and(|(_, rest)| rest.starts_with(kind.as_bytes()))
        });
        if named {
            Ok(Self(text.to_owned()))
        } else {
            Err("is cut off or damaged")
        }
    }
}

impl fmt::Display for SshKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

from_toml_text!(
    Addressing<Ipv4Addr>: "\"auto\", \"none\", or an address as \"192.0.2.10/24 via 192.0.2.1\"",
    Addressing<Ipv6Addr>: "\"auto\", \"none\", or an address as \"2001:db8::10/64 via fe80::1\"",
    IpAddr: "an address, as \"192.0.2.53\" or \"2001:db8::53\"",
    SshKey: "the line of a public key, as \"ssh-ed25519 AAAA... name\"",
);

#[cfg(test)]
mod tests {
    use super::*;

    fn ipv4(text: &str) -> Result<Addressing<Ipv4Addr>, &'static str> {
        text.parse()
    }

    #[test]
    fn what_an_address_says_is_what_it_means() {
        for text in [
            "auto",
            "none",
            "192.0.2.10/24",
            "192.0.2.10/24 via 192.0.2.1",
            "192.0.2.0/31 via 192.0.2.1",
            "192.0.2.1/32",
        ] {
            assert_eq!(ipv4(text).expect(text).to_string(), text);
        }
        for text in ["2001:db8::10/64 via fe80::1", "2001:db8::/128", "fd00::1/1"] {
            let parsed: Addressing<Ipv6Addr> = text.parse().expect(text);
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn slips_that_would_cut_the_board_off_are_refused() {
        for (text, problem) in [
            ("192.0.2.10", "prefix"),
            ("192.0.2.10/33", "prefix"),
            ("192.0.2.10/0", "prefix"),
            ("192.0.2.10/24 via 192.0.3.1", "outside"),
            ("192.0.2.10/24 via 192.0.2.10", "itself"),
            ("192.0.2.0/24", "network itself"),
            ("192.0.2.255/24", "broadcast"),
            ("127.0.0.1/8", "can have"),
            ("2001:db8::1/64", "wrong address"),
            ("192.0.2.10/24\nvia 192.0.2.1", "prefix"),
        ] {
            let error = ipv4(text).expect_err(text);
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn an_ssh_key_is_a_public_one_in_one_piece() {
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB me";
        assert_eq!(key.parse().map(|key: SshKey| key.0), Ok(key.to_owned()));
        for wrong in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 AAAA",
            "from=\"*\" ssh-ed25519 AAAA",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            &key.replace("ssh-ed25519 ", "ssh-rsa "),
            &key.replace(" me", "\nme"),
        ] {
            assert!(wrong.parse::<SshKey>().is_err(), "{wrong}");
        }
    }
}
