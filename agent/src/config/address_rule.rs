//! Address rules (A11): which client addresses a host lets in.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use protocol::file::reader::Table;
use protocol::from_toml_text;

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Permit,
    Deny,
}

impl Verdict {
    /// As `host.toml` says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
        }
    }
}

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRule {
    pub verdict: Verdict,
    pub range: IpNet,
}

/// Rules in order: the first that matches wins, and without a match the client is permitted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressRules(pub Vec<AddressRule>);

impl AddressRules {
    /// What the rules say about a client. An IPv4 address inside IPv6 is that IPv4 address.
    pub fn verdict(&self, client: IpAddr) -> Verdict {
        let client = client.to_canonical();
        self.0
            .iter()
            .find(|rule| rule.range.contains(&client))
            .map_or(Verdict::Permit, |rule| rule.verdict)
    }
}

impl AddressRule {
    /// A single address without its length.
    pub(crate) fn range_text(&self) -> String {
        if self.range.prefix_len() == self.range.max_prefix_len() {
            self.range.addr().to_string()
        } else {
            self.range.to_string()
        }
    }
}

/// As one line.
impl fmt::Display for AddressRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.verdict.name(), self.range_text())
    }
}

impl FromStr for AddressRule {
    type Err = &'static str;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let (verdict, range) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let all = [Verdict::Permit, Verdict::Deny];
        let verdict = all.into_iter().find(|known| known.name() == verdict);
        let verdict = verdict.ok_or("begins with neither permit nor deny")?;
        let Range(range) = range.trim().parse()?;
        Ok(Self { verdict, range })
    }
}

/// Takes one `[[address_rule]]`: `permit = RANGE` or `deny = RANGE`.
pub(super) fn take(rule: &mut Table<'_>) -> Option<AddressRule> {
    let permit = rule.optional::<Range>("permit");
    let deny = rule.optional::<Range>("deny");
    let (verdict, Range(range)) = match (permit, deny) {
        (Some(range), None) => (Verdict::Permit, range),
        (None, Some(range)) => (Verdict::Deny, range),
        (None, None) => {
            rule.reject(
                "permit",
                "needs a range that is right, as 'permit' or as 'deny'",
            );
            return None;
        }
        (Some(_), Some(_)) => {
            rule.reject("deny", "cannot stand beside 'permit'; make two rules of it");
            return None;
        }
    };
    Some(AddressRule { verdict, range })
}

/// A range of addresses, or a single address.
struct Range(IpNet);

impl FromStr for Range {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let range = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse().map_err(|_| "is not an address range")?,
        };
        // Somebody who writes 192.0.2.7/24 means one of two things; let them say which.
        if range.addr() != range.network() {
            return Err("has bits behind its length");
        }
        Ok(Self(canonical(range)))
    }
}

/// Rules for IPv4 inside IPv6 are rules for IPv4, as the addresses are.
fn canonical(range: IpNet) -> IpNet {
    let IpNet::V6(v6) = range else {
        return range;
    };
    let mapped = Ipv6Addr::to_ipv4_mapped(&v6.addr());
    let length = v6.prefix_len().checked_sub(96);
    match mapped.zip(length) {
        Some((address, length)) => Ipv4Net::new(address, length).map_or(range, IpNet::V4),
        None => range,
    }
}

from_toml_text!(Range: "an address range, as \"192.0.2.0/24\", \"2001:db8::/32\" or \"192.0.2.1\"");

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &[(Verdict, &str)]) -> AddressRules {
        let rule = |(verdict, range): &(Verdict, &str)| AddressRule {
            verdict: *verdict,
            range: range.parse::<Range>().expect("is a range").0,
        };
        AddressRules(text.iter().map(rule).collect())
    }

    fn verdict(rules: &AddressRules, client: &str) -> Verdict {
        rules.verdict(client.parse().expect("is an address"))
    }

    #[test]
    fn first_match_wins_and_no_match_permits() {
        use Verdict::{Deny, Permit};
        let rules = rules(&[
            (Permit, "192.0.2.7"),
            (Deny, "192.0.2.0/24"),
            (Permit, "192.0.2.9"),
            (Deny, "2001:db8::/32"),
        ]);

        let cases = [
            ("192.0.2.7", Permit),
            ("192.0.2.9", Deny),
            ("192.0.2.255", Deny),
            ("192.0.3.0", Permit),
            ("2001:db8:ffff::1", Deny),
            ("2001:db9::1", Permit),
        ];
        for (client, expected) in cases {
            assert_eq!(verdict(&rules, client), expected, "{client}");
        }
    }

    #[test]
    fn ipv4_inside_ipv6_is_ipv4_in_addresses_and_in_rules() {
        use Verdict::Deny;

        assert_eq!(
            verdict(&rules(&[(Deny, "192.0.2.0/24")]), "::ffff:192.0.2.1"),
            Deny
        );
        assert_eq!(
            verdict(&rules(&[(Deny, "::ffff:192.0.2.0/120")]), "192.0.2.1"),
            Deny
        );
        assert_eq!(
            verdict(&rules(&[(Deny, "::ffff:0:0/96")]), "203.0.113.1"),
            Deny
        );
    }

    #[test]
    fn everything_can_be_denied() {
        let rules = rules(&[(Verdict::Deny, "0.0.0.0/0"), (Verdict::Deny, "::/0")]);

        assert_eq!(verdict(&rules, "198.51.100.1"), Verdict::Deny);
        assert_eq!(verdict(&rules, "2001:db8::1"), Verdict::Deny);
    }

    #[test]
    fn a_rule_is_one_line_and_comes_back() {
        for line in [
            "permit 192.0.2.7",
            "deny 192.0.2.0/24",
            "deny ::/0",
            "permit 2001:db8::1",
        ] {
            let rule: AddressRule = line.parse().expect("is a rule");

            assert_eq!(rule.to_string(), line);
        }
        for line in [
            "",
            "permit",
            "allow ::/0",
            "deny 192.0.2.7/24",
            "deny ::1 ::2",
            "Deny ::1",
        ] {
            assert!(line.parse::<AddressRule>().is_err(), "{line:?}");
        }
    }

    #[test]
    fn unclear_ranges_are_refused() {
        for text in [
            "192.0.2.7/24",
            "192.0.2.0/33",
            "example.com",
            "",
            "192.0.2.0-192.0.2.9",
        ] {
            assert!(text.parse::<Range>().is_err(), "{text:?}");
        }
    }
}
