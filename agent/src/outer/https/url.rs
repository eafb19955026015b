//! An HTTPS address, and the request that asks for what is there.

use std::str::FromStr;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{ACCEPT_ENCODING, CONNECTION, HOST, USER_AGENT};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{Request, Uri};

use crate::config::Endpoint;

/// Longest address; web servers that redirect make long ones.
const URL_MAX: usize = 2048;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) endpoint: Endpoint,
    /// As it was written.
    authority: Authority,
    /// With the query, without the fragment.
    path: PathAndQuery,
}

/// A text that is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoUrl;

impl FromStr for Url {
    type Err = NoUrl;

    fn from_str(text: &str) -> Result<Self, NoUrl> {
        if text.len() > URL_MAX || !text.is_ascii() {
            return Err(NoUrl);
        }
        let uri = text.parse::<Uri>().map_err(|_| NoUrl)?.into_parts();
        if uri.scheme != Some(Scheme::HTTPS) {
            return Err(NoUrl);
        }
        let authority = uri.authority.ok_or(NoUrl)?;
        let endpoint = match authority.port() {
            Some(_) => authority.as_str().parse(),
            None => format!("{authority}:443").parse(),
        };
        Ok(Self {
            endpoint: endpoint.map_err(|_| NoUrl)?,
            authority,
            path: uri.path_and_query.ok_or(NoUrl)?,
        })
    }
}

impl Url {
    /// Where a redirect leads: to another address, or elsewhere on the same server.
    pub(super) fn join(&self, location: &str) -> Result<Self, NoUrl> {
        if location.starts_with('/') && !location.starts_with("//") {
            return format!("https://{}{location}", self.authority).parse();
        }
        location.parse()
    }

    pub(super) fn request(&self, user_agent: &str) -> Request<Empty<Bytes>> {
        Request::get(self.path.clone())
            .header(HOST, self.authority.as_str())
            .header(USER_AGENT, user_agent)
            .header(ACCEPT_ENCODING, "identity")
            .header(CONNECTION, "close")
            .body(Empty::new())
            .expect("settings with a User-Agent that cannot be printed are refused")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(String, String, String)> {
        let Url {
            endpoint,
            authority,
            path,
        } = text.parse().ok()?;
        Some((
            endpoint.to_string(),
            authority.to_string(),
            path.to_string(),
        ))
    }

    #[test]
    fn server_port_and_path_are_found() {
        for (text, endpoint, authority, path) in [
            ("https://a.example", "a.example:443", "a.example", "/"),
            (
                "https://a.example/b/c?d=/#e",
                "a.example:443",
                "a.example",
                "/b/c?d=/",
            ),
            (
                "https://a.example:8443?x",
                "a.example:8443",
                "a.example:8443",
                "/?x",
            ),
            (
                "https://[2001:db8::1]/b",
                "[2001:db8::1]:443",
                "[2001:db8::1]",
                "/b",
            ),
            ("https://[::1]:4/b", "[::1]:4", "[::1]:4", "/b"),
        ] {
            let expected = (endpoint.into(), authority.into(), path.into());
            assert_eq!(parts(text), Some(expected), "{text}");
        }
        for wrong in [
            "http://a.example/",
            "https://",
            "https://user@a.example/",
            "https://a.example:0/",
            "https://a.example/b c",
            "https://a.example/\r\nX: y",
            "https://日本.example/",
        ] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
        let long = |length: usize| format!("https://a/{}", "x".repeat(length - 10));
        assert!(parts(&long(URL_MAX)).is_some());
        assert!(parts(&long(URL_MAX + 1)).is_none());
    }

    #[test]
    fn redirects_lead_to_addresses_and_paths_and_nowhere_else() {
        let url: Url = "https://a.example:8443/b/c".parse().expect("is one");
        let joined = |location: &str| {
            url.join(location)
                .ok()
                .map(|url| format!("{} {}", url.authority, url.path))
        };

        assert_eq!(joined("/d?e").as_deref(), Some("a.example:8443 /d?e"));
        assert_eq!(joined("https://b.example/").as_deref(), Some("b.example /"));
        for wrong in ["http://b.example/", "//b.example/", "d", "", "file:///etc"] {
            assert_eq!(joined(wrong), None, "{wrong}");
        }
    }
}
