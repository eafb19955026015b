//! How to get out of a network that only lets a proxy through (A15).
//!
//! Without a word the system's settings count, as they do for browsers.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use protocol::file::reader::Table;
use protocol::from_toml_text;
use zeroize::Zeroizing;

use super::Endpoint;

/// The way to the boards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// What this PC's system says, asked anew each time; `Login` is for the proxies that it names.
    System(Login),
    /// Straight.
    None,
    /// HTTP CONNECT (RFC 9110, 9.3.6).
    Http(ProxyServer),
    /// SOCKS5 (RFC 1928), user name and password (RFC 1929).
    Socks5(ProxyServer),
}

/// Nobody who has set up a browser should have to set up this program as well.
impl Default for Proxy {
    fn default() -> Self {
        Self::System(Login::LoggedOn)
    }
}

/// Where a proxy is, and who this PC is for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyServer {
    pub address: Endpoint,
    pub login: Login,
}

/// Who this PC is for a proxy that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// Nobody, whatever it asks.
    Nobody,
    /// Whoever is logged on here, where the system vouches for him: Negotiate and NTLM on Windows.
    LoggedOn,
    /// A user and his password.
    User(String, Password),
}

/// A password; never printed, wiped on drop.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password(pub Zeroizing<String>);

impl Deref for Password {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[password]")
    }
}

enum Kind {
    System,
    None,
    Http,
    Socks5,
}

impl FromStr for Kind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "system" => Ok(Self::System),
            "none" => Ok(Self::None),
            "http" => Ok(Self::Http),
            "socks5" => Ok(Self::Socks5),
            _ => Err("unknown kind"),
        }
    }
}

from_toml_text!(Kind: "\"system\", \"none\", \"http\" or \"socks5\"");

/// Takes `[proxy]`; without one the system is asked.
pub(super) fn take(top: &mut Table<'_>, folder: &Path) -> Proxy {
    top.table("proxy", |proxy| {
        let kind = proxy.required("kind")?;
        let address = proxy.optional("address");
        let user = proxy.optional::<String>("user");
        let password_file = proxy.optional::<PathBuf>("password_file");
        let login = || take_login(proxy, folder, user, password_file);
        match kind {
            Kind::None => Some(Proxy::None),
            Kind::System if address.is_some() => {
                proxy.reject("address", "the system says where its proxies are");
                None
            }
            Kind::System => Some(Proxy::System(login())),
            Kind::Http => Some(Proxy::Http(take_server(proxy, address, login())?)),
            Kind::Socks5 => Some(Proxy::Socks5(take_server(proxy, address, login())?)),
        }
    })
    .unwrap_or_default()
}

fn take_server(proxy: &Table<'_>, address: Option<Endpoint>, login: Login) -> Option<ProxyServer> {
    let Some(address) = address else {
        proxy.reject(
            "address",
            "must tell where the proxy is, as \"proxy.example:8080\"",
        );
        return None;
    };
    Some(ProxyServer { address, login })
}

fn take_login(
    proxy: &Table<'_>,
    folder: &Path,
    user: Option<String>,
    password_file: Option<PathBuf>,
) -> Login {
    let login = take_user(proxy, folder, user, password_file);
    login.map_or(Login::LoggedOn, |(user, password)| {
        Login::User(user, password)
    })
}

fn take_user(
    proxy: &Table<'_>,
    folder: &Path,
    user: Option<String>,
    password_file: Option<PathBuf>,
) -> Option<(String, Password)> {
    let (user, file) = match (user, password_file) {
        (Some(user), Some(file)) => (user, folder.join(file)),
        (None, None) => return None,
        (Some(_), None) => {
            proxy.reject("user", "needs a 'password_file' beside it");
            return None;
        }
        (None, Some(_)) => {
            proxy.reject("password_file", "needs a 'user' beside it");
            return None;
        }
    };
    // Basic authentication parts the two at the first colon (RFC 7617, 2).
    if !is_plain(&user) || user.contains(':') {
        proxy.reject(
            "user",
            "must be 1 to 255 bytes without ':' and control characters",
        );
    }
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => Zeroizing::new(text),
        Err(error) => {
            let message = format!("cannot read {}: {error}", file.display());
            proxy.reject("password_file", message);
            return None;
        }
    };
    let password = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    if !is_plain(&password) {
        let message = "must hold 1 to 255 bytes in one line, without control characters";
        proxy.reject("password_file", message);
    }
    Some((user, Password(password)))
}

/// What fits both kinds of proxy: SOCKS5 counts in one byte, HTTP forbids control characters.
pub(crate) fn is_plain(text: &str) -> bool {
    (1..=255).contains(&text.len()) && !text.chars().any(char::is_control)
}
