//! Proxies as people and programs write them down.

use super::Way;
use crate::config::{Endpoint, Login, ProxyServer};

/// Proxies of one list that are tried.
const SERVERS_MAX: usize = 4;
const HTTP_PORT: u16 = 80;
const SOCKS_PORT: u16 = 1080;

/// For what an entry of a list counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Socks,
    /// Spoken to in another way, or for something else than us.
    Other,
}

/// The ways in a list of Windows: `proxy:8080`, or `http=a:80;https=b:8080;socks=c:1080`, or what
/// a script says, `PROXY a:80; SOCKS b:1080; DIRECT`.
///
/// We want what `https` gets: a connection through. Entries that say so come first.
pub fn parse(list: &str, login: &Login) -> Vec<Way> {
    let (mut chosen, mut general) = (Vec::new(), Vec::new());
    let mut announced = None;
    for word in list.split(|c: char| c == ';' || c.is_whitespace()) {
        if word.is_empty() {
            continue;
        }
        let kind = match word.to_ascii_uppercase().as_str() {
            "DIRECT" => {
                general.push(Way::Straight);
                continue;
            }
            "PROXY" | "HTTP" => Some(Kind::Http),
            "SOCKS" | "SOCKS5" => Some(Kind::Socks),
            // A proxy that is spoken to by TLS, and one of the older kind.
            "HTTPS" | "SOCKS4" => Some(Kind::Other),
            _ => None,
        };
        if kind.is_some() {
            announced = kind;
            continue;
        }
        let (purpose, server) = word
            .split_once('=')
            .map_or(("", word), |(purpose, server)| (purpose, server));
        let (kind, ways) = match purpose.to_ascii_lowercase().as_str() {
            "" => (announced.take().unwrap_or(Kind::Http), &mut general),
            "https" => (Kind::Http, &mut chosen),
            "socks" => (Kind::Socks, &mut general),
            _ => continue,
        };
        ways.extend(way(server, kind, login));
    }
    chosen.append(&mut general);
    chosen.dedup();
    chosen.truncate(SERVERS_MAX);
    chosen
}

fn way(server: &str, kind: Kind, login: &Login) -> Option<Way> {
    let (scheme, rest) = split_scheme(server);
    let kind = scheme.map_or(Some(kind), self::kind)?;
    let port = match kind {
        Kind::Http => HTTP_PORT,
        Kind::Socks => SOCKS_PORT,
        Kind::Other => return None,
    };
    let address = endpoint(rest, port)?;
    let login = login.clone();
    let server = ProxyServer { address, login };
    Some(match kind {
        Kind::Socks => Way::Socks5(server),
        Kind::Http | Kind::Other => Way::Http(server),
    })
}

/// The way through the proxy that an address as `http://proxy.example:8080` names; a name and
/// password in it are not read here.
pub(super) fn from_url(url: &str, login: &Login) -> Option<Way> {
    way(url, Kind::Http, login)
}

/// A scheme, if there is one, and what stands behind it.
pub(super) fn split_scheme(url: &str) -> (Option<&str>, &str) {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, url),
    };
    (scheme, rest.split('/').next().unwrap_or_default())
}

fn kind(scheme: &str) -> Option<Kind> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Some(Kind::Http),
        "socks" | "socks5" | "socks5h" => Some(Kind::Socks),
        _ => None,
    }
}

fn endpoint(text: &str, port: u16) -> Option<Endpoint> {
    let as_it_is = text.parse();
    as_it_is.or_else(|_| format!("{text}:{port}").parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `http a:80`, for comparing.
    fn read(list: &str) -> Vec<String> {
        let tell = |way: &Way| match way {
            Way::Straight => "straight".to_owned(),
            Way::Http(server) => format!("http {}", server.address),
            Way::Socks5(server) => format!("socks {}", server.address),
        };
        parse(list, &Login::Nobody).iter().map(tell).collect()
    }

    #[test]
    fn lists_of_windows_are_read_for_a_connection_through() {
        assert_eq!(read("proxy.example:8080"), ["http proxy.example:8080"]);
        assert_eq!(read("proxy.example"), ["http proxy.example:80"]);
        assert_eq!(read("a:1;b:2 c:3"), ["http a:1", "http b:2", "http c:3"]);
        assert_eq!(
            read("http=a:1;https=b:2;ftp=c:3;socks=d"),
            ["http b:2", "socks d:1080"]
        );
        assert_eq!(read("https=http://b:2/"), ["http b:2"]);
        assert_eq!(read("http=a:1"), [""; 0]);
        assert_eq!(read("[2001:db8::1]:8080"), ["http [2001:db8::1]:8080"]);
        assert_eq!(read("[2001:db8::1]"), ["http [2001:db8::1]:80"]);
    }

    #[test]
    fn words_of_a_script_are_read_in_their_order() {
        assert_eq!(
            read("PROXY a:1; SOCKS5 b:2; DIRECT"),
            ["http a:1", "socks b:2", "straight"]
        );
        assert_eq!(read("proxy a:1;proxy a:1"), ["http a:1"]);
        assert_eq!(read("HTTPS a:1; PROXY b:2"), ["http b:2"]);
        assert_eq!(read("DIRECT"), ["straight"]);
    }

    #[test]
    fn rubbish_names_no_proxy_and_a_long_list_only_some() {
        for rubbish in ["", ";;", "a:99999", "=", "https=", "a\u{7}b:1", "ftp://a:1"] {
            assert_eq!(read(rubbish), [""; 0], "{rubbish:?}");
        }
        let long: String = (1..100).map(|port| format!("a:{port};")).collect();
        assert_eq!(read(&long).len(), SERVERS_MAX);
    }
}
