//! What the settings tool does when something happens. No window, no clock, no files.

use std::path::PathBuf;

use super::event::{Effect, Event, Fields, Place, Reaction, View};
use super::failure::Failure;
use super::job::{Outcome, Saved, Snapshot};
use super::order::{Shown, order};
use super::values::ProxyKind;
use super::words::Words;
use crate::config::AddressRule;
use crate::host::rename::Renamed;
use crate::host::status::Status;
use crate::message::Explain;
use crate::message::update::{news, this_version};
use crate::update::{LookError, News};

/// The settings tool.
#[derive(Debug)]
pub struct Form {
    words: &'static Words,
    shown: Shown,
    is_prepared: bool,
    logs: PathBuf,
    host: Status,
    /// What is wrong with `host.toml`.
    mistakes: Option<String>,
    rule: String,
    window_rule: String,
    proxy: ProxyKind,
    wants_protection: bool,
    status: &'static str,
    notice: String,
    /// Something is saved, or the host is being started or ended.
    is_busy: bool,
    /// Somebody has asked for a newer version.
    is_looking: bool,
    news: Option<News>,
    /// Somebody was told that leaving now loses what was typed.
    is_warned: bool,
    /// Somebody was told whom the end would cut off.
    is_told_of_sessions: bool,
}

impl Form {
    /// A window that was just opened, and what its fields hold.
    pub fn new(words: &'static Words, snapshot: Snapshot) -> (Self, Fields) {
        let mut form = Self {
            words,
            shown: Shown::default(),
            logs: PathBuf::new(),
            is_prepared: false,
            host: Status::default(),
            mistakes: None,
            rule: String::new(),
            window_rule: String::new(),
            proxy: ProxyKind::default(),
            wants_protection: false,
            status: words.hello,
            notice: String::new(),
            is_busy: false,
            is_looking: false,
            news: None,
            is_warned: false,
            is_told_of_sessions: false,
        };
        let fields = form.show(snapshot);
        form.tell_news();
        (form, fields)
    }

    /// What something leads to. Events that have no place now lead to nothing.
    pub fn on(&mut self, event: Event) -> Reaction {
        match event {
            Event::Status(status, typed) => self.heard(status, &typed),
            Event::Done(outcome) if self.is_busy => self.done(*outcome),
            Event::Typed(fields) if !self.is_busy => {
                self.typed(&fields);
                Reaction::of(Effect::Nothing)
            }
            Event::Save(fields) if !self.is_busy => self.save(&fields),
            Event::Leave(fields) if !self.is_busy => self.leave(&fields),
            Event::Share if !self.is_busy => self.share(),
            Event::Shared(standing) if self.is_busy => self.shared(standing),
            Event::Copied => {
                self.status = self.words.copied;
                Reaction::of(Effect::Nothing)
            }
            Event::Logs => Reaction::of(Effect::Open(self.logs.clone())),
            Event::Look if !self.is_looking && !self.is_busy => self.look(),
            Event::Looked(looked) => self.looked(looked),
            Event::News(news) => {
                self.news = news;
                self.tell_news();
                Reaction::of(Effect::Nothing)
            }
            Event::Browse => self.browse(),
            Event::Done(_)
            | Event::Typed(_)
            | Event::Save(_)
            | Event::Leave(_)
            | Event::Share
            | Event::Shared(_)
            | Event::Look => Reaction::of(Effect::Nothing),
        }
    }

    /// What is to be seen now.
    pub fn view(&self) -> View {
        let is_asking = !self.is_busy;
        let has_values = is_asking && self.shown.values.is_some();
        let words = self.words;
        let state = words.state(&self.host, self.is_prepared, self.is_own());
        View {
            is_asking,
            has_values,
            has_proxy_address: has_values && self.proxy.has_address(),
            has_proxy_user: has_values && self.proxy.has_user(),
            is_protected: is_asking && self.wants_protection,
            is_own: self.is_own(),
            share: if self.host.running {
                words.unshare
            } else {
                words.share
            },
            has_news: self.news.is_some(),
            state: format!("{state}\n{}", self.version()),
            rule: self.rule.clone(),
            window_rule: self.window_rule.clone(),
            status: self.status,
            notice: self.notice.clone(),
        }
    }

    /// The host is no service.
    fn is_own(&self) -> bool {
        self.shown.at_logon.is_some()
    }

    /// What this is, and what there is.
    fn version(&self) -> String {
        let language = self.words.language;
        match &self.news {
            Some(found) => news(Some(found), language),
            None => this_version(language),
        }
    }

    /// Nothing that somebody reads already has to make room.
    fn tell_news(&mut self) {
        if self.notice.is_empty()
            && let Some(found) = &self.news
        {
            self.notice = news(Some(found), self.words.language);
        }
    }

    fn look(&mut self) -> Reaction {
        self.is_looking = true;
        self.status = self.words.looking;
        self.notice.clear();
        Reaction::of(Effect::Look)
    }

    fn looked(&mut self, looked: Result<Option<News>, LookError>) -> Reaction {
        let words = self.words;
        self.is_looking = false;
        (self.status, self.notice) = match looked {
            Ok(found) => {
                let notice = news(found.as_ref(), words.language);
                self.news = found;
                (words.looked, notice)
            }
            Err(error) => {
                let notice = format!("{:#}", error.explain_in(words.language));
                (words.not_looked, notice)
            }
        };
        Reaction::of(Effect::Nothing)
    }

    fn browse(&self) -> Reaction {
        let page = self.news.as_ref().map(|news| news.page.clone());
        Reaction::of(page.map_or(Effect::Nothing, Effect::Browse))
    }

    /// Takes over how everything stands, and gives what the fields hold from now on.
    fn show(&mut self, snapshot: Snapshot) -> Fields {
        let Snapshot {
            status,
            is_prepared,
            is_protected,
            values,
            at_logon,
            logs,
            news,
        } = snapshot;
        let computer_id = status.computer_id.clone().unwrap_or_default();
        let (values, mistakes) = match values {
            Ok(values) => (Some(values), None),
            Err(error) => (None, Some(self.words.unreadable(&Failure::from(error)))),
        };
        if let Some(mistakes) = &mistakes {
            self.notice.clone_from(mistakes);
        }
        self.mistakes = mistakes;
        self.shown = Shown {
            computer_id: computer_id.clone(),
            is_protected,
            at_logon,
            values: values.clone(),
        };
        self.is_prepared = is_prepared;
        self.logs = logs;
        self.news = news;
        self.host = status;
        let mut fields = Fields {
            computer_id,
            is_protected,
            at_logon: at_logon.unwrap_or_default(),
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
            fields.updates = values.updates;
        }
        self.typed(&fields);
        fields
    }

    fn heard(&mut self, status: Status, typed: &str) -> Reaction {
        let id = status.computer_id.clone().unwrap_or_default();
        self.host = status;
        let is_new = id != self.shown.computer_id;
        // What somebody is typing stays.
        let is_touched = typed != self.shown.computer_id;
        if is_new {
            self.shown.computer_id.clone_from(&id);
        }
        Reaction {
            computer_id: (is_new && !is_touched && !self.is_busy).then_some(id),
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
        self.is_told_of_sessions = false;
    }

    /// Starts or ends the host, unless something has to come before that.
    fn share(&mut self) -> Reaction {
        let words = self.words;
        if !self.is_own() {
            return Reaction::of(Effect::Nothing);
        }
        if let Some((notice, place)) = self.before_sharing() {
            self.status = words.sharing(self.host.running);
            self.notice = notice;
            return Reaction {
                focus: Some(place),
                ..Reaction::of(Effect::Nothing)
            };
        }
        self.is_busy = true;
        self.notice.clear();
        let (status, effect) = if self.host.running {
            (words.ending, Effect::Unshare)
        } else {
            (words.starting, Effect::Share)
        };
        self.status = status;
        Reaction::of(effect)
    }

    /// What is in the way, and where it is put right.
    fn before_sharing(&mut self) -> Option<(String, Place)> {
        let words = self.words;
        if self.host.running {
            let is_told = self.is_told_of_sessions;
            self.is_told_of_sessions = !self.host.sessions.is_empty();
            let is_asked = self.is_told_of_sessions && !is_told;
            return is_asked.then(|| (words.somebody_connected.to_owned(), Place::Share));
        }
        if !self.is_prepared {
            return Some((words.unprepared.to_owned(), Place::Share));
        }
        if !self.host.password_set {
            return Some((words.no_password.to_owned(), Place::Password));
        }
        // With these no host starts.
        self.mistakes.clone().map(|text| (text, Place::Share))
    }

    fn shared(&mut self, standing: Result<Status, Failure>) -> Reaction {
        self.is_busy = false;
        self.is_told_of_sessions = false;
        match standing {
            Ok(status) => self.host = status,
            Err(failure) => self.notice = self.words.failure(&failure),
        }
        self.status = self.words.sharing(self.host.running);
        Reaction {
            focus: Some(Place::Share),
            ..Reaction::of(Effect::Nothing)
        }
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
        self.is_busy = true;
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
        self.is_busy = false;
        let Outcome { done, now } = outcome;
        let is_done = done.is_ok();
        let mut reaction = Reaction::of(Effect::Nothing);
        // What could not be saved stays where it was typed.
        match now {
            Ok(snapshot) if is_done => reaction.fields = Some(self.show(snapshot)),
            Ok(snapshot) => self.host = snapshot.status,
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
#[path = "form_tests.rs"]
mod tests;
