//! What this PC's system knows of proxies, and what follows from it.
//!
//! [`System`] is the seam: the platform has the real one, tests a false one.

use std::fmt::{self, Debug};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use super::aside::aside;
use super::exempt::Exempt;
use super::login::{Logon, Scheme};
use super::{Way, list};
use crate::config::{Endpoint, Login};
use crate::outer::OuterError;

/// What the operating system does about proxies. Each call may take long.
pub trait System: Debug + Send + Sync {
    /// What somebody has set on this PC.
    fn settings(&self) -> io::Result<Settings>;

    /// What a script says of `url`, as `PROXY a:8080; DIRECT` or `a:8080;b:8080`.
    /// `NotFound`: there is no such script.
    fn ask(&self, script: &Script, url: &str) -> io::Result<String>;

    /// Begins to tell the proxy with this name who is here.
    fn logon(&self, scheme: Scheme, proxy: &str, login: &Login) -> io::Result<Box<dyn Logon>>;
}

/// Where a proxy script (PAC) comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    At(String),
    /// The network itself names it (WPAD), by DHCP or DNS.
    OfNetwork,
}

impl fmt::Display for Script {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::At(url) => url,
            Self::OfNetwork => "WPAD",
        })
    }
}

/// What somebody has set on this PC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    pub script: Option<String>,
    /// In the order of tries.
    pub servers: Vec<Way>,
    /// For what the servers are not meant.
    pub exempt: Exempt,
    /// The network may be asked for a script.
    pub detect: bool,
}

/// What the system says of the way to one address.
#[derive(Debug, Default)]
pub(super) struct Advice {
    /// Empty: nothing has been set.
    pub(super) ways: Vec<Way>,
    pub(super) detect: bool,
    pub(super) trouble: Option<OuterError>,
}

/// Asks what has been set for `address`. A script comes before servers, as Windows has it.
pub(super) async fn advice(system: &Arc<dyn System>, address: &Endpoint, login: &Login) -> Advice {
    // This PC is never behind a proxy for itself.
    if is_loopback(address) {
        return Advice {
            ways: vec![Way::Straight],
            ..Advice::default()
        };
    }
    let asked = Arc::clone(system);
    let settings = match aside(move || asked.settings()).await.and_then(|said| said) {
        Ok(settings) => settings,
        Err(source) => {
            return Advice {
                trouble: Some(OuterError::ProxySettings(source)),
                ..Advice::default()
            };
        }
    };
    let mut advice = Advice {
        detect: settings.detect,
        ..Advice::default()
    };
    if let Some(url) = settings.script {
        match ask(system, Script::At(url), address, login).await {
            Ok(ways) => {
                advice.ways = ways;
                return advice;
            }
            Err(trouble) => advice.trouble = Some(trouble),
        }
    }
    if !settings.servers.is_empty() {
        advice.ways = if settings.exempt.covers(address) {
            vec![Way::Straight]
        } else {
            let servers = settings.servers.into_iter();
            servers.map(|way| way.with_login(login)).collect()
        };
    }
    advice
}

/// What the network's own script says, if it has one. Anybody in a café can name a proxy in this
/// way, so nobody is told to it.
pub(super) async fn detect(
    system: &Arc<dyn System>,
    address: &Endpoint,
) -> Result<Vec<Way>, OuterError> {
    ask(system, Script::OfNetwork, address, &Login::Nobody).await
}

async fn ask(
    system: &Arc<dyn System>,
    script: Script,
    address: &Endpoint,
    login: &Login,
) -> Result<Vec<Way>, OuterError> {
    let (asked, wanted, url) = (
        Arc::clone(system),
        script.clone(),
        format!("https://{address}/"),
    );
    let said = aside(move || asked.ask(&wanted, &url)).await;
    let said = said.and_then(|said| said).map_err(|source| {
        let script = script.to_string();
        OuterError::ProxyScript { script, source }
    })?;
    Ok(match list::parse(&said, login) {
        // Nothing that we can use is no proxy at all, as browsers take it.
        ways if ways.is_empty() => vec![Way::Straight],
        ways => ways,
    })
}

fn is_loopback(address: &Endpoint) -> bool {
    let name = address.host.as_str();
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

impl Way {
    /// The same with `login`, unless the setting itself names a user.
    fn with_login(mut self, login: &Login) -> Self {
        if let Self::Http(server) | Self::Socks5(server) = &mut self
            && server.login == Login::LoggedOn
        {
            server.login = login.clone();
        }
        self
    }
}
