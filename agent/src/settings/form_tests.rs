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
        at_logon: Some(false),
        logs: "logs".into(),
        news: None,
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
    for (password, without_symbols) in [("abcd5678", false), ("abcd5678", true), (GOOD, false)] {
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

#[test]
fn a_newer_version_is_told_and_its_page_can_be_seen() {
    let found = || News {
        version: "99.0.0".parse().expect("a version"),
        page: "https://www.example/t".parse().expect("an address"),
        note: None,
        packages: Vec::new(),
    };
    let (mut form, _) = open();
    assert!(!form.view().has_news && form.view().state.contains(crate::update::VERSION));
    assert!(matches!(form.on(Event::Browse).effect, Effect::Nothing));

    form.on(Event::News(Some(found())));

    let view = form.view();
    assert!(view.has_news && view.state.contains("99.0.0"), "{view:?}");
    assert!(view.notice.contains("https://www.example/t"), "{view:?}");
    let reaction = form.on(Event::Browse);
    assert!(matches!(reaction.effect, Effect::Browse(page) if page == found().page));
}

#[test]
fn what_somebody_reads_makes_no_room_for_news() {
    let (mut form, mut fields) = open();
    fields.computer_id = "tokyo pc".into();
    form.on(Event::Save(fields));
    let mistake = form.view().notice;

    form.on(Event::News(None));
    form.on(Event::News(Some(News {
        version: "99.0.0".parse().expect("a version"),
        page: "https://www.example/t".parse().expect("an address"),
        note: None,
        packages: Vec::new(),
    })));

    assert_eq!(form.view().notice, mistake);
    assert!(form.view().has_news);
}

#[test]
fn whoever_asks_for_a_newer_version_is_answered_once() {
    let (mut form, _) = open();

    assert!(matches!(form.on(Event::Look).effect, Effect::Look));
    assert!(matches!(form.on(Event::Look).effect, Effect::Nothing));
    form.on(Event::Looked(Err(LookError::NoAddress)));

    assert_eq!(form.view().status, form.words.not_looked);
    assert!(form.view().notice.contains("entry file"));
    assert!(matches!(form.on(Event::Look).effect, Effect::Look));
    form.on(Event::Looked(Ok(None)));
    assert_eq!(form.view().status, form.words.looked);
    assert!(form.view().notice.contains("No newer one"));
}

/// A window over a host that stands like that.
fn standing(change: impl FnOnce(&mut Snapshot)) -> Form {
    let mut snapshot = snapshot();
    change(&mut snapshot);
    Form::new(Words::of(Language::English), snapshot).0
}

fn running(sessions: usize) -> Status {
    let session = crate::host::status::Session {
        number: 1,
        client: "192.0.2.1:5".into(),
        user: String::new(),
        since: 0,
        streams: 1,
    };
    Status {
        running: true,
        sessions: vec![session; sessions],
        ..snapshot().status
    }
}

#[test]
fn one_button_starts_the_host_and_ends_it() {
    let mut form = standing(|_| {});
    let words = form.words;
    assert!(form.view().is_own);
    assert_eq!(form.view().share, words.share);

    assert!(matches!(form.on(Event::Share).effect, Effect::Share));
    assert!(!form.view().is_asking, "nothing else meanwhile");
    for event in [Event::Share, Event::Save(Fields::default())] {
        assert!(matches!(form.on(event).effect, Effect::Nothing));
    }
    let reaction = form.on(Event::Shared(Ok(running(0))));
    assert_eq!(reaction.focus, Some(Place::Share));
    assert!(reaction.fields.is_none(), "what is typed stays");
    assert_eq!(form.view().share, words.unshare);
    assert_eq!(form.view().status, "The desktop is shared.");

    assert!(matches!(form.on(Event::Share).effect, Effect::Unshare));
    form.on(Event::Shared(Ok(snapshot().status)));
    assert_eq!(form.view().share, words.share);
    assert_eq!(form.view().status, "The desktop is not shared.");
}

#[test]
fn what_has_to_come_before_sharing_is_told() {
    type Case = (fn(&mut Snapshot), Place, &'static str);
    let cases: [Case; 3] = [
        (
            |snapshot| snapshot.is_prepared = false,
            Place::Share,
            "tasuki-entry.toml",
        ),
        (
            |snapshot| snapshot.status.password_set = false,
            Place::Password,
            "press Save",
        ),
        (
            |snapshot| {
                snapshot.values = Err(ConfigError::Mistakes {
                    path: "host.toml".into(),
                    problems: Problems(Vec::new()),
                });
            },
            Place::Share,
            "host.toml",
        ),
    ];
    for (change, place, said) in cases {
        let mut form = standing(change);

        let reaction = form.on(Event::Share);

        assert!(matches!(reaction.effect, Effect::Nothing), "{said}");
        assert_eq!(reaction.focus, Some(place), "{said}");
        let view = form.view();
        assert!(view.is_asking && view.notice.contains(said), "{view:?}");
        assert_eq!(view.status, "The desktop is not shared.");
    }
}

#[test]
fn whoever_is_connected_is_cut_off_by_the_second_press_only() {
    let mut form = standing(|snapshot| snapshot.status = running(1));

    assert!(matches!(form.on(Event::Share).effect, Effect::Nothing));
    assert!(form.view().notice.contains("Somebody is connected"));
    form.on(Event::Typed(open().1));
    let again = form.on(Event::Share);
    assert!(matches!(again.effect, Effect::Nothing), "typed since then");
    assert!(matches!(form.on(Event::Share).effect, Effect::Unshare));
}

#[test]
fn what_could_not_be_started_or_ended_is_told() {
    for (host, failure) in [
        (snapshot().status, Failure::NotStarted),
        (running(0), Failure::Slow),
    ] {
        let is_shared = host.running;
        let mut form = standing(|snapshot| snapshot.status = host);
        form.on(Event::Share);

        form.on(Event::Shared(Err(failure)));

        let view = form.view();
        assert!(view.is_asking && view.notice.contains("What to do"));
        assert_eq!(view.status, form.words.sharing(is_shared));
    }
}

#[test]
fn a_logon_starts_the_host_once_that_is_saved() {
    let (_, reaction) = save(|fields| fields.at_logon = true);
    let Effect::Run(order) = reaction.effect else {
        panic!("nothing is done");
    };
    assert_eq!(order.at_logon, Some(true));
    assert!(order.values.is_none() && order.password.is_none());

    let mut snapshot = snapshot();
    snapshot.at_logon = Some(true);
    let (_, fields) = Form::new(Words::of(Language::English), snapshot);
    assert!(fields.at_logon, "the box shows what holds");
}

#[test]
fn a_service_is_not_started_ended_or_changed() {
    let mut form = standing(|snapshot| {
        snapshot.at_logon = None;
        snapshot.status = running(0);
    });

    assert!(!form.view().is_own);
    assert!(matches!(form.on(Event::Share).effect, Effect::Nothing));
    let fields = Fields {
        at_logon: true,
        ..open().1
    };
    assert!(matches!(
        form.on(Event::Save(fields)).effect,
        Effect::Nothing
    ));
}
