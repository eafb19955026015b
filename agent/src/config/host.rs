//! `host.toml`.

use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::file::reader::{Problems, Table, read};
use protocol::text::Text;

use super::{AddressRules, ConfigError, Endpoint, Proxy, address_rule, proxy};
use crate::platform;

/// Sessions at once if nothing else is said.
const SESSIONS: u16 = 8;
/// More cannot be asked for: each has a tunnel with its buffers.
const SESSIONS_MAX: u16 = 64;
const RULES_MAX: usize = 1000;
/// The port of RDP, where nobody has chosen another.
const PORT: u16 = 3389;

/// Where sessions lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The desktop service, which listens there.
    Service(SocketAddr),
    /// A program that is one for each session, on its standard input and output.
    Program(Arc<Program>),
}

/// A program and its arguments.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    pub path: PathBuf,
    pub arguments: Vec<OsString>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(address) => address.fmt(f),
            Self::Program(program) => program.path.display().fmt(f),
        }
    }
}

/// What an administrator can set at a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    /// `run --desktop` puts another in its place.
    pub target: Target,
    pub address_rules: AddressRules,
    pub proxy: Proxy,
    /// Sent to an HTTP proxy.
    pub user_agent: String,
    /// From the management, for the user (A16).
    pub message: Text<1000>,
    pub log: LogConfig,
    /// Sessions at once.
    pub max_sessions: u16,
    /// This PC does not sleep while the host runs (A14).
    pub stay_awake: bool,
    /// With `run --desktop`, copied text passes in both directions (A4).
    pub clipboard: bool,
    /// Whoever looks after this PC is told of newer versions (A21).
    pub updates: bool,
}

/// Where logs go beside the terminal or the journal (A13).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogConfig {
    /// Daily files.
    pub directory: Option<PathBuf>,
    /// A syslog server (UDP).
    pub syslog: Option<Endpoint>,
}

impl HostConfig {
    /// Reads the file; one that is not there means defaults.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        super::load(path, |top, folder| Some(take(top, folder)))
    }

    /// Reads the text of a file that lies in `folder`.
    pub fn parse(source: &str, folder: &Path) -> Result<Self, Problems> {
        read(source, |top| Some(take(top, folder)))
    }
}

fn take(top: &mut Table<'_>, folder: &Path) -> HostConfig {
    let target = top.optional("target").unwrap_or_else(desktop);
    let rules = top.tables("address_rule", address_rule::take);
    if rules.len() > RULES_MAX {
        top.reject("address_rule", format!("at most {RULES_MAX} rules"));
    }
    let proxy = proxy::take(top, folder);
    let user_agent = super::take_user_agent(top);
    let message = take_message(top);
    let log = top
        .table("log", |log| {
            let directory = log.optional::<PathBuf>("directory");
            let directory = directory.map(|directory| folder.join(directory));
            let syslog = log.optional("syslog");
            Some(LogConfig { directory, syslog })
        })
        .unwrap_or_default();
    let max_sessions = top.optional("max_sessions").unwrap_or(SESSIONS);
    if !(1..=SESSIONS_MAX).contains(&max_sessions) {
        top.reject("max_sessions", format!("must be 1 to {SESSIONS_MAX}"));
    }
    let stay_awake = top.optional("stay_awake").unwrap_or(true);
    let clipboard = top.optional("clipboard").unwrap_or(true);
    let updates = top.optional("updates").unwrap_or(true);
    HostConfig {
        target: Target::Service(target),
        address_rules: AddressRules(rules),
        proxy,
        user_agent,
        message,
        log,
        max_sessions,
        stay_awake,
        clipboard,
        updates,
    }
}

/// The desktop service of this PC.
fn desktop() -> SocketAddr {
    let port = platform::desktop_port().unwrap_or(PORT);
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn take_message(top: &mut Table<'_>) -> Text<1000> {
    let message: String = top.optional("message").unwrap_or_default();
    let text = Text::lossy(&message);
    if text.as_str() != message {
        let problem = "must be at most 1000 bytes without control characters other than line ends";
        top.reject("message", problem);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Login, ProxyServer, Verdict};

    fn load(source: &str) -> Result<HostConfig, ConfigError> {
        let folder = tempfile::tempdir().expect("temporary folder");
        std::fs::write(folder.path().join("proxy-password"), "p:w\n").expect("is written");
        let path = folder.path().join("host.toml");
        std::fs::write(&path, source).expect("is written");
        HostConfig::load(&path)
    }

    #[test]
    fn no_file_means_defaults() {
        let config = HostConfig::load(Path::new("/nonexistent/host.toml")).expect("defaults");

        assert_eq!(config.target, Target::Service(desktop()));
        assert_eq!(config.proxy, Proxy::System(Login::LoggedOn));
        assert_eq!(config.max_sessions, SESSIONS);
        assert!(config.stay_awake && config.clipboard && config.updates);
        assert!(config.user_agent.starts_with("tasuki/"));
        assert!(config.address_rules.0.is_empty());
    }

    #[test]
    fn reads_every_key() {
        let config = load(
            "target = \"[::1]:3390\"\nuser_agent = \"Mozilla/5.0 (X11)\"\n\
             message = \"Lock your\\nscreen.\"\nmax_sessions = 64\nstay_awake = false\n\
             clipboard = false\nupdates = false\n\
             [proxy]\nkind = \"http\"\naddress = \"proxy.example:8080\"\nuser = \"u\"\n\
             password_file = \"proxy-password\"\n\
             [[address_rule]]\npermit = \"192.0.2.0/24\"\n[[address_rule]]\ndeny = \"::/0\"\n\
             [log]\ndirectory = \"/var/log/tasuki\"\nsyslog = \"log.example:514\"\n",
        )
        .expect("is right");

        let target = "[::1]:3390".parse().expect("is an address");
        assert_eq!(config.target, Target::Service(target));
        assert_eq!(config.message.as_str(), "Lock your\nscreen.");
        assert!(!config.stay_awake && !config.clipboard && !config.updates);
        let verdicts: Vec<Verdict> = config
            .address_rules
            .0
            .iter()
            .map(|rule| rule.verdict)
            .collect();
        assert_eq!(verdicts, [Verdict::Permit, Verdict::Deny]);
        let Proxy::Http(ProxyServer { address, login }) = &config.proxy else {
            panic!("an HTTP proxy, not {:?}", config.proxy);
        };
        assert_eq!(address.to_string(), "proxy.example:8080");
        let Login::User(user, password) = login else {
            panic!("a user, not {login:?}");
        };
        assert_eq!((user.as_str(), password.0.as_str()), ("u", "p:w"));
        assert!(!format!("{config:?}").contains("p:w"));
        assert_eq!(config.log.syslog.expect("syslog").port, 514);
    }

    #[test]
    fn system_says_where_its_proxies_are_and_may_be_given_a_user() {
        let proxy = |lines: &str| load(&format!("[proxy]\nkind = \"system\"\n{lines}"));

        let plain = proxy("").expect("is right");
        let with_user = proxy("user = \"u\"\npassword_file = \"proxy-password\"\n");

        assert_eq!(plain.proxy, Proxy::System(Login::LoggedOn));
        assert!(matches!(
            with_user.expect("is right").proxy,
            Proxy::System(Login::User(user, _)) if user == "u"
        ));
        assert!(proxy("address = \"proxy.example:8080\"\n").is_err());
    }

    #[test]
    fn tells_all_mistakes_at_once() {
        let error = load(
            "target = \"localhost\"\nmax_sessions = 65\nuser_agent = \"a\\r\\nb\"\nmesage = \"x\"\n\
             [proxy]\nkind = \"socks5\"\nuser = \"u\"\n\
             [[address_rule]]\npermit = \"192.0.2.1/24\"\n\
             [[address_rule]]\npermit = \"::1\"\ndeny = \"::2\"\n",
        )
        .expect_err("is wrong");

        let ConfigError::Mistakes { problems, .. } = error else {
            panic!("mistakes, not {error}");
        };
        let paths: Vec<&str> = problems
            .0
            .iter()
            .map(|problem| problem.path.as_str())
            .collect();
        for path in [
            "target",
            "max_sessions",
            "user_agent",
            "mesage",
            "proxy.user",
            "proxy.address",
            "address_rule[0].permit",
            "address_rule[1].deny",
        ] {
            assert!(paths.contains(&path), "{path} missing in {paths:?}");
        }
    }

    #[test]
    fn session_limit_is_one_to_sixty_four() {
        assert!(load("max_sessions = 0\n").is_err());
        assert!(load("max_sessions = 1\n").is_ok());
        assert!(load("max_sessions = 64\n").is_ok());
        assert!(load("max_sessions = 65\n").is_err());
    }
}
