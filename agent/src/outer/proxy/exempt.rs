//! Which addresses are reached without the proxy that is set.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::Endpoint;

/// More of them are not read.
const RULES_MAX: usize = 1000;

/// The addresses for which the proxy is not meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exempt(Vec<Rule>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    host: Host,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Any,
    /// Names without a dot.
    Local,
    /// A name and all below it.
    Domain(String),
    /// Stars stand for anything.
    Pattern(String),
    Network(IpNet),
}

impl Exempt {
    /// As Windows writes it: `*.example.jp;192.168.*;<local>`.
    pub fn of_windows(list: &str) -> Self {
        let rules = list.split(|c: char| c == ';' || c.is_whitespace());
        Self(rules.filter_map(rule_of_windows).take(RULES_MAX).collect())
    }

    /// As `no_proxy` has it: `example.jp,.example.com,192.0.2.0/24,localhost:8080,*`.
    pub fn of_environment(list: &str) -> Self {
        let rules = list.split(|c: char| c == ',' || c.is_whitespace());
        Self(
            rules
                .filter_map(rule_of_environment)
                .take(RULES_MAX)
                .collect(),
        )
    }

    /// Whether the proxy is not meant for this address.
    pub fn covers(&self, address: &Endpoint) -> bool {
        let name = address.host.to_ascii_lowercase();
        self.0.iter().any(|rule| {
            rule.port.is_none_or(|port| port == address.port) && rule.host.covers(&name)
        })
    }
}

impl Host {
    fn covers(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Local => !name.contains(['.', ':']),
            Self::Domain(domain) => name
                .strip_suffix(domain.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
            Self::Pattern(pattern) => matches(pattern, name),
            Self::Network(network) => name
                .parse::<IpAddr>()
                .is_ok_and(|address| network.contains(&address)),
        }
    }
}

fn rule_of_windows(text: &str) -> Option<Rule> {
    let text = text.to_ascii_lowercase();
    let (_scheme, text) = text.split_once("://").unwrap_or(("", &text));
    if text.is_empty() || text == "<-loopback>" {
        return None;
    }
    let (host, port) = split_port(text);
    let host = match host {
        "<local>" => Host::Local,
        "*" => Host::Any,
        pattern => Host::Pattern(pattern.to_owned()),
    };
    Some(Rule { host, port })
}

fn rule_of_environment(text: &str) -> Option<Rule> {
    let text = text.to_ascii_lowercase();
    if text.is_empty() {
        return None;
    }
    if let Some(network) = network(&text) {
        let host = Host::Network(network);
        return Some(Rule { host, port: None });
    }
    let (host, port) = split_port(&text);
    let domain = host.trim_start_matches('*').trim_start_matches('.');
    let host = match (host, network(host)) {
        (_, Some(network)) => Host::Network(network),
        ("*", None) => Host::Any,
        _ if domain.is_empty() => return None,
        _ => Host::Domain(domain.to_owned()),
    };
    Some(Rule { host, port })
}

/// A network, or an address for itself.
fn network(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).ok()
}

/// A host without brackets, and the port behind it.
fn split_port(text: &str) -> (&str, Option<u16>) {
    let bare = |host| {
        let inner = str::strip_prefix(host, "[").and_then(|host| host.strip_suffix(']'));
        inner.unwrap_or(host)
    };
    match text.rsplit_once(':') {
        Some((host, port)) if host.ends_with(']') || !host.contains(':') => {
            (bare(host), port.parse().ok())
        }
        _ => (bare(text), None),
    }
}

/// Whether `name` fits `pattern`. Looks at no letter more often than the pattern has stars.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(exempt: &Exempt, address: &str) -> bool {
        exempt.covers(&address.parse().expect(address))
    }

    #[test]
    fn list_of_windows_has_stars_ports_and_local_names() {
        let exempt = Exempt::of_windows("*.Example.jp;192.168.*; https://relay.test:443;<local>");

        for address in [
            "a.example.jp:443",
            "192.168.1.2:1",
            "relay.test:443",
            "intranet:443",
        ] {
            assert!(covered(&exempt, address), "{address}");
        }
        for address in [
            "example.jp:443",
            "192.169.1.2:1",
            "relay.test:8443",
            "x.y:1",
        ] {
            assert!(!covered(&exempt, address), "{address}");
        }
        assert!(!covered(&exempt, "[2001:db8::1]:443"));
        assert!(covered(&Exempt::of_windows("*"), "a.b:1"));
        assert!(!covered(&Exempt::of_windows("<-loopback>;;"), "a:1"));
    }

    #[test]
    fn no_proxy_has_domains_networks_and_ports() {
        let exempt =
            Exempt::of_environment("example.jp, .test,192.0.2.0/24,2001:db8::/32,[::1]:9,a.b:8443");

        for address in [
            "example.jp:443",
            "a.EXAMPLE.jp:443",
            "relay.test:1",
            "192.0.2.7:443",
            "[2001:db8::5]:443",
            "[::1]:9",
            "a.b:8443",
        ] {
            assert!(covered(&exempt, address), "{address}");
        }
        for address in ["notexample.jp:443", "192.0.3.1:443", "[::1]:8", "a.b:443"] {
            assert!(!covered(&exempt, address), "{address}");
        }
        assert!(covered(&Exempt::of_environment("*"), "a.b:1"));
        assert!(!covered(&Exempt::of_environment(",,. *."), "a.b:1"));
    }

    #[test]
    fn stars_stand_for_anything_and_cost_little() {
        for (pattern, name, fits) in [
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
        let pattern = "*a".repeat(1000) + "b";
        assert!(!matches(&pattern, &"a".repeat(253)));
    }
}
