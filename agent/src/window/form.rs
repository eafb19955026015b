//! What the window does when something happens. No window, no clock, no connection.

use protocol::file::announcement::HttpsAddress;
use protocol::id::ComputerId;
use protocol::refusal::RefusalCode;
use protocol::text::Text;

use super::choices::Choices;
use super::job::{Failure, Order, Outcome};
use super::words::Words;
use crate::client::connect::{Step, Wanted};
use crate::client::{ConnectError, End};
use crate::config::Password;
use crate::message::Explanation;
use crate::message::update::news;
use crate::outer::OuterError;
use crate::state::Visit;
use crate::tunnel::TunnelError;
use crate::update::News;

/// Longest user name in bytes, as the tunnel takes it.
const USER_MAX: usize = 64;

/// What a person has typed.
#[derive(Debug)]
pub struct Fields {
    pub computer_id: String,
    pub user: String,
    pub password: Password,
    pub choices: Choices,
}

/// Something happened, at the window or to the connection.
#[derive(Debug)]
pub enum Event {
    /// The button, or Enter.
    Connect(Fields),
    /// The other button: close, cancel or disconnect.
    Leave,
    /// The key, which must not end a desktop by mistake.
    Escape,
    /// The window was told to go.
    Close,
    /// One of the past computers was picked.
    Picked(usize),
    Step(Step),
    /// There is a tunnel.
    Connected {
        /// Of the office; may be empty.
        message: String,
        /// How to leave full screen, where the desktop takes it.
        keys: Option<&'static str>,
    },
    /// What the office PC said about one of the viewer's connections.
    Said(Explanation),
    Ended(Outcome),
    /// There is a newer version of this program.
    News(News),
    /// Somebody wants to see where that is.
    Browse,
}

/// A place that can have the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    ComputerId,
    User,
    Password,
    Connect,
    Leave,
}

/// What has to be done.
#[derive(Debug)]
pub enum Effect {
    Nothing,
    Start(Order),
    /// The connection shall end; `Ended` follows.
    Stop,
    /// Show the page.
    Browse(HttpsAddress),
    /// The window shall go, and the connection with it.
    Close,
}

/// The answer to an event.
#[derive(Debug)]
pub struct Reaction {
    pub effect: Effect,
    /// Who gets the keyboard now.
    pub focus: Option<Place>,
    /// The password that stands there is not wanted any more.
    pub wipe_password: bool,
    /// The user name that belongs to what was picked.
    pub user: Option<String>,
}

/// What is to be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Fields can be typed in, and Connect pressed.
    pub is_asking: bool,
    /// What the other button says; empty while it can do nothing.
    pub leave: &'static str,
    /// How it goes, in one line.
    pub status: &'static str,
    /// What was in the way, the office's message, or what is new; lines end with `\n`.
    pub notice: String,
    /// Where a newer version is can be asked for.
    pub has_news: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Asking,
    Connecting,
    Viewing,
    Stopping,
}

/// The client's window.
#[derive(Debug)]
pub struct Form {
    words: &'static Words,
    visits: Vec<Visit>,
    stage: Stage,
    status: &'static str,
    notice: String,
    news: Option<News>,
}

impl Form {
    /// A window that was just opened; `visits` are past computers, newest first.
    pub fn new(words: &'static Words, visits: Vec<Visit>) -> Self {
        Self {
            words,
            visits,
            stage: Stage::Asking,
            status: words.hello,
            notice: String::new(),
            news: None,
        }
    }

    /// What something leads to. Events that have no place now lead to nothing.
    pub fn on(&mut self, event: Event) -> Reaction {
        match (event, self.stage) {
            (Event::Connect(fields), Stage::Asking) => self.connect(fields),
            (Event::Close, _) | (Event::Leave | Event::Escape, Stage::Asking) => {
                Reaction::of(Effect::Close)
            }
            (Event::Leave, Stage::Connecting | Stage::Viewing)
            | (Event::Escape, Stage::Connecting) => {
                self.stage = Stage::Stopping;
                self.status = self.words.stopping;
                Reaction::of(Effect::Stop)
            }
            (Event::Picked(index), Stage::Asking) => self.picked(index),
            (Event::Step(step), Stage::Connecting) => {
                self.status = self.words.step(step);
                Reaction::of(Effect::Nothing)
            }
            (Event::Connected { message, keys }, Stage::Connecting) => {
                self.connected(&message, keys)
            }
            (Event::Said(explanation), Stage::Viewing) => {
                self.notice = format!("{explanation:#}");
                Reaction::of(Effect::Nothing)
            }
            (Event::News(news), _) => self.heard(news),
            (Event::Browse, _) => self.browse(),
            (Event::Ended(outcome), Stage::Connecting | Stage::Viewing | Stage::Stopping) => {
                self.ended(&outcome)
            }
            (
                Event::Connect(_)
                | Event::Leave
                | Event::Escape
                | Event::Picked(_)
                | Event::Step(_)
                | Event::Connected { .. }
                | Event::Said(_)
                | Event::Ended(_),
                _,
            ) => Reaction::of(Effect::Nothing),
        }
    }

    /// What is to be seen now.
    pub fn view(&self) -> View {
        View {
            is_asking: self.stage == Stage::Asking,
            leave: match self.stage {
                Stage::Asking => self.words.close,
                Stage::Connecting => self.words.cancel,
                Stage::Viewing => self.words.disconnect,
                Stage::Stopping => "",
            },
            status: self.status,
            notice: self.notice.clone(),
            has_news: self.news.is_some(),
        }
    }

    /// Nothing that somebody reads already has to make room.
    fn heard(&mut self, found: News) -> Reaction {
        if self.stage == Stage::Asking && self.notice.is_empty() {
            self.notice = news(Some(&found), self.words.language);
        }
        self.news = Some(found);
        Reaction::of(Effect::Nothing)
    }

    fn browse(&mut self) -> Reaction {
        let Some(found) = &self.news else {
            return Reaction::of(Effect::Nothing);
        };
        self.notice = news(Some(found), self.words.language);
        Reaction::of(Effect::Browse(found.page.clone()))
    }

    fn connect(&mut self, fields: Fields) -> Reaction {
        let words = self.words;
        let typed = fields.computer_id.trim();
        if typed.is_empty() {
            return self.not_yet(words.no_id, Place::ComputerId);
        }
        let Ok(computer_id) = typed.parse::<ComputerId>() else {
            return self.not_yet(words.bad_id, Place::ComputerId);
        };
        let user = fields.user.trim();
        if user.len() > USER_MAX {
            return self.not_yet(words.long_user, Place::User);
        }
        if fields.password.is_empty() {
            return self.not_yet(words.no_password, Place::Password);
        }
        self.stage = Stage::Connecting;
        self.status = words.step(Step::FindingRelay);
        self.notice.clear();
        let order = Order {
            wanted: Wanted {
                computer_id,
                user: Text::lossy(user),
            },
            password: fields.password,
            choices: fields.choices,
        };
        Reaction {
            focus: Some(Place::Leave),
            ..Reaction::of(Effect::Start(order))
        }
    }

    fn not_yet(&mut self, notice: &str, place: Place) -> Reaction {
        self.status = self.words.refused;
        notice.clone_into(&mut self.notice);
        Reaction {
            focus: Some(place),
            ..Reaction::of(Effect::Nothing)
        }
    }

    fn picked(&self, index: usize) -> Reaction {
        Reaction {
            user: self.visits.get(index).map(|visit| visit.user.clone()),
            ..Reaction::of(Effect::Nothing)
        }
    }

    fn connected(&mut self, message: &str, keys: Option<&'static str>) -> Reaction {
        self.stage = Stage::Viewing;
        self.status = self.words.viewing;
        let mut lines = Vec::from_iter(keys);
        if !message.is_empty() {
            lines.extend([self.words.from_office, message]);
        }
        self.notice = lines.join("\n");
        Reaction {
            wipe_password: true,
            ..Reaction::of(Effect::Nothing)
        }
    }

    fn ended(&mut self, outcome: &Outcome) -> Reaction {
        let was_viewing = self.stage == Stage::Viewing;
        self.stage = Stage::Asking;
        let (status, notice, focus) = match outcome {
            Outcome::Done => (self.words.viewer_closed, String::new(), Place::Password),
            Outcome::Stopped => (self.words.disconnected, String::new(), Place::Connect),
            Outcome::NoEntry => {
                let notice = self.words.no_entry.to_owned();
                (self.words.refused, notice, Place::Connect)
            }
            Outcome::Failed(failure) => {
                let notice = format!("{:#}", failure.explain_in(self.words.language));
                (self.words.refused, notice, to_mend(failure))
            }
        };
        (self.status, self.notice) = (status, notice);
        Reaction {
            focus: Some(if was_viewing { Place::Password } else { focus }),
            wipe_password: focus == Place::Password,
            ..Reaction::of(Effect::Nothing)
        }
    }
}

impl Reaction {
    fn of(effect: Effect) -> Self {
        Self {
            effect,
            focus: None,
            wipe_password: false,
            user: None,
        }
    }
}

/// Where a person mends what was in the way, or tries again.
fn to_mend(failure: &Failure) -> Place {
    match failure {
        Failure::Connect(ConnectError::Outer(OuterError::Refused(refusal))) => {
            of_code(refusal.code)
        }
        Failure::Connect(ConnectError::Oneself) => Place::ComputerId,
        Failure::Connect(ConnectError::Tunnel(error)) => {
            if let TunnelError::Refused(refusal) = &**error {
                of_code(refusal.code)
            } else if matches!(
                **error,
                TunnelError::WrongPassword | TunnelError::PasswordTooLong
            ) {
                Place::Password
            } else {
                Place::Connect
            }
        }
        Failure::Connect(_) | Failure::State(_) | Failure::Config(_) => Place::Connect,
        // The password has been wiped by then.
        Failure::Show(_) | Failure::Ended(End::Refused(_) | End::Closed | End::Lost) => {
            Place::Password
        }
    }
}

fn of_code(code: RefusalCode) -> Place {
    if matches!(code, RefusalCode::UnknownId | RefusalCode::WrongComputer) {
        Place::ComputerId
    } else if matches!(code, RefusalCode::WrongPassword | RefusalCode::LockedOut) {
        Place::Password
    } else {
        Place::Connect
    }
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
