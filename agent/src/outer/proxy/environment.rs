//! What the environment variables of Unix programs say: `https_proxy`, `all_proxy`, `no_proxy`.

use std::io;

use zeroize::Zeroizing;

use super::exempt::Exempt;
use super::system::Settings;
use super::{Way, list};
use crate::config::{Login, Password};

/// In small letters first, as curl does it: a web server cannot make those by a header.
const PROXY: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// Reads the variables that `variable` gives.
pub fn settings(variable: impl Fn(&str) -> Option<String>) -> io::Result<Settings> {
    let first = |names: &[&'static str]| {
        let set = names
            .iter()
            .filter_map(|name| Some((*name, variable(name)?)));
        let mut set = set.filter(|(_, value)| !value.trim().is_empty());
        set.next()
    };
    let mut settings = Settings::default();
    if let Some((name, value)) = first(&PROXY) {
        let value = Zeroizing::new(value);
        let way = proxy(value.trim()).ok_or_else(|| {
            // The value may hold a password.
            let problem = format!(
                "the environment variable {name} names no proxy as http://proxy.example:8080 or \
                 socks5://proxy.example:1080"
            );
            io::Error::new(io::ErrorKind::InvalidData, problem)
        })?;
        settings.servers.push(way);
    }
    if let Some((_, value)) = first(&NO_PROXY) {
        settings.exempt = Exempt::of_environment(&value);
    }
    Ok(settings)
}

/// `[scheme://][user:password@]host[:port]`.
fn proxy(url: &str) -> Option<Way> {
    let (scheme, rest) = list::split_scheme(url);
    let (login, server) = match rest.rsplit_once('@') {
        Some((user, server)) => (user_of(user)?, server),
        None => (Login::LoggedOn, rest),
    };
    let scheme = scheme.unwrap_or("http");
    list::from_url(&format!("{scheme}://{server}"), &login)
}

fn user_of(text: &str) -> Option<Login> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let user = String::clone(&*decode(user)?);
    Some(Login::User(user, Password(decode(password)?)))
}

/// Undoes `%41` and its like (RFC 3986, 2.1). What is no printable text is refused: it would
/// become a header.
fn decode(text: &str) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            u8::try_from(high * 16 + low).ok()?
        } else {
            byte
        });
    }
    let text = std::str::from_utf8(&bytes).ok()?;
    let plain = text.len() <= 255 && !text.chars().any(char::is_control);
    plain.then(|| Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> io::Result<Settings> {
        settings(|name| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        })
    }

    fn address(settings: &Settings) -> String {
        let server = settings.servers[0].proxy().expect("is a proxy");
        server.address.to_string()
    }

    #[test]
    fn small_letters_come_before_large_ones_and_the_special_before_the_general() {
        let all = [
            ("ALL_PROXY", "d:4"),
            ("all_proxy", "c:3"),
            ("HTTPS_PROXY", "b:2"),
            ("https_proxy", "a:1"),
        ];
        for (from, expected) in [(0, "a:1"), (1, "b:2"), (2, "c:3"), (3, "d:4")] {
            let settings = read(&all[..4 - from]).expect("is right");
            assert_eq!(address(&settings), expected);
        }
        let empty = read(&[("https_proxy", " "), ("http_proxy", "a:1")]).expect("is right");
        assert!(empty.servers.is_empty());
    }

    #[test]
    fn a_url_has_its_kind_its_port_and_its_user() {
        let url = "http://taro%40example.jp:p%3Aw%25@proxy.example/";
        let settings = read(&[("https_proxy", url)]).expect("is right");

        let Way::Http(server) = &settings.servers[0] else {
            panic!("an HTTP proxy, not {settings:?}");
        };
        assert_eq!(server.address.to_string(), "proxy.example:80");
        let Login::User(user, password) = &server.login else {
            panic!("a user, not {settings:?}");
        };
        assert_eq!(user, "taro@example.jp");
        assert_eq!(password.0.as_str(), "p:w%");
        assert!(!format!("{settings:?}").contains("p:w"));

        let socks = read(&[("ALL_PROXY", "socks5h://proxy.example")]).expect("is right");
        assert!(matches!(&socks.servers[0], Way::Socks5(_)));
        assert_eq!(address(&socks), "proxy.example:1080");
    }

    #[test]
    fn what_cannot_be_used_is_told_without_its_content() {
        for wrong in [
            "https://secret@proxy.example",
            "http://u:%0a@proxy.example",
            "http://u:%zz@proxy.example",
            "http://secret:word@",
        ] {
            let error = read(&[("https_proxy", wrong)]).expect_err("is wrong");

            let text = error.to_string();
            assert!(text.contains("https_proxy"), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
