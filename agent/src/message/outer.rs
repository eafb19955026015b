//! What stands between a PC and a relay, and relays that are not believed.

use std::time::SystemTime;

use protocol::id::BoardName;

use super::{Explain, Explanation, Who, japanese};
use crate::config::Endpoint;
use crate::outer::{CertificateRefusal, OuterError, ProxyRefusal};
use crate::platform;

impl Explain for OuterError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Refused(refusal) => refusal.explain(),
            Self::Certificate { address, source } => certificate(source, address),
            Self::Proxy { proxy, source } => proxy_refusal(source, proxy),
            Self::ProxySettings(source) => proxy_settings(source),
            Self::ProxyScript { script, source } => proxy_script(script, source),
            Self::EntryUnusable(reason) => entry_unusable(reason),
            Self::UnknownBoard(board) => unknown_board(board),
            Self::NameNotFound { name, .. } => name_not_found(name),
            Self::Unreachable { address, source } => unreachable(address, source),
            Self::NoAnswer { address, .. } => no_answer(address),
            Self::WrongBoard { wanted, found, .. } => wrong_board(wanted, found),
            Self::OldTls { address } => old_tls(address),
            Self::NotTls { address, beginning } => not_tls(address, beginning),
            Self::HandshakeCut { address } => handshake_cut(address),
            Self::Tls { .. } => no_security(self),
            Self::Closed | Self::Lost(_) => broken_off(),
            Self::CutBehindProxy { proxy } => cut_behind_proxy(proxy),
            Self::BadFrame(_) | Self::UnexpectedFrame(_) | Self::BoardList(_) => nonsense(self),
        }
    }

    fn explain_in_japanese(&self) -> Explanation {
        japanese::outer(self)
    }
}

fn entry_unusable(reason: &str) -> Explanation {
    Explanation::new(
        Who::ThisProgram,
        format!("The entry file cannot be used: {reason}."),
        "Ask whoever runs the relay for a fresh entry file.",
    )
}

fn unknown_board(board: &BoardName) -> Explanation {
    Explanation::new(
        Who::ThisProgram,
        format!("Relay {board} is not on the list of relays that this PC has."),
        "Try again in a minute.",
    )
}

fn name_not_found(name: &str) -> Explanation {
    Explanation::new(
        Who::YourNetwork,
        format!("The name {name} was not found."),
        "Check that this PC is connected to the internet. In an office network, ask its \
         administrator whether a proxy is needed.",
    )
}

fn unreachable(address: &Endpoint, source: &std::io::Error) -> Explanation {
    Explanation::new(
        Who::YourNetwork,
        format!("There is no way to the relay at {address}: {source}."),
        "Check that this PC is connected to the internet. In an office network, ask its \
         administrator to allow outgoing connections to that address, or for a proxy.",
    )
}

fn no_answer(address: &Endpoint) -> Explanation {
    Explanation::new(
        Who::YourNetwork,
        format!("No answer comes back from {address}."),
        "Something on the way drops the connection without a word. Ask your network's \
         administrator whether connections to that address are allowed.",
    )
}

fn wrong_board(wanted: &BoardName, found: &BoardName) -> Explanation {
    Explanation::new(
        Who::Relay,
        format!("At the address of relay {wanted} stands relay {found}."),
        "Tell whoever runs the relay.",
    )
}

fn old_tls(address: &Endpoint) -> Explanation {
    Explanation::new(
        Who::YourNetwork,
        format!("What answers at {address} speaks only an old kind of TLS. It is not the relay."),
        exemption(address),
    )
}

fn not_tls(address: &Endpoint, beginning: &str) -> Explanation {
    Explanation::new(
        Who::YourNetwork,
        format!(
            "What answers at {address} is not the relay but something that says \"{beginning}\": \
             perhaps the login page of a hotel or café."
        ),
        "Open a web page in a browser, log in to the network if it asks, and try again.",
    )
}

fn handshake_cut(address: &Endpoint) -> Explanation {
    Explanation::new(
        Who::YourNetwork,
        format!("The connection to {address} is cut as soon as it begins."),
        format!(
            "A firewall does that. Ask your network's administrator to allow TLS 1.3 \
             connections to {address}."
        ),
    )
}

fn no_security(error: &OuterError) -> Explanation {
    Explanation::new(
        Who::Relay,
        format!("No secure connection came about: {error}."),
        "Update this program. If it still happens, tell whoever runs the relay.",
    )
}

fn broken_off() -> Explanation {
    Explanation::new(
        Who::YourNetwork,
        "The connection to the relay broke off.",
        "Try again. If it keeps happening, change to another network, by cable if you can.",
    )
}

fn cut_behind_proxy(proxy: &Endpoint) -> Explanation {
    Explanation::new(
        Who::YourNetwork,
        format!("The connection to the relay, through the proxy {proxy}, broke off."),
        "Try again. If it breaks off again and again, each time after as long, ask your network's \
         administrator to let connections to the relay last: some proxies end them by the clock.",
    )
}

fn nonsense(error: &OuterError) -> Explanation {
    Explanation::new(
        Who::Relay,
        format!("It said something that this program does not understand: {error}."),
        "Update this program. If it still happens, tell whoever runs the relay.",
    )
}

fn proxy_refusal(refusal: &ProxyRefusal, proxy: &Endpoint) -> Explanation {
    let (why, what_to_do) = match refusal {
        ProxyRefusal::Unreachable(source) => (
            format!("The proxy {proxy} cannot be reached: {source}."),
            "Check that this PC is connected to its network, and the proxy's address: under \
             [proxy] in the configuration, or in the system's settings."
                .to_owned(),
        ),
        ProxyRefusal::Authentication { asked } => (
            format!(
                "The proxy {proxy} does not accept the user name and password that it was \
                 given.{}",
                offers(asked)
            ),
            "Check 'user' and 'password_file' under [proxy] in the configuration. If there are \
             none, the proxy was told who is logged on to this PC, and wants somebody else."
                .to_owned(),
        ),
        ProxyRefusal::NoUser { asked } => (
            format!(
                "The proxy {proxy} wants a user name and a password.{}",
                offers(asked)
            ),
            "Set 'user' and 'password_file' under [proxy] in the configuration.".to_owned(),
        ),
        ProxyRefusal::UnknownSchemes { asked } => (
            format!(
                "The proxy {proxy} wants a login of a kind that this program cannot do here.{}",
                offers(asked)
            ),
            "Ask your network's administrator to let this PC through the proxy without a login, \
             or to allow Basic (on Windows also NTLM or Negotiate)."
                .to_owned(),
        ),
        ProxyRefusal::Stranger { asked } => (
            format!(
                "The proxy {proxy} wants a login, but only the network has named it (WPAD), and \
                 anybody in the network can do that.{}",
                offers(asked)
            ),
            format!(
                "If your network's administrator says that it is the right one, set kind = \
                 \"http\" and address = \"{proxy}\" under [proxy] in the configuration."
            ),
        ),
        ProxyRefusal::Logon { scheme, source } => (
            format!("This PC cannot log in to the proxy {proxy} by {scheme}: {source}."),
            "Set 'user' and 'password_file' under [proxy] in the configuration, with the domain \
             as in 'DOMAIN\\user'. If they are set, ask your network's administrator."
                .to_owned(),
        ),
        ProxyRefusal::LoginCut => (
            format!("The proxy {proxy} ends the connection in the middle of the login."),
            "Ask your network's administrator whether something before the proxy cuts its \
             connections: NTLM needs one that stays."
                .to_owned(),
        ),
        ProxyRefusal::Portal { answer } => (
            format!("The proxy {proxy} leads to a page for browsers instead: {answer}."),
            "Open a web page in a browser, log in to the network if it asks, and try again."
                .to_owned(),
        ),
        ProxyRefusal::Forbidden { address, answer } => (
            format!("The proxy {proxy} forbids connections to {address}: {answer}."),
            format!("Ask your network's administrator to allow CONNECT to {address}."),
        ),
        ProxyRefusal::NoWay { address, answer } => (
            format!("The proxy {proxy} tried and could not reach {address}: {answer}."),
            "Try again. If it stays so, ask your network's administrator.".to_owned(),
        ),
        ProxyRefusal::Unusable { reason } => (
            format!("What answers at {proxy} is not the kind of proxy configured: {reason}."),
            "Check 'kind' and 'address' under [proxy] in the configuration.".to_owned(),
        ),
    };
    Explanation::new(Who::YourNetwork, why, what_to_do)
}

fn offers(asked: &str) -> String {
    match asked {
        "" => String::new(),
        asked => format!(" It offers: {asked}."),
    }
}

fn proxy_settings(source: &std::io::Error) -> Explanation {
    Explanation::new(
        Who::ThisProgram,
        format!("It cannot use the proxy settings of this PC: {source}."),
        "Correct them, or say under [proxy] in the configuration what to use instead.",
    )
}

fn proxy_script(script: &str, source: &std::io::Error) -> Explanation {
    Explanation::new(
        Who::YourNetwork,
        format!(
            "The proxy script {script} is of no use: {source}. Without a proxy there was no way \
             either."
        ),
        "Check that this PC is connected to its network. If web pages open in a browser, ask \
         your network's administrator for the proxy's address, and set it under [proxy] in the \
         configuration.",
    )
}

fn certificate(refusal: &CertificateRefusal, address: &Endpoint) -> Explanation {
    match refusal {
        CertificateRefusal::Foreign { issuer } => Explanation::new(
            Who::YourNetwork,
            format!(
                "Something between this PC and {address} opens encrypted connections: it shows a \
                 certificate from \"{issuer}\" and not the relay's."
            ),
            exemption(address),
        ),
        CertificateRefusal::Expired { since } => Explanation::new(
            Who::Relay,
            format!("Its certificate expired on {}.", date(*since)),
            "Check the date and time of this PC. If they are right, tell whoever runs the relay.",
        ),
        CertificateRefusal::NotYetValid { from } => Explanation::new(
            Who::ThisProgram,
            format!(
                "The relay's certificate is valid only from {}.",
                date(*from)
            ),
            "The clock of this PC is probably slow: set its date and time right.",
        ),
        CertificateRefusal::Revoked { board } => Explanation::new(
            Who::Relay,
            format!("Relay {board} is no longer to be trusted; it may have been stolen."),
            "Do not use it. If this goes on, tell whoever runs the relay.",
        ),
        CertificateRefusal::NotListed { board } => Explanation::new(
            Who::Relay,
            format!("Relay {board} is not one of the relays in service."),
            "Try again later. If it stays so, tell whoever runs the relay.",
        ),
        CertificateRefusal::NotABoard { reason } => Explanation::new(
            Who::Relay,
            format!("Its certificate cannot be used: {reason}."),
            "Tell whoever runs the relay.",
        ),
    }
}

fn exemption(address: &Endpoint) -> String {
    format!("Ask your network's administrator to exempt {address} from TLS inspection.")
}

/// As the clock on the wall shows it.
pub(super) fn date(time: SystemTime) -> String {
    match jiff::Timestamp::try_from(time) {
        Ok(time) => {
            let local = time.to_zoned(platform::time_zone(time));
            local.strftime("%Y-%m-%d %H:%M").to_string()
        }
        Err(_) => "????-??-??".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io;
    use std::time::{Duration, UNIX_EPOCH};

    use protocol::codec::DecodeError;

    use super::*;

    fn address() -> Endpoint {
        "relay.example:443".parse().expect("is an endpoint")
    }

    fn board() -> BoardName {
        "board-1".parse().expect("is a name")
    }

    fn refused() -> io::Error {
        io::ErrorKind::ConnectionRefused.into()
    }

    fn certificates() -> Vec<OuterError> {
        let wrap = |source| OuterError::Certificate {
            address: address(),
            source,
        };
        let since = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let issuer = "Example Inspection".to_owned();
        let reason = "it names no board".to_owned();
        let refusals = [
            CertificateRefusal::Foreign { issuer },
            CertificateRefusal::Expired { since },
            CertificateRefusal::NotYetValid { from: UNIX_EPOCH },
            CertificateRefusal::Revoked { board: board() },
            CertificateRefusal::NotListed { board: board() },
            CertificateRefusal::NotABoard { reason },
        ];
        refusals.map(wrap).into()
    }

    fn proxies() -> Vec<OuterError> {
        let wrap = |source| OuterError::Proxy {
            proxy: "proxy.example:8080".parse().expect("is an endpoint"),
            source,
        };
        let (asked, answer) = ("NTLM".to_owned(), "403 Forbidden".to_owned());
        let reason = "it does not speak HTTP".to_owned();
        let address = address();
        let refusals = [
            ProxyRefusal::Unreachable(refused()),
            ProxyRefusal::Authentication {
                asked: asked.clone(),
            },
            ProxyRefusal::NoUser {
                asked: asked.clone(),
            },
            ProxyRefusal::UnknownSchemes {
                asked: asked.clone(),
            },
            ProxyRefusal::Stranger { asked },
            ProxyRefusal::Logon {
                scheme: "NTLM",
                source: refused(),
            },
            ProxyRefusal::LoginCut,
            ProxyRefusal::Portal {
                answer: "302 Found".to_owned(),
            },
            ProxyRefusal::Forbidden {
                address: address.clone(),
                answer: answer.clone(),
            },
            ProxyRefusal::NoWay { address, answer },
            ProxyRefusal::Unusable { reason },
        ];
        refusals.map(wrap).into()
    }

    fn others() -> Vec<OuterError> {
        let (address, source) = (address(), refused());
        let beginning = "HTTP/".to_owned();
        vec![
            OuterError::ProxySettings(refused()),
            OuterError::ProxyScript {
                script: "http://wpad.example/wpad.dat".into(),
                source: refused(),
            },
            OuterError::EntryUnusable("it names no address".into()),
            OuterError::UnknownBoard(board()),
            OuterError::NameNotFound {
                name: "relay.example".into(),
                source: refused(),
            },
            OuterError::Unreachable {
                address: address.clone(),
                source,
            },
            OuterError::NoAnswer {
                address: address.clone(),
                connected: true,
            },
            OuterError::WrongBoard {
                address: address.clone(),
                wanted: board(),
                found: board(),
            },
            OuterError::OldTls {
                address: address.clone(),
            },
            OuterError::NotTls {
                address: address.clone(),
                beginning,
            },
            OuterError::HandshakeCut {
                address: address.clone(),
            },
            OuterError::Tls {
                address,
                source: rustls::Error::DecryptError,
            },
            OuterError::Closed,
            OuterError::CutBehindProxy {
                proxy: "proxy.example:8080".parse().expect("is an endpoint"),
            },
            OuterError::BadFrame(DecodeError::Truncated),
            OuterError::UnexpectedFrame("Pong"),
        ]
    }

    #[test]
    fn every_failure_has_sentences_of_its_own() {
        let mut reasons = BTreeSet::new();

        for sample in certificates().into_iter().chain(proxies()).chain(others()) {
            let explanation = sample.explain();

            assert!(
                reasons.insert(explanation.why.clone()),
                "{sample:?} sounds like another"
            );
            for text in [&explanation.why, &explanation.what_to_do] {
                assert!(text.ends_with('.'), "{sample:?}: '{text}' is no sentence");
                assert!(!text.contains("  "), "{sample:?}: '{text}' has a gap");
            }
            let japanese = sample.explain_in_japanese();
            assert_eq!(japanese.who, explanation.who, "{sample:?}");
            assert!(
                reasons.insert(japanese.why.clone()),
                "{sample:?} sounds like another in Japanese"
            );
            for text in [&japanese.why, &japanese.what_to_do] {
                assert!(text.ends_with('。'), "{sample:?}: '{text}' is no sentence");
            }
        }
    }

    #[test]
    fn foreign_certificate_names_its_issuer_and_the_exemption_to_ask_for() {
        let text = certificates()[0].explain().to_string();

        assert!(text.starts_with("Stopped by: your network"), "{text}");
        assert!(text.contains("\"Example Inspection\""), "{text}");
        assert!(
            text.contains("exempt relay.example:443 from TLS inspection"),
            "{text}"
        );
    }

    #[test]
    fn expired_certificate_tells_the_day_and_hints_at_the_clock() {
        let text = certificates()[1].explain().to_string();

        assert!(text.contains("expired on 2027-01-1"), "{text}");
        assert!(text.contains("date and time of this PC"), "{text}");
    }
}
