use std::collections::BTreeSet;

use super::*;

#[test]
fn every_letter_that_alt_reaches_is_used_once() {
    for words in [&ENGLISH, &JAPANESE] {
        let texts = [
            words.share,
            words.at_logon,
            words.computer_id,
            words.copy,
            words.password,
            words.password_again,
            words.without_symbols,
            words.protect,
            words.window_password,
            words.window_password_again,
            words.rules,
            words.proxy,
            words.proxy_address,
            words.proxy_user,
            words.proxy_password,
            words.user_agent,
            words.stay_awake,
            words.updates,
            words.look,
            words.browse,
            words.logs,
            words.save,
        ];
        let mut letters = BTreeSet::new();
        for text in texts {
            let (_, behind) = text.split_once('&').expect("has a letter");
            let letter = behind.chars().next().expect("a letter follows");
            let letter = letter.to_ascii_uppercase();
            assert!(letter.is_ascii_uppercase(), "{text}");
            assert!(letters.insert(letter), "{text}: {letter} is used twice");
        }
        // One button, and one letter for it.
        assert!(words.share.contains("&h") || words.share.contains("&H"));
        assert!(words.unshare.contains("&h") || words.unshare.contains("&H"));
    }
}

#[test]
fn the_rule_is_told_as_long_as_it_is_not_met() {
    for words in [&ENGLISH, &JAPANESE] {
        let told = ["", "aB3", "aB345678", "abcd5678"];
        let told = told.map(|password| words.password_rule(password, false));

        assert!(
            told[1].starts_with(&told[0]) && told[1].contains('3'),
            "{told:?}"
        );
        assert!(!told[2].contains(&told[0]), "{told:?}");
        assert!(told[3].starts_with(&told[0]), "{told:?}");
        let exempt = words.password_rule("abcd5678", true);
        assert_eq!(exempt, told[2], "good with one kind less");
    }
}

#[test]
fn whatever_is_wrong_with_the_host_is_told_in_the_language() {
    let trouble = Trouble {
        at: 0,
        text: "No way.".to_owned(),
        japanese: "経路がありません。".to_owned(),
    };
    let status = Status {
        running: true,
        trouble: Some(trouble),
        refused_settings: Some("line 1: x".to_owned()),
        waiting_settings: vec!["log".to_owned()],
        ..Status::default()
    };

    for (words, said) in [(&ENGLISH, "No way."), (&JAPANESE, "経路がありません。")] {
        let text = words.state(&status, false, true);

        for part in [said, "line 1: x", "log", "tasuki-entry.toml"] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }
}

#[test]
fn how_to_start_the_host_is_told_when_that_is_what_lacks() {
    for words in [&ENGLISH, &JAPANESE] {
        let button = words.share.replace('&', "").replace("(H)", "");
        for (is_own, how) in [
            (true, button.as_str()),
            (false, "tasuki-host service start"),
        ] {
            let told = |is_prepared, running| {
                let status = Status {
                    running,
                    ..Status::default()
                };
                words.state(&status, is_prepared, is_own).contains(how)
            };

            assert!(told(true, false), "{how}");
            assert!(!told(true, true) && !told(false, false), "{how}");
        }
    }
}

#[test]
fn what_keeps_a_host_from_starting_or_ending_is_told_with_what_to_do() {
    let failures = [
        Failure::Missing("tasuki-desktop.exe"),
        Failure::NotStarted,
        Failure::Slow,
        Failure::Service("systemctl stop it".to_owned()),
    ];
    for (words, what_to_do) in [(&ENGLISH, "What to do:"), (&JAPANESE, "対処：")] {
        for failure in &failures {
            let text = words.failure(failure);
            assert!(text.contains(what_to_do), "{text}");
        }
        let text = words.failure(&failures[3]);
        assert!(text.contains("systemctl stop it"), "{text}");
    }
}
