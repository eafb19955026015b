//! What the window does when something happens. No window, no clock, no connection.

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
use crate::outer::OuterError;
use crate::state::Visit;
use crate::tunnel::TunnelError;

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
    /// There is a tunnel; with the office's message, or an empty one.
    Connected(String),
    /// What the office PC said about one of the viewer's connections.
    Said(Explanation),
    Ended(Outcome),
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
    /// What was in the way, or the office's message; lines end with `\n`.
    pub notice: String,
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
            (Event::Connected(message), Stage::Connecting) => self.connected(&message),
            (Event::Said(explanation), Stage::Viewing) => {
                self.notice = format!("{explanation:#}");
                Reaction::of(Effect::Nothing)
            }
            (Event::Ended(outcome), Stage::Connecting | Stage::Viewing | Stage::Stopping) => {
                self.ended(&outcome)
            }
            (
                Event::Connect(_)
                | Event::Leave
                | Event::Escape
                | Event::Picked(_)
                | Event::Step(_)
                | Event::Connected(_)
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
        }
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

    fn connected(&mut self, message: &str) -> Reaction {
        self.stage = Stage::Viewing;
        self.status = self.words.viewing;
        self.notice = if message.is_empty() {
            String::new()
        } else {
            format!("{}\n{message}", self.words.from_office)
        };
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
mod tests {
    use std::time::SystemTime;

    use protocol::refusal::Refusal;
    use zeroize::Zeroizing;

    use super::*;
    use crate::message::Language;

    fn form(language: Language) -> Form {
        let visit = Visit {
            computer_id: "quiet-maple-4071".parse().expect("is an ID"),
            user: "hanako".to_owned(),
            last: SystemTime::UNIX_EPOCH,
        };
        Form::new(Words::of(language), vec![visit])
    }

    fn fields(computer_id: &str, user: &str, password: &str) -> Event {
        Event::Connect(Fields {
            computer_id: computer_id.to_owned(),
            user: user.to_owned(),
            password: Password(Zeroizing::new(password.to_owned())),
            choices: Choices::default(),
        })
    }

    fn connecting() -> Form {
        let mut form = form(Language::English);
        let reaction = form.on(fields("quiet-maple-4071", "", "secret"));
        assert!(matches!(reaction.effect, Effect::Start(_)));
        form
    }

    fn viewing() -> Form {
        let mut form = connecting();
        form.on(Event::Connected(String::new()));
        form
    }

    fn refused(code: RefusalCode) -> Event {
        let error = OuterError::Refused(Box::new(Refusal::new(code)));
        Event::Ended(Outcome::Failed(ConnectError::from(error).into()))
    }

    #[test]
    fn nobody_prints_what_was_typed_as_a_password() {
        let typed = fields("quiet-maple-4071", "hanako", "Quiet-Maple-1");

        let printed = format!("{typed:?}");

        assert!(printed.contains("hanako"), "{printed}");
        assert!(!printed.contains("Quiet-Maple-1"), "{printed}");
    }

    #[test]
    fn what_is_missing_or_wrong_is_told_and_gets_the_keyboard() {
        let long = "x".repeat(USER_MAX + 1);
        let cases = [
            (" ", "", "secret", Place::ComputerId),
            ("tokyo pc", "", "secret", Place::ComputerId),
            ("職場", "", "secret", Place::ComputerId),
            ("tokyo-pc", long.as_str(), "secret", Place::User),
            ("tokyo-pc", "", "", Place::Password),
        ];
        for language in [Language::English, Language::Japanese] {
            for (id, user, password, place) in cases {
                let mut form = form(language);

                let reaction = form.on(fields(id, user, password));

                assert!(matches!(reaction.effect, Effect::Nothing), "{id}");
                assert_eq!(reaction.focus, Some(place), "{id}");
                assert!(form.view().is_asking && !form.view().notice.is_empty());
            }
        }
    }

    #[test]
    fn blanks_around_an_id_and_a_user_at_the_limit_do_not_matter() {
        let mut form = form(Language::English);
        let user = "x".repeat(USER_MAX);

        let reaction = form.on(fields(" Quiet-Maple-4071 ", &user, "secret"));

        let Effect::Start(order) = reaction.effect else {
            panic!("nothing was started: {reaction:?}");
        };
        assert_eq!(order.wanted.computer_id.to_string(), "quiet-maple-4071");
        assert_eq!(order.wanted.user.as_str(), user);
        assert_eq!(reaction.focus, Some(Place::Leave));
        assert!(!form.view().is_asking);
    }

    #[test]
    fn progress_is_told_in_words() {
        let mut form = connecting();
        let mut told = vec![form.view().status];

        for step in [Step::AskingHost, Step::CheckingPassword] {
            form.on(Event::Step(step));
            told.push(form.view().status);
        }
        form.on(Event::Connected("Restart on Friday.".to_owned()));
        told.push(form.view().status);

        told.dedup();
        assert_eq!(told.len(), 4, "{told:?}");
        let notice = form.view().notice;
        assert_eq!(notice, "Message from the office:\nRestart on Friday.");
    }

    #[test]
    fn escape_closes_and_cancels_but_never_ends_a_desktop() {
        let mut asking = form(Language::English);
        let (mut connecting, mut viewing) = (connecting(), viewing());

        assert!(matches!(asking.on(Event::Escape).effect, Effect::Close));
        assert!(matches!(connecting.on(Event::Escape).effect, Effect::Stop));
        assert!(matches!(viewing.on(Event::Escape).effect, Effect::Nothing));
        assert!(matches!(viewing.on(Event::Leave).effect, Effect::Stop));
        assert!(matches!(viewing.on(Event::Leave).effect, Effect::Nothing));
        assert!(matches!(viewing.on(Event::Close).effect, Effect::Close));
    }

    #[test]
    fn refusal_is_told_in_the_language_and_the_keyboard_goes_where_it_is_mended() {
        let cases = [
            (RefusalCode::UnknownId, Place::ComputerId, false),
            (RefusalCode::WrongPassword, Place::Password, true),
            (RefusalCode::Offline, Place::Connect, false),
        ];
        for (code, place, is_wiped) in cases {
            let mut english = connecting();
            let mut japanese = form(Language::Japanese);
            japanese.on(fields("tokyo-pc", "", "secret"));

            let reaction = english.on(refused(code));
            japanese.on(refused(code));

            assert_eq!(reaction.focus, Some(place), "{code:?}");
            assert_eq!(reaction.wipe_password, is_wiped, "{code:?}");
            let notice = &english.view().notice;
            assert!(notice.starts_with("Stopped by: the "), "{notice}");
            assert!(notice.contains("\nWhy: "), "{notice}");
            assert!(!notice.contains("  "), "no columns: {notice}");
            assert!(japanese.view().notice.starts_with("止まった場所："));
            assert!(english.view().is_asking, "another try is possible");
        }
    }

    #[test]
    fn password_is_wiped_as_soon_as_it_has_done_its_work() {
        let mut form = connecting();

        assert!(form.on(Event::Connected(String::new())).wipe_password);
        let end = form.on(Event::Ended(Outcome::Done));

        assert_eq!(end.focus, Some(Place::Password));
        assert!(form.view().is_asking);
    }

    #[test]
    fn picked_computer_brings_its_user_along() {
        let mut form = form(Language::English);

        assert_eq!(form.on(Event::Picked(0)).user.as_deref(), Some("hanako"));
        assert_eq!(form.on(Event::Picked(1)).user, None);
    }

    #[test]
    fn news_of_a_connection_that_has_ended_change_nothing() {
        let mut form = form(Language::English);
        let before = form.view();

        form.on(Event::Step(Step::AskingHost));
        form.on(Event::Connected("late".to_owned()));
        form.on(refused(RefusalCode::Offline));

        assert_eq!(form.view(), before);
    }
}
