//! What happens at the window, without one.

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
    form.on(connected(""));
    form
}

fn connected(message: &str) -> Event {
    Event::Connected {
        message: message.to_owned(),
        keys: None,
    }
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
    form.on(Event::Connected {
        message: "Restart on Friday.".to_owned(),
        keys: Some("Ctrl+Alt+Break"),
    });
    told.push(form.view().status);

    told.dedup();
    assert_eq!(told.len(), 4, "{told:?}");
    let notice = form.view().notice;
    assert_eq!(
        notice,
        "Ctrl+Alt+Break\nMessage from the office:\nRestart on Friday."
    );
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

    assert!(form.on(connected("")).wipe_password);
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
fn a_newer_version_is_told_where_nothing_else_is_and_its_page_can_be_seen() {
    let found = || News {
        version: "99.0.0".parse().expect("a version"),
        page: "https://www.example/t".parse().expect("an address"),
        note: None,
        packages: Vec::new(),
    };
    for language in [Language::English, Language::Japanese] {
        let (mut idle, mut busy) = (form(language), form(language));
        assert!(matches!(idle.on(Event::Browse).effect, Effect::Nothing));
        busy.on(fields("", "", ""));
        let mistake = busy.view().notice;

        idle.on(Event::News(found()));
        busy.on(Event::News(found()));

        assert!(idle.view().notice.contains("99.0.0"));
        assert_eq!(busy.view().notice, mistake, "somebody reads it");
        assert!(idle.view().has_news && busy.view().has_news);
        let reaction = busy.on(Event::Browse);
        assert!(
            matches!(&reaction.effect, Effect::Browse(page) if *page == found().page),
            "{reaction:?}"
        );
        assert!(busy.view().notice.contains("https://www.example/t"));
    }
}

#[test]
fn news_of_a_connection_that_has_ended_change_nothing() {
    let mut form = form(Language::English);
    let before = form.view();

    form.on(Event::Step(Step::AskingHost));
    form.on(connected("late"));
    form.on(refused(RefusalCode::Offline));

    assert_eq!(form.view(), before);
}
