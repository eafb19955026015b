//! What the tool shows of `host.toml`, and a change to it that leaves everything else as somebody
//! has written it: comments, order, keys that are not shown.

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, TableLike, TomlError, Value};

use crate::config::{AddressRule, HostConfig, Login, Proxy, USER_AGENT};

/// Where the password of a proxy lies, beside `host.toml`.
pub(super) const PASSWORD_FILE: &str = "proxy-password";

const RULES: &str = "address_rule";
const PROXY: &str = "proxy";

/// What the tool shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    pub rules: Vec<AddressRule>,
    pub proxy: ProxyValues,
    /// Empty: the usual one.
    pub user_agent: String,
    pub stay_awake: bool,
    /// Tell of newer versions.
    pub updates: bool,
}

/// The way out, as it is typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyValues {
    pub kind: ProxyKind,
    /// Empty without a proxy of its own.
    pub address: String,
    /// Empty where the proxy does not ask, or the system answers.
    pub user: String,
}

/// Which kind of proxy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProxyKind {
    /// What the system says.
    #[default]
    System,
    None,
    Http,
    Socks5,
}

impl ProxyKind {
    /// In the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::System, Self::None, Self::Http, Self::Socks5];

    /// Somebody has to say where it is.
    pub(super) fn has_address(self) -> bool {
        matches!(self, Self::Http | Self::Socks5)
    }

    /// It may ask who comes.
    pub(super) fn has_user(self) -> bool {
        self != Self::None
    }

    /// As `host.toml` says it.
    fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::None => "none",
            Self::Http => "http",
            Self::Socks5 => "socks5",
        }
    }
}

impl Values {
    /// Those of a file that has been read.
    pub fn of(config: &HostConfig) -> Self {
        let usual = config.user_agent == USER_AGENT;
        Self {
            rules: config.address_rules.0.clone(),
            proxy: ProxyValues::of(&config.proxy),
            user_agent: if usual {
                String::new()
            } else {
                config.user_agent.clone()
            },
            stay_awake: config.stay_awake,
            updates: config.updates,
        }
    }
}

impl ProxyValues {
    fn of(proxy: &Proxy) -> Self {
        let (kind, address, login) = match proxy {
            Proxy::System(login) => (ProxyKind::System, None, login),
            Proxy::None => (ProxyKind::None, None, &Login::Nobody),
            Proxy::Http(server) => (ProxyKind::Http, Some(&server.address), &server.login),
            Proxy::Socks5(server) => (ProxyKind::Socks5, Some(&server.address), &server.login),
        };
        let user = match login {
            Login::User(user, _) => user.clone(),
            Login::Nobody | Login::LoggedOn => String::new(),
        };
        Self {
            kind,
            address: address.map(ToString::to_string).unwrap_or_default(),
            user,
        }
    }
}

/// The file with what is different between `before`, which was shown, and `after`. With
/// `new_password` the proxy's password lies in [`PASSWORD_FILE`] from now on.
///
/// # Errors
/// When `source` is no TOML.
pub fn change(
    source: &str,
    before: &Values,
    after: &Values,
    new_password: bool,
) -> Result<String, TomlError> {
    let mut document: DocumentMut = source.parse()?;
    if after.rules != before.rules {
        set_rules(document.as_table_mut(), &after.rules);
    }
    if after.proxy != before.proxy || new_password {
        set_proxy(document.as_table_mut(), &after.proxy, new_password);
    }
    if after.user_agent != before.user_agent {
        match after.user_agent.as_str() {
            "" => drop(document.remove("user_agent")),
            text => put(document.as_table_mut(), "user_agent", text),
        }
    }
    if after.stay_awake != before.stay_awake {
        put(document.as_table_mut(), "stay_awake", after.stay_awake);
    }
    if after.updates != before.updates {
        put(document.as_table_mut(), "updates", after.updates);
    }
    let text = document.to_string();
    // What is new has plain line ends.
    Ok(if source.contains("\r\n") {
        text.replace("\r\n", "\n").replace('\n', "\r\n")
    } else {
        text
    })
}

/// Rules that stay keep their comments.
fn set_rules(top: &mut Table, rules: &[AddressRule]) {
    let old = top.remove(RULES).and_then(|item| match item {
        Item::ArrayOfTables(tables) => Some(tables),
        Item::None | Item::Value(_) | Item::Table(_) => None,
    });
    let mut old: Vec<Table> = old.into_iter().flatten().collect();
    let place = old.first().and_then(Table::position);
    let mut tables = ArrayOfTables::new();
    for rule in rules {
        let kept = old.iter().position(|table| is_rule(table, rule));
        let mut table = kept.map_or_else(|| of_rule(rule), |index| old.remove(index));
        // Tables are written by their places, and rules count in their order.
        table.set_position(place);
        tables.push(table);
    }
    if !rules.is_empty() {
        top.insert(RULES, Item::ArrayOfTables(tables));
    }
}

fn is_rule(table: &Table, rule: &AddressRule) -> bool {
    let mut said = table.iter().filter_map(|(key, item)| {
        let range = item.as_str()?;
        format!("{key} {range}").parse::<AddressRule>().ok()
    });
    said.next().as_ref() == Some(rule)
}

fn of_rule(rule: &AddressRule) -> Table {
    let mut table = Table::new();
    table.insert(rule.verdict.name(), toml_edit::value(rule.range_text()));
    table
}

fn set_proxy(top: &mut Table, proxy: &ProxyValues, new_password: bool) {
    if top.get(PROXY).and_then(Item::as_table_like).is_none() {
        if *proxy == ProxyValues::default() {
            return;
        }
        top.insert(PROXY, Item::Table(Table::new()));
    }
    let Some(table) = top.get_mut(PROXY).and_then(Item::as_table_like_mut) else {
        return;
    };
    put(table, "kind", proxy.kind.name());
    if proxy.kind == ProxyKind::None {
        // What else stands there is for the day when the proxy is wanted again.
        return;
    }
    if proxy.kind.has_address() {
        put(table, "address", proxy.address.as_str());
    } else {
        table.remove("address");
    }
    if proxy.user.is_empty() {
        table.remove("user");
        table.remove("password_file");
        return;
    }
    put(table, "user", proxy.user.as_str());
    if new_password {
        put(table, "password_file", PASSWORD_FILE);
    }
}

/// Sets a value; a comment behind it stays.
fn put(table: &mut dyn TableLike, key: &str, new: impl Into<Value>) {
    let mut new = new.into();
    if let Some(value) = table.get_mut(key).and_then(Item::as_value_mut) {
        *new.decor_mut() = value.decor().clone();
        *value = new;
    } else {
        table.insert(key, Item::Value(new));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const FILE: &str = "\
# Written by hand on a Monday.
max_sessions = 4 # no more
stay_awake = false # a laptop

[log]
syslog = \"log.example:514\"

# The branch office.
[[address_rule]]
permit = \"192.0.2.0/24\"

[proxy] # ask Sato
kind = \"http\"
address = \"proxy.example:8080\" # the old one

# Everybody else.
[[address_rule]]
deny = \"0.0.0.0/0\"
";

    fn values(source: &str) -> Values {
        let config = HostConfig::parse(source, Path::new("")).expect("is right");
        Values::of(&config)
    }

    fn rules(lines: &[&str]) -> Vec<AddressRule> {
        let rule = |line: &&str| line.parse().expect("is a rule");
        lines.iter().map(rule).collect()
    }

    #[test]
    fn without_a_change_every_byte_stays() {
        for source in [FILE, "", "# nothing\r\n"] {
            let values = values(source);

            assert_eq!(
                change(source, &values, &values, false).expect("is TOML"),
                source
            );
        }
    }

    #[test]
    fn a_change_touches_nothing_else_and_keeps_comments() {
        let before = values(FILE);
        let mut after = before.clone();
        after.stay_awake = true;
        after.proxy.address = "new.example:3128".to_owned();

        let text = change(FILE, &before, &after, false).expect("is TOML");

        let expected = FILE
            .replace("stay_awake = false", "stay_awake = true")
            .replace("proxy.example:8080", "new.example:3128");
        assert_eq!(text, expected);
    }

    #[test]
    fn rules_keep_their_order_and_those_that_stay_their_comments() {
        let before = values(FILE);
        let mut after = before.clone();
        after.rules = rules(&[
            "deny 0.0.0.0/0",
            "permit 2001:db8::/32",
            "permit 192.0.2.0/24",
        ]);

        let text = change(FILE, &before, &after, false).expect("is TOML");

        assert_eq!(values(&text), after, "{text}");
        for part in [
            "# The branch office.",
            "# Everybody else.",
            "[proxy] # ask Sato",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        after.rules.clear();
        let none = change(&text, &values(&text), &after, false).expect("is TOML");
        assert!(!none.contains("address_rule"), "{none}");
        assert!(none.contains("max_sessions = 4 # no more"), "{none}");
    }

    #[test]
    fn an_empty_file_gets_what_is_wanted_and_no_more() {
        let before = values("");
        let mut after = before.clone();
        after.rules = rules(&["permit 192.0.2.7"]);
        after.user_agent = "Mozilla/5.0".to_owned();
        after.updates = false;
        after.proxy = ProxyValues {
            kind: ProxyKind::Socks5,
            address: "[2001:db8::1]:1080".to_owned(),
            user: String::new(),
        };

        let text = change("", &before, &after, false).expect("is TOML");

        assert_eq!(values(&text), after, "{text}");
        assert!(!text.contains("stay_awake") && !text.contains("password"));
    }

    #[test]
    fn a_proxy_that_is_not_wanted_keeps_its_address_for_later() {
        let before = values(FILE);
        let mut after = before.clone();
        after.proxy = ProxyValues {
            kind: ProxyKind::None,
            ..ProxyValues::default()
        };

        let text = change(FILE, &before, &after, false).expect("is TOML");

        assert_eq!(text, FILE.replace("kind = \"http\"", "kind = \"none\""));
    }

    #[test]
    fn the_systems_proxy_needs_no_address_and_may_have_a_user() {
        let before = values(FILE);
        let mut after = before.clone();
        after.proxy = ProxyValues {
            kind: ProxyKind::System,
            user: "tasuki".to_owned(),
            ..ProxyValues::default()
        };

        let text = change(FILE, &before, &after, true).expect("is TOML");

        for part in [
            "kind = \"system\"",
            "user = \"tasuki\"",
            "[proxy] # ask Sato",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        assert!(!text.contains("proxy.example"), "{text}");
        assert_eq!(values("").proxy, ProxyValues::default());
    }

    #[test]
    fn a_password_is_named_and_forgotten_with_its_user() {
        let before = values(FILE);
        let mut after = before.clone();
        after.proxy.user = "tasuki".to_owned();

        let named = change(FILE, &before, &after, true).expect("is TOML");
        let forgotten = change(&named, &after, &before, false).expect("is TOML");

        assert!(named.contains("user = \"tasuki\""), "{named}");
        assert!(named.contains("password_file = \"proxy-password\""));
        assert_eq!(forgotten, FILE);
    }

    #[test]
    fn line_ends_of_windows_stay() {
        let source = FILE.replace('\n', "\r\n");
        let before = values(&source);
        let mut after = before.clone();
        after.rules.reverse();
        after.user_agent = "x".to_owned();

        let text = change(&source, &before, &after, false).expect("is TOML");

        assert_eq!(values(&text), after);
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    }
}
