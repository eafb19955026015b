//! What the fields of the window ask for, or what is wrong with them.

use super::event::{Fields, Place};
use super::values::{ProxyValues, Values};
use super::words::Words;
use crate::config::{Endpoint, Password, is_plain, is_user_agent};
use crate::tunnel::password::rule;
use protocol::id::ComputerId;

/// What a person has asked for; nothing else is changed.
#[derive(Debug, Default)]
pub struct Order {
    /// What was shown, and what shall hold.
    pub values: Option<(Values, Values)>,
    pub proxy_password: Option<Password>,
    /// For callers.
    pub password: Option<Password>,
    pub protection: Protection,
    /// Whether a logon shall start the host.
    pub at_logon: Option<bool>,
    pub computer_id: Option<ComputerId>,
}

/// What shall become of the window's own password.
#[derive(Debug, Default)]
pub enum Protection {
    #[default]
    Same,
    Password(Password),
    None,
}

impl Order {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.values.is_none()
            && self.proxy_password.is_none()
            && self.password.is_none()
            && matches!(self.protection, Protection::Same)
            && self.at_logon.is_none()
            && self.computer_id.is_none()
    }
}

/// What the fields held when they were filled.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) computer_id: String,
    pub(super) is_protected: bool,
    /// None: the host is not this user's own.
    pub(super) at_logon: Option<bool>,
    /// None: `host.toml` has mistakes.
    pub(super) values: Option<Values>,
}

/// What is wrong with a field, and where.
type Mistake = (String, Place);

/// What is different from what was shown.
pub(super) fn order(words: &Words, shown: &Shown, fields: &Fields) -> Result<Order, Mistake> {
    Reader { words, shown }.order(fields)
}

struct Reader<'a> {
    words: &'a Words,
    shown: &'a Shown,
}

impl Reader<'_> {
    fn order(&self, fields: &Fields) -> Result<Order, Mistake> {
        let mut order = Order {
            computer_id: self.computer_id(fields)?,
            password: self.password(fields)?,
            protection: self.protection(fields)?,
            at_logon: self.at_logon(fields),
            ..Order::default()
        };
        if let Some(before) = &self.shown.values {
            let after = self.values(fields)?;
            let has_user = !after.proxy.user.is_empty();
            if has_user && !fields.proxy_password.is_empty() {
                order.proxy_password = Some(fields.proxy_password.clone());
            }
            let knows_password = order.proxy_password.is_some() || !before.proxy.user.is_empty();
            if has_user && !knows_password {
                let notice = self.words.no_proxy_password.to_owned();
                return Err((notice, Place::ProxyPassword));
            }
            if after != *before || order.proxy_password.is_some() {
                order.values = Some((before.clone(), after));
            }
        }
        Ok(order)
    }

    fn computer_id(&self, fields: &Fields) -> Result<Option<ComputerId>, Mistake> {
        let typed = fields.computer_id.trim();
        if typed.eq_ignore_ascii_case(&self.shown.computer_id) {
            return Ok(None);
        }
        let id = typed.parse();
        id.map(Some)
            .map_err(|_| (self.words.bad_id.to_owned(), Place::ComputerId))
    }

    fn password(&self, fields: &Fields) -> Result<Option<Password>, Mistake> {
        let Fields {
            password,
            password_again: again,
            ..
        } = fields;
        if password.is_empty() && again.is_empty() {
            return Ok(None);
        }
        if rule(password, fields.without_symbols).is_err() {
            let notice = self.words.password_rule(password, fields.without_symbols);
            return Err((notice, Place::Password));
        }
        self.same(password, again, Place::PasswordAgain)
    }

    fn protection(&self, fields: &Fields) -> Result<Protection, Mistake> {
        let Fields {
            window_password: password,
            window_password_again: again,
            ..
        } = fields;
        let is_protected = self.shown.is_protected;
        if !fields.is_protected {
            return Ok(if is_protected {
                Protection::None
            } else {
                Protection::Same
            });
        }
        if is_protected && password.is_empty() && again.is_empty() {
            return Ok(Protection::Same);
        }
        if rule(password, false).is_err() {
            let notice = self.words.password_rule(password, false);
            return Err((notice, Place::WindowPassword));
        }
        let password = self.same(password, again, Place::WindowPasswordAgain)?;
        Ok(password.map_or(Protection::Same, Protection::Password))
    }

    fn at_logon(&self, fields: &Fields) -> Option<bool> {
        let before = self.shown.at_logon?;
        (fields.at_logon != before).then_some(fields.at_logon)
    }

    fn same(
        &self,
        password: &Password,
        again: &Password,
        place: Place,
    ) -> Result<Option<Password>, Mistake> {
        if password != again {
            return Err((self.words.differ.to_owned(), place));
        }
        Ok(Some(password.clone()))
    }

    fn values(&self, fields: &Fields) -> Result<Values, Mistake> {
        let mut rules = Vec::new();
        for (number, line) in (1_usize..).zip(fields.rules.lines()) {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let rule = line.parse();
            rules.push(rule.map_err(|_| (self.words.bad_rule(number, line), Place::Rules))?);
        }
        let user_agent = fields.user_agent.trim();
        if !user_agent.is_empty() && !is_user_agent(user_agent) {
            let notice = self.words.bad_user_agent.to_owned();
            return Err((notice, Place::UserAgent));
        }
        Ok(Values {
            rules,
            proxy: self.proxy(fields)?,
            user_agent: user_agent.to_owned(),
            stay_awake: fields.stay_awake,
            updates: fields.updates,
        })
    }

    fn proxy(&self, fields: &Fields) -> Result<ProxyValues, Mistake> {
        let words = self.words;
        let kind = fields.proxy;
        let (mut address, mut user) = ("", "");
        if kind.has_address() {
            address = fields.proxy_address.trim();
            if address.parse::<Endpoint>().is_err() {
                return Err((words.bad_proxy.to_owned(), Place::ProxyAddress));
            }
        }
        if kind.has_user() {
            user = fields.proxy_user.trim();
            if !user.is_empty() && (!is_plain(user) || user.contains(':')) {
                return Err((words.bad_proxy_user.to_owned(), Place::ProxyUser));
            }
            let password = &fields.proxy_password;
            if !password.is_empty() && !is_plain(password) {
                let notice = words.bad_proxy_password.to_owned();
                return Err((notice, Place::ProxyPassword));
            }
        }
        Ok(ProxyValues {
            kind,
            address: address.to_owned(),
            user: user.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use zeroize::Zeroizing;

    use super::*;
    use crate::config::{AddressRule, HostConfig};
    use crate::message::Language;

    const GOOD: &str = "Quiet-Maple-1";

    fn values() -> Values {
        let source = "[proxy]\nkind = \"http\"\naddress = \"proxy.example:8080\"\n\
                      [[address_rule]]\ndeny = \"192.0.2.0/24\"\n";
        let config = HostConfig::parse(source, Path::new("")).expect("is right");
        Values::of(&config)
    }

    fn secret(text: &str) -> Password {
        Password(Zeroizing::new(text.to_owned()))
    }

    /// What `change` asks for, where nothing else was touched.
    fn ordered(change: impl FnOnce(&mut Fields)) -> Order {
        let values = values();
        let mut fields = Fields {
            computer_id: "soumu-hanako".to_owned(),
            rules: "deny 192.0.2.0/24".to_owned(),
            proxy: values.proxy.kind,
            proxy_address: values.proxy.address.clone(),
            stay_awake: values.stay_awake,
            updates: values.updates,
            ..Fields::default()
        };
        change(&mut fields);
        let shown = Shown {
            computer_id: "soumu-hanako".to_owned(),
            is_protected: false,
            at_logon: Some(false),
            values: Some(values),
        };
        order(Words::of(Language::English), &shown, &fields).expect("is right")
    }

    #[test]
    fn nothing_is_asked_for_where_nothing_was_touched() {
        assert!(ordered(|_| {}).is_empty());
    }

    #[test]
    fn each_field_orders_its_own_change_and_no_other() {
        let order = ordered(|fields| fields.computer_id = " Soumu-Taro ".to_owned());
        assert_eq!(order.computer_id.expect("a name").as_str(), "soumu-taro");
        assert!(order.values.is_none() && order.password.is_none());

        let order = ordered(|fields| {
            fields.password = secret(GOOD);
            fields.password_again = secret(GOOD);
        });
        assert_eq!(order.password, Some(secret(GOOD)));
        assert!(order.values.is_none() && order.computer_id.is_none());
        assert!(matches!(order.protection, Protection::Same));

        let order = ordered(|fields| {
            fields.is_protected = true;
            fields.window_password = secret(GOOD);
            fields.window_password_again = secret(GOOD);
        });
        assert!(matches!(order.protection, Protection::Password(password) if &*password == GOOD));
        assert!(order.password.is_none());

        let order = ordered(|fields| {
            fields.rules.push_str("\r\n\r\n permit 2001:db8::/32 \r\n");
            fields.stay_awake = false;
        });
        let (before, after) = order.values.expect("a change");
        let rules: Vec<String> = after.rules.iter().map(AddressRule::to_string).collect();
        assert_eq!(rules, ["deny 192.0.2.0/24", "permit 2001:db8::/32"]);
        assert_eq!(before, values());
        assert!(!after.stay_awake && after.proxy == before.proxy);

        let (before, after) = ordered(|fields| fields.updates = false)
            .values
            .expect("a change");
        assert!(before.updates && !after.updates && after.stay_awake);

        let order = ordered(|fields| {
            fields.proxy_user = "tasuki".to_owned();
            fields.proxy_password = secret("p w");
        });
        assert_eq!(order.proxy_password, Some(secret("p w")));
        assert_eq!(order.values.expect("a change").1.proxy.user, "tasuki");
    }
}
