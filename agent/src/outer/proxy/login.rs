//! Telling a proxy who is here: which scheme, and what to say next. Talks to nobody itself.
//!
//! The strongest scheme that both sides can do comes first: Negotiate and NTLM, which the system
//! does and which need no password in clear, then Basic, if a user and a password were given.

use std::io;
use std::sync::Arc;

use data_encoding::BASE64;
use protocol::text::Text;
use zeroize::Zeroizing;

use super::aside::aside;
use super::system::System;
use crate::config::{Login, ProxyServer};
use crate::outer::ProxyRefusal;

/// Tokens that one login may send: NTLM needs two, Kerberos one or two.
const ROUNDS_MAX: u32 = 6;
/// The largest token: what Windows' MaxTokenSize can be set to.
const TOKEN_MAX: usize = 65_535;

/// A way to log in over HTTP (RFC 4559, RFC 7617).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Negotiate,
    Ntlm,
    Basic,
}

impl Scheme {
    const STRONGEST_FIRST: [Self; 3] = [Self::Negotiate, Self::Ntlm, Self::Basic];

    /// Its name, in headers and for Windows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Negotiate => "Negotiate",
            Self::Ntlm => "NTLM",
            Self::Basic => "Basic",
        }
    }
}

/// A login that goes on: each question of the proxy has an answer.
pub trait Logon: Send {
    /// The next token. `challenge` is what the proxy has said, empty at first.
    fn next(&mut self, challenge: &[u8]) -> io::Result<Vec<u8>>;
}

/// One scheme that a proxy offers, and what it says beside.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    scheme: String,
    token: String,
}

/// What a request says of who is here.
#[derive(Debug)]
pub(super) struct Authorization {
    /// For the header `Proxy-Authorization`.
    pub(super) text: Zeroizing<String>,
    /// It begins a login, on a connection of its own; otherwise it goes on with one.
    pub(super) begins: bool,
}

/// The logins at one proxy, for one connection to a board.
pub(super) struct Logins<'s> {
    server: &'s ProxyServer,
    system: &'s Arc<dyn System>,
    running: Option<Running>,
    tried: Vec<Scheme>,
    /// The proxy has heard somebody out and said no.
    rejected: bool,
    failure: Option<(Scheme, io::Error)>,
}

struct Running {
    scheme: Scheme,
    logon: Box<dyn Logon>,
    rounds: u32,
}

impl<'s> Logins<'s> {
    pub(super) fn new(server: &'s ProxyServer, system: &'s Arc<dyn System>) -> Self {
        Self {
            server,
            system,
            running: None,
            tried: Vec::new(),
            rejected: false,
            failure: None,
        }
    }

    /// What to say to a proxy that asks who is here.
    pub(super) async fn answer(
        &mut self,
        offers: &[Challenge],
    ) -> Result<Authorization, ProxyRefusal> {
        if let Some(running) = self.running.take()
            && let Some(said) = self.go_on(running, offers).await
        {
            return Ok(said);
        }
        if self.rejected && matches!(self.server.login, Login::User(..)) {
            // A password that is wrong stays so, and each try counts where users are locked out.
            return Err(self.refusal(offers));
        }
        for scheme in Scheme::STRONGEST_FIRST {
            let offered = offers.iter().any(|offer| offer.is(scheme));
            if !offered || self.tried.contains(&scheme) || self.server.login == Login::Nobody {
                continue;
            }
            if let Some(said) = self.begin(scheme).await {
                return Ok(said);
            }
        }
        Err(self.refusal(offers))
    }

    async fn begin(&mut self, scheme: Scheme) -> Option<Authorization> {
        self.tried.push(scheme);
        if scheme == Scheme::Basic {
            let text = basic(&self.server.login)?;
            self.rejected = true;
            return Some(Authorization { text, begins: true });
        }
        let (system, login) = (Arc::clone(self.system), self.server.login.clone());
        let proxy = self.server.address.host.clone();
        let logon = aside(move || system.logon(scheme, &proxy, &login)).await;
        match logon.and_then(|logon| logon) {
            Ok(logon) => {
                let rounds = 0;
                let running = Running {
                    scheme,
                    logon,
                    rounds,
                };
                self.say(running, Vec::new()).await
            }
            Err(error) => {
                self.failure = Some((scheme, error));
                None
            }
        }
    }

    async fn go_on(&mut self, running: Running, offers: &[Challenge]) -> Option<Authorization> {
        let question = offers.iter().find(|offer| offer.is(running.scheme));
        let token = question.and_then(|offer| BASE64.decode(offer.token.as_bytes()).ok());
        match token {
            Some(token) if !token.is_empty() && running.rounds < ROUNDS_MAX => {
                self.say(running, token).await
            }
            // No question is left: it knows all, and still asks who is here.
            Some(_) | None => {
                self.rejected = true;
                None
            }
        }
    }

    async fn say(&mut self, mut running: Running, challenge: Vec<u8>) -> Option<Authorization> {
        let begins = running.rounds == 0;
        running.rounds += 1;
        let scheme = running.scheme;
        let next = aside(move || {
            let token = running.logon.next(&challenge);
            (running, token)
        });
        let token = match next.await {
            Ok((running, token)) => {
                self.running = Some(running);
                token.and_then(checked)
            }
            Err(error) => Err(error),
        };
        match token {
            Ok(token) => {
                let token = Zeroizing::new(BASE64.encode(&token));
                let text = Zeroizing::new(format!("{} {}", scheme.name(), *token));
                Some(Authorization { text, begins })
            }
            Err(error) => {
                self.running = None;
                self.failure = Some((scheme, error));
                None
            }
        }
    }

    /// Why nothing is left to say.
    fn refusal(&mut self, offers: &[Challenge]) -> ProxyRefusal {
        let asked: Vec<&str> = offers.iter().map(|offer| offer.scheme.as_str()).collect();
        let asked = asked.join(", ");
        if self.rejected {
            return ProxyRefusal::Authentication { asked };
        }
        if self.server.login == Login::Nobody {
            return ProxyRefusal::Stranger { asked };
        }
        match self.failure.take() {
            Some((_, error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Some((scheme, source)) => {
                let scheme = scheme.name();
                return ProxyRefusal::Logon { scheme, source };
            }
            None => {}
        }
        if offers.iter().any(|offer| offer.is(Scheme::Basic)) {
            return ProxyRefusal::NoUser { asked };
        }
        ProxyRefusal::UnknownSchemes { asked }
    }
}

impl Challenge {
    fn is(&self, scheme: Scheme) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme.name())
    }
}

fn checked(token: Vec<u8>) -> io::Result<Vec<u8>> {
    match token.len() {
        1..=TOKEN_MAX => Ok(token),
        0 => Err(io::Error::other("there is nothing to say")),
        _ => Err(io::Error::other("there is too much to say")),
    }
}

fn basic(login: &Login) -> Option<Zeroizing<String>> {
    let Login::User(user, password) = login else {
        return None;
    };
    let plain = Zeroizing::new(format!("{user}:{}", *password.0));
    let coded = Zeroizing::new(BASE64.encode(plain.as_bytes()));
    Some(Zeroizing::new(format!("Basic {}", *coded)))
}

/// The offers in one header `Proxy-Authenticate` (RFC 9110, 11.6.1): several may stand in one,
/// parted by commas as their parameters are.
pub(super) fn offers(header: &str) -> Vec<Challenge> {
    let mut offers = Vec::new();
    let mut quoted = false;
    let parts = header.split(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    for part in parts {
        let mut words = part.split_whitespace();
        // A parameter of the offer before it has an equals sign in its first word.
        if let Some(scheme) = words.next().filter(|word| !word.contains('=')) {
            offers.push(Challenge {
                scheme: Text::<40>::lossy(scheme).to_string(),
                token: words.next().unwrap_or_default().to_owned(),
            });
        }
    }
    offers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemes(header: &str) -> Vec<String> {
        offers(header)
            .into_iter()
            .map(|offer| offer.scheme)
            .collect()
    }

    #[test]
    fn offers_are_told_from_their_parameters() {
        assert_eq!(
            schemes("Negotiate, NTLM, Basic realm=\"a, b\", charset=\"UTF-8\""),
            ["Negotiate", "NTLM", "Basic"]
        );
        assert_eq!(
            schemes("Digest realm=\"x\", nonce=\"y\",Basic realm=z"),
            ["Digest", "Basic"]
        );
        assert_eq!(schemes(", ,"), [""; 0]);
        let token = offers("NTLM TlRMTVNTUAAC==");
        assert_eq!(token[0].token, "TlRMTVNTUAAC==");
        assert!(token[0].is(Scheme::Ntlm));
    }
}
