//! An HTTPS address, and the request that asks for what is there.

use std::str::FromStr;

use crate::config::Endpoint;

/// Longest address; web servers that redirect make long ones.
const URL_MAX: usize = 2048;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) endpoint: Endpoint,
    /// As it was written.
    authority: String,
    /// With the query, without the fragment.
    path: String,
}

/// A text that is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoUrl;

impl FromStr for Url {
    type Err = NoUrl;

    fn from_str(text: &str) -> Result<Self, NoUrl> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.len() > URL_MAX || !is_plain {
            return Err(NoUrl);
        }
        let rest = text.strip_prefix("https://").ok_or(NoUrl)?;
        let (rest, _fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // The colons of an IPv6 address stand in brackets.
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.ends_with(']'));
        let endpoint = if has_port {
            authority.parse()
        } else {
            format!("{authority}:443").parse()
        };
        Ok(Self {
            endpoint: endpoint.map_err(|_| NoUrl)?,
            authority: authority.to_owned(),
            path: if path.starts_with('/') {
                path.to_owned()
            } else {
                format!("/{path}")
            },
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

    /// The whole request.
    pub(super) fn request(&self, user_agent: &str) -> String {
        let Self {
            authority, path, ..
        } = self;
        format!(
            "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {user_agent}\r\n\
             Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
        )
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
        Some((endpoint.to_string(), authority, path))
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
        let joined = |location: &str| url.join(location).ok().map(|url| url.request("me"));

        assert!(joined("/d?e").is_some_and(|request| {
            request.starts_with("GET /d?e HTTP/1.1\r\nHost: a.example:8443\r\n")
        }));
        assert!(joined("https://b.example/").is_some());
        for wrong in ["http://b.example/", "//b.example/", "d", "", "file:///etc"] {
            assert_eq!(joined(wrong), None, "{wrong}");
        }
    }
}
