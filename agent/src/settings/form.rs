//! What the settings tool does when something happens. No window, no clock, no files.

use std::path::PathBuf;

use super::event::{Effect, Event, Fields, Place, Reaction, View};
use super::job::{Failure, Outcome, Saved, Snapshot};
use super::order::{Shown, order};
use super::values::ProxyKind;
use super::words::Words;
use crate::config::AddressRule;
use crate::host::rename::Renamed;
use crate::host::status::Status;

/// The settings tool.
#[derive(Debug)]
pub struct Form {
    words: &'static Words,
    shown: Shown,
    is_prepared: bool,
    logs: PathBuf,
    state: String,
    rule: String,
    window_rule: String,
    proxy: ProxyKind,
    wants_protection: bool,
    status: &'static str,
    notice: String,
    is_saving: bool,
    /// Somebody was told that leaving now loses what was typed.
    is_warned: bool,
}

impl Form {
    /// A window that was just opened, and what its fields hold.
    pub fn new(words: &'static Words, snapshot: Snapshot) -> (Self, Fields) {
        let mut form = Self {
            words,
            shown: Shown::default(),
            logs: PathBuf::new(),
            is_prepared: false,
            state: String::new(),
            rule: String::new(),
            window_rule: String::new(),
            proxy: ProxyKind::default(),
            wants_protection: false,
            status: words.hello,
            notice: String::new(),
            is_saving: false,
            is_warned: false,
        };
        let fields = form.show(snapshot);
        (form, fields)
    }

    /// What something leads to. Events that have no place now lead to nothing.
    pub fn on(&mut self, event: Event) -> Reaction {
        match event {
            Event::Status(status, typed) => self.heard(&status, &typed),
            Event::Done(outcome) if self.is_saving => self.done(*outcome),
            Event::Typed(fields) if !self.is_saving => {
                self.typed(&fields);
                Reaction::of(Effect::Nothing)
            }
            Event::Save(fields) if !self.is_saving => self.save(&fields),
            Event::Leave(fields) if !self.is_saving => self.leave(&fields),
            Event::Copied => {
                self.status = self.words.copied;
                Reaction::of(Effect::Nothing)
            }
            Event::Logs => Reaction::of(Effect::Open(self.logs.clone())),
            Event::Done(_) | Event::Typed(_) | Event::Save(_) | Event::Leave(_) => {
                Reaction::of(Effect::Nothing)
            }
        }
    }

    /// What is to be seen now.
    pub fn view(&self) -> View {
        let is_asking = !self.is_saving;
        let has_values = is_asking && self.shown.values.is_some();
        View {
            is_asking,
            has_values,
            has_proxy_address: has_values && self.proxy.has_address(),
            has_proxy_user: has_values && self.proxy.has_user(),
            is_protected: is_asking && self.wants_protection,
            state: self.state.clone(),
            rule: self.rule.clone(),
            window_rule: self.window_rule.clone(),
            status: self.status,
            notice: self.notice.clone(),
        }
    }

    /// Takes over how everything stands, and gives what the fields hold from now on.
    fn show(&mut self, snapshot: Snapshot) -> Fields {
        let Snapshot {
            status,
            is_prepared,
            is_protected,
            values,
            logs,
        } = snapshot;
        let computer_id = status.computer_id.clone().unwrap_or_default();
        let values = match values {
            Ok(values) => Some(values),
            Err(error) => {
                self.notice = self.words.unreadable(&Failure::from(error));
                None
            }
        };
        self.shown = Shown {
            computer_id: computer_id.clone(),
            is_protected,
            values: values.clone(),
        };
        self.is_prepared = is_prepared;
        self.logs = logs;
        self.state = self.words.state(&status, is_prepared);
        let mut fields = Fields {
            computer_id,
            is_protected,
            ..Fields::default()
        };
        if let Some(values) = values {
            let rules: Vec<String> = values.rules.iter().map(AddressRule::to_string).collect();
            fields.rules = rules.join("\n");
            fields.proxy = values.proxy.kind;
            fields.proxy_address = values.proxy.address;
            fields.proxy_user = values.proxy.user;
            fields.user_agent = values.user_agent;
            fields.stay_awake = values.stay_awake;
        }
        self.typed(&fields);
        fields
    }

    fn heard(&mut self, status: &Status, typed: &str) -> Reaction {
        self.state = self.words.state(status, self.is_prepared);
        let id = status.computer_id.clone().unwrap_or_default();
        let is_new = id != self.shown.computer_id;
        // What somebody is typing stays.
        let is_touched = typed != self.shown.computer_id;
        if is_new {
            self.shown.computer_id.clone_from(&id);
        }
        Reaction {
            computer_id: (is_new && !is_touched && !self.is_saving).then_some(id),
            ..Reaction::of(Effect::Nothing)
        }
    }

    fn typed(&mut self, fields: &Fields) {
        let words = self.words;
        self.rule = words.password_rule(&fields.password, fields.without_symbols);
        self.wants_protection = fields.is_protected;
        self.window_rule = if fields.is_protected {
            words.password_rule(&fields.window_password, false)
        } else {
            String::new()
        };
        self.proxy = fields.proxy;
        self.is_warned = false;
    }

    fn save(&mut self, fields: &Fields) -> Reaction {
        self.typed(fields);
        let wanted = match order(self.words, &self.shown, fields) {
            Ok(wanted) => wanted,
            Err((notice, place)) => {
                self.status = self.words.not_saved;
                self.notice = notice;
                return Reaction {
                    focus: Some(place),
                    ..Reaction::of(Effect::Nothing)
                };
            }
        };
        self.notice.clear();
        if wanted.is_empty() {
            self.status = self.words.nothing_new;
            return Reaction::of(Effect::Nothing);
        }
        self.is_saving = true;
        self.status = self.words.saving;
        Reaction::of(Effect::Run(Box::new(wanted)))
    }

    /// The first time, somebody who would lose something is told.
    fn leave(&mut self, fields: &Fields) -> Reaction {
        let is_unsaved =
            !order(self.words, &self.shown, fields).is_ok_and(|wanted| wanted.is_empty());
        if is_unsaved && !self.is_warned {
            self.is_warned = true;
            self.status = self.words.not_saved;
            self.words.unsaved.clone_into(&mut self.notice);
            return Reaction {
                focus: Some(Place::Save),
                ..Reaction::of(Effect::Nothing)
            };
        }
        Reaction::of(Effect::Close)
    }

    fn done(&mut self, outcome: Outcome) -> Reaction {
        self.is_saving = false;
        let Outcome { done, now } = outcome;
        let is_done = done.is_ok();
        let mut reaction = Reaction::of(Effect::Nothing);
        // What could not be saved stays where it was typed.
        match now {
            Ok(snapshot) if is_done => reaction.fields = Some(self.show(snapshot)),
            Ok(snapshot) => self.state = self.words.state(&snapshot.status, snapshot.is_prepared),
            Err(failure) => self.notice = self.words.failure(&failure),
        }
        let (status, notice, place) = match done {
            Ok(Saved { renamed }) => self.saved(renamed),
            Err(failure) => {
                let notice = self.words.failure(&failure);
                (self.words.not_saved, notice, Place::Save)
            }
        };
        self.status = status;
        if !notice.is_empty() {
            self.notice = notice;
        }
        reaction.focus = Some(place);
        reaction
    }

    fn saved(&self, renamed: Option<Renamed>) -> (&'static str, String, Place) {
        let words = self.words;
        match renamed {
            None | Some(Renamed::Already | Renamed::Done) => {
                (words.saved, String::new(), Place::Save)
            }
            Some(Renamed::Later) => (words.saved, words.name_later.to_owned(), Place::Save),
            Some(Renamed::Undecided) => {
                let notice = words.name_undecided.to_owned();
                (words.saved, notice, Place::Save)
            }
            Some(Renamed::Refused { trouble, .. }) => {
                let notice = words.name_refused(trouble.as_ref());
                (words.name_kept, notice, Place::ComputerId)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::file::reader::Problems;
    use zeroize::Zeroizing;

    use super::super::order::Protection;
    use super::super::values::Values;
    use super::*;
    use crate::config::{ConfigError, HostConfig, Password};
    use crate::message::Language;

    const GOOD: &str = "Quiet-Maple-1";

    fn config() -> HostConfig {
        let source = "[proxy]\nkind = \"http\"\naddress = \"proxy.example:8080\"\n\
                      [[address_rule]]\ndeny = \"192.0.2.0/24\"\n";
        HostConfig::parse(source, std::path::Path::new("")).expect("is right")
    }

    fn snapshot() -> Snapshot {
        Snapshot {
            status: Status {
                computer_id: Some("soumu-hanako".to_owned()),
                password_set: true,
                ..Status::default()
            },
            is_prepared: true,
            is_protected: false,
            values: Ok(Values::of(&config())),
            logs: "logs".into(),
        }
    }

    fn open() -> (Form, Fields) {
        Form::new(Words::of(Language::English), snapshot())
    }

    fn secret(text: &str) -> Password {
        Password(Zeroizing::new(text.to_owned()))
    }

    /// What `change` leads to.
    fn save(change: impl FnOnce(&mut Fields)) -> (Form, Reaction) {
        let (mut form, mut fields) = open();
        change(&mut fields);
        let reaction = form.on(Event::Save(fields));
        (form, reaction)
    }

    #[test]
    fn what_was_not_touched_is_not_changed() {
        let (form, reaction) = save(|_| {});

        assert!(matches!(reaction.effect, Effect::Nothing));
        assert!(form.view().is_asking && form.view().notice.is_empty());
        assert_eq!(form.view().status, form.words.nothing_new);
    }

    #[test]
    fn what_is_wrong_is_told_and_gets_the_keyboard() {
        type Case = (fn(&mut Fields), Place);
        let cases: [Case; 11] = [
            (
                |fields| fields.computer_id = "tokyo pc".into(),
                Place::ComputerId,
            ),
            (|fields| fields.computer_id.clear(), Place::ComputerId),
            (
                |fields| fields.password = secret("short1A"),
                Place::Password,
            ),
            (
                |fields| fields.password = secret(GOOD),
                Place::PasswordAgain,
            ),
            (|fields| fields.is_protected = true, Place::WindowPassword),
            (
                |fields| {
                    fields.is_protected = true;
                    fields.window_password = secret(GOOD);
                },
                Place::WindowPasswordAgain,
            ),
            (|fields| fields.rules = "deny all".into(), Place::Rules),
            (
                |fields| fields.proxy_address = "proxy".into(),
                Place::ProxyAddress,
            ),
            (|fields| fields.proxy_user = "a:b".into(), Place::ProxyUser),
            (
                |fields| fields.proxy_user = "a".into(),
                Place::ProxyPassword,
            ),
            (|fields| fields.user_agent = "職場".into(), Place::UserAgent),
        ];
        for (change, place) in cases {
            for language in [Language::English, Language::Japanese] {
                let (mut form, mut fields) = Form::new(Words::of(language), snapshot());
                change(&mut fields);

                let reaction = form.on(Event::Save(fields));

                assert!(matches!(reaction.effect, Effect::Nothing), "{place:?}");
                assert_eq!(reaction.focus, Some(place));
                let view = form.view();
                assert!(view.is_asking && !view.notice.is_empty(), "{place:?}");
                assert_eq!(view.status, form.words.not_saved);
            }
        }
    }

    #[test]
    fn a_rule_that_is_none_is_named_by_its_line() {
        let (form, _) = save(|fields| fields.rules = "permit ::1\n\nallow ::1".into());

        assert!(
            form.view()
                .notice
                .starts_with("Line 3 is no rule: allow ::1")
        );
    }

    #[test]
    fn the_rule_for_passwords_follows_what_is_typed() {
        let (mut form, _) = open();
        let mut rules = vec![form.view().rule];
        for (password, without_symbols) in [("abcd5678", false), ("abcd5678", true), (GOOD, false)]
        {
            form.on(Event::Typed(Fields {
                password: secret(password),
                without_symbols,
                ..Fields::default()
            }));
            rules.push(form.view().rule);
        }

        assert!(
            rules[1].starts_with(&rules[0]) && rules[1] != rules[0],
            "{rules:?}"
        );
        assert_eq!(rules[2], rules[3], "both are good enough");
        assert_ne!(rules[2], rules[1]);
    }

    #[test]
    fn a_password_of_the_window_stays_until_its_box_is_cleared() {
        let protected = || {
            let mut snapshot = snapshot();
            snapshot.is_protected = true;
            Form::new(Words::of(Language::English), snapshot)
        };
        let (mut form, fields) = protected();
        assert!(matches!(
            form.on(Event::Save(fields)).effect,
            Effect::Nothing
        ));

        let (mut form, mut fields) = protected();
        fields.is_protected = false;
        let Effect::Run(order) = form.on(Event::Save(fields)).effect else {
            panic!("nothing is done");
        };
        assert!(matches!(order.protection, Protection::None));
    }

    #[test]
    fn leaving_asks_once_when_something_would_be_lost() {
        let (mut form, fields) = open();
        assert!(matches!(
            form.on(Event::Leave(fields)).effect,
            Effect::Close
        ));

        let changed = || Fields {
            stay_awake: false,
            ..open().1
        };
        let (mut form, _) = open();
        assert!(matches!(
            form.on(Event::Leave(changed())).effect,
            Effect::Nothing
        ));
        assert!(form.view().notice.contains("not saved"));
        assert!(matches!(
            form.on(Event::Leave(changed())).effect,
            Effect::Close
        ));

        let (mut form, _) = open();
        form.on(Event::Leave(changed()));
        form.on(Event::Typed(changed()));
        let again = form.on(Event::Leave(changed()));
        assert!(matches!(again.effect, Effect::Nothing), "typed since then");
    }

    #[test]
    fn while_something_is_saved_nothing_else_begins() {
        let (mut form, reaction) = save(|fields| fields.stay_awake = false);
        assert!(matches!(reaction.effect, Effect::Run(_)));

        for event in [Event::Save, Event::Leave].map(|event| event(Fields::default())) {
            assert!(matches!(form.on(event).effect, Effect::Nothing));
        }
        assert!(!form.view().is_asking && !form.view().has_values);
        let outcome = Outcome {
            done: Ok(Saved { renamed: None }),
            now: Ok(snapshot()),
        };
        let reaction = form.on(Event::Done(Box::new(outcome)));
        let fields = reaction.fields.expect("everything is filled in anew");
        assert!(fields.password.is_empty() && fields.stay_awake);
        assert_eq!(form.view().status, form.words.saved);
    }

    #[test]
    fn what_failed_leaves_what_was_typed_and_is_told() {
        let (mut form, _) = save(|fields| fields.stay_awake = false);
        let error = std::io::Error::other("no answer");

        let reaction = form.on(Event::Done(Box::new(Outcome {
            done: Err(Failure::Ask(error)),
            now: Ok(snapshot()),
        })));

        assert!(reaction.fields.is_none() && form.view().is_asking);
        assert_eq!(form.view().status, form.words.not_saved);
        assert!(!form.view().notice.is_empty());
    }

    #[test]
    fn a_name_that_was_refused_is_told_and_gets_the_keyboard() {
        let (mut form, _) = save(|fields| fields.computer_id = "taken".into());
        let trouble = crate::host::status::Trouble {
            at: 0,
            text: "Another office PC has it.".into(),
            japanese: String::new(),
        };

        let reaction = form.on(Event::Done(Box::new(Outcome {
            done: Ok(Saved {
                renamed: Some(Renamed::Refused {
                    held: None,
                    trouble: Some(trouble),
                }),
            }),
            now: Ok(snapshot()),
        })));

        assert_eq!(reaction.focus, Some(Place::ComputerId));
        assert_eq!(form.view().status, form.words.name_kept);
        assert_eq!(form.view().notice, "Another office PC has it.");
    }

    #[test]
    fn a_file_with_mistakes_is_left_alone_and_passwords_can_be_set() {
        let problems = Problems(Vec::new());
        let (mut form, mut fields) = Form::new(
            Words::of(Language::Japanese),
            Snapshot {
                values: Err(ConfigError::Mistakes {
                    path: "host.toml".into(),
                    problems,
                }),
                ..snapshot()
            },
        );
        assert!(form.view().notice.contains("host.toml"));
        assert!(!form.view().has_values && form.view().is_asking);
        fields.rules = "nonsense".into();
        fields.password = secret(GOOD);
        fields.password_again = secret(GOOD);

        let Effect::Run(order) = form.on(Event::Save(fields)).effect else {
            panic!("nothing is done");
        };

        assert!(order.values.is_none() && order.password.is_some());
    }

    #[test]
    fn a_name_that_comes_later_is_shown_unless_somebody_types() {
        let status = Status {
            computer_id: Some("new-name".into()),
            running: true,
            ..Status::default()
        };
        let (mut form, _) = open();
        let shown = form.on(Event::Status(status.clone(), "soumu-hanako".into()));
        assert_eq!(shown.computer_id.as_deref(), Some("new-name"));

        let (mut form, _) = open();
        let kept = form.on(Event::Status(status, "typing".into()));
        assert_eq!(kept.computer_id, None);
        assert!(form.view().state.contains("not linked"));
    }
}
