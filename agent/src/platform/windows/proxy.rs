//! Proxies as Windows knows them, and logging in to them as its user.
//!
//! What the user has set comes before what the PC has. A service runs as an account without
//! settings: for that one it is the PC's, and the network may be asked (WPAD).

use std::io;

use agent_windows::logon::{self, Account};
use agent_windows::proxy::{self, Servers, UserSettings};

use crate::config::Login;
use crate::outer::proxy::exempt::Exempt;
use crate::outer::proxy::list;
use crate::outer::proxy::login::{Logon, Scheme};
use crate::outer::proxy::system::{Script, Settings, System};

/// This Windows.
#[derive(Debug)]
pub(crate) struct ProxySystem;

impl System for ProxySystem {
    fn settings(&self) -> io::Result<Settings> {
        // An error is how Windows says that nothing has ever been set.
        let user = proxy::of_user().unwrap_or_else(|_| UserSettings {
            detect: true,
            ..UserSettings::default()
        });
        let named = user.script.is_some() || user.servers.is_some();
        let (servers, bypass) = if named {
            (user.servers, user.bypass)
        } else {
            let Servers { servers, bypass } = proxy::of_machine().unwrap_or_default();
            (servers, bypass)
        };
        Ok(Settings {
            script: user.script,
            servers: list::parse(&servers.unwrap_or_default(), &Login::LoggedOn),
            exempt: Exempt::of_windows(&bypass.unwrap_or_default()),
            detect: user.detect,
        })
    }

    fn ask(&self, script: &Script, url: &str) -> io::Result<String> {
        let script = match script {
            Script::At(address) => proxy::Script::At(address),
            Script::OfNetwork => proxy::Script::OfNetwork,
        };
        match proxy::ask(script, url) {
            Ok(said) => Ok(said.servers.unwrap_or_else(|| "DIRECT".to_owned())),
            Err(error) => Err(in_words(error)),
        }
    }

    fn logon(&self, scheme: Scheme, proxy: &str, login: &Login) -> io::Result<Box<dyn Logon>> {
        let target = format!("HTTP/{proxy}");
        let account = match login {
            Login::Nobody => return Err(io::ErrorKind::Unsupported.into()),
            Login::LoggedOn => None,
            Login::User(user, password) => {
                let (domain, user) = user.split_once('\\').unwrap_or(("", user));
                Some(Account {
                    domain,
                    user,
                    password: &password.0,
                })
            }
        };
        let logon = logon::Logon::begin(scheme.name(), &target, account)?;
        Ok(Box::new(logon))
    }
}

impl Logon for logon::Logon {
    fn next(&mut self, challenge: &[u8]) -> io::Result<Vec<u8>> {
        self.next(challenge)
    }
}

/// The numbers of WinHTTP (winhttp.h), for which Windows has no words where it has those of
/// other errors.
fn in_words(error: io::Error) -> io::Error {
    let (kind, words) = match error.raw_os_error() {
        Some(12180) => (io::ErrorKind::NotFound, "the network has none"),
        Some(12167) => (io::ErrorKind::Other, "it cannot be fetched"),
        Some(12166) => (io::ErrorKind::Other, "it has mistakes"),
        Some(12002) => (io::ErrorKind::Other, "its server does not answer"),
        Some(12007) => (io::ErrorKind::Other, "its server's name is not found"),
        Some(12029) => (io::ErrorKind::Other, "there is no way to its server"),
        _ => return error,
    };
    io::Error::new(kind, words)
}
