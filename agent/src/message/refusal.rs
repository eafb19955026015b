//! Typed refusals, by relay and by office PC.

use std::time::Duration;

use protocol::refusal::{Contact, Refusal, RefusalCode};

use super::{Explain, Explanation, Who, japanese};

impl Explain for Refusal {
    fn explain(&self) -> Explanation {
        let (who, why, what_to_do) = sentences(self.code);
        let mut explanation = Explanation::new(who, why, what_to_do);
        if !self.text.is_empty() {
            let said = format!(" It says: \"{}\"", self.text);
            explanation.why.push_str(&said);
        }
        explanation.what_to_do.push_str(&wait(self.retry_after_s));
        explanation.what_to_do.push_str(&whom_to_ask(&self.contact));
        explanation
    }

    fn explain_in_japanese(&self) -> Explanation {
        japanese::refusal(self)
    }
}

fn wait(retry_after_s: u32) -> String {
    match retry_after_s {
        0 | u32::MAX => String::new(),
        seconds => {
            let delay = in_words(Duration::from_secs(u64::from(seconds)));
            format!(" It may work again in {delay}.")
        }
    }
}

/// A delay as people say it.
pub(super) enum Wait {
    Seconds(u64),
    Minutes(u64),
    Hours(u64),
}

impl Wait {
    /// Rounded up, so that nobody comes too early.
    pub(super) fn of(delay: Duration) -> Self {
        match delay.as_secs() {
            seconds @ ..90 => Self::Seconds(seconds),
            seconds @ 90..5400 => Self::Minutes(seconds.div_ceil(60)),
            seconds => Self::Hours(seconds.div_ceil(3600)),
        }
    }
}

fn in_words(delay: Duration) -> String {
    let (count, unit) = match Wait::of(delay) {
        Wait::Seconds(count) => (count, "second"),
        Wait::Minutes(count) => (count, "minute"),
        Wait::Hours(count) => (count, "hour"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

fn whom_to_ask(contact: &Contact) -> String {
    match known(contact).as_slice() {
        [] => String::new(),
        known => format!(" Ask: {}.", known.join(", ")),
    }
}

/// What is known of a contact.
pub(super) fn known(contact: &Contact) -> Vec<&str> {
    let Contact {
        organisation,
        department,
        contact,
    } = contact;
    let parts = [organisation.as_str(), department.as_str(), contact.as_str()];
    parts.into_iter().filter(|part| !part.is_empty()).collect()
}

/// Below 100 the relay speaks, from 100 on the office PC.
pub(super) fn who(code: RefusalCode) -> Who {
    if code.to_u16() < 100 {
        Who::Relay
    } else {
        Who::OfficePc
    }
}

fn sentences(code: RefusalCode) -> (Who, &'static str, &'static str) {
    let who = who(code);
    let row = TABLE.iter().find(|(listed, _, _)| *listed == code);
    row.map_or((who, UNKNOWN.0, UNKNOWN.1), |(_, why, what_to_do)| {
        (who, why, what_to_do)
    })
}

/// Codes from a newer version; the other side's own words follow.
const UNKNOWN: (&str, &str) = (
    "It refuses for a reason that this version of the program does not know.",
    "Update this program; the newest version knows the reason.",
);

/// Code, why, what to do.
const TABLE: &[(RefusalCode, &str, &str)] = &[
    (
        RefusalCode::AgentTooOld,
        "This program is too old for it.",
        "Install the newest version of this program.",
    ),
    (
        RefusalCode::BoardTooOld,
        "It is too old for this program.",
        "Tell whoever runs the relay that it needs an update.",
    ),
    (
        RefusalCode::BadFrame,
        "It did not understand this program.",
        "Update this program. If it still happens, tell whoever runs the relay.",
    ),
    (
        RefusalCode::Barred,
        "Whoever runs it does not admit the network that you are in.",
        "Use another network, or ask for admission.",
    ),
    (
        RefusalCode::TooManyAttempts,
        "Too many attempts came from your network, or for this computer, in a short time.",
        "Wait a little and try again.",
    ),
    (
        RefusalCode::BoardFull,
        "It has no room for another session.",
        "Try again in a few minutes. If it stays full, tell whoever runs the relay.",
    ),
    (
        RefusalCode::Draining,
        "It is about to stop for maintenance.",
        "Try again in a few minutes.",
    ),
    (
        RefusalCode::UnknownId,
        "It knows no computer with this ID.",
        "Compare the computer ID with the one shown by the office PC, letter by letter.",
    ),
    (
        RefusalCode::Offline,
        "The office PC is known, but not connected now: it is switched off, asleep, or \
             without a network.",
        "Ask somebody at the office to switch it on, and try again.",
    ),
    (
        RefusalCode::HostBusy,
        "The office PC is already answering as many callers as it may.",
        "Wait half a minute and try again.",
    ),
    (
        RefusalCode::HostDidNotCome,
        "The office PC was called but did not answer in time.",
        "Try again. If it happens again, ask somebody at the office to look at that PC's network.",
    ),
    (
        RefusalCode::TicketUnknown,
        "It does not know the ticket that this PC showed for a session.",
        "Nothing needs to be done on this PC; the caller tries again.",
    ),
    (
        RefusalCode::TicketUsed,
        "The ticket that this PC showed for a session has been used before.",
        "Once is harmless. If it happens often, tell whoever runs the relay.",
    ),
    (
        RefusalCode::TicketLate,
        "This PC answered a call too late.",
        "Look whether this PC or its network is overloaded.",
    ),
    (
        RefusalCode::TicketForeign,
        "The ticket that this PC showed for a session belongs to another computer.",
        "Tell whoever runs the relay.",
    ),
    (
        RefusalCode::IdTaken,
        "Another computer already has this ID.",
        "Choose another ID, in the settings or with `tasuki-host rename`.",
    ),
    (
        RefusalCode::ClaimInvalid,
        "The certificate of this PC's computer ID does not belong to this PC or this deployment.",
        "Restore this PC's state from its backup, or run `tasuki-host reset-identity`.",
    ),
    (
        RefusalCode::ClaimSuperseded,
        "The computer ID of this PC belongs to a computer that had it earlier and is back.",
        "Choose another ID, in the settings or with `tasuki-host rename`.",
    ),
    (
        RefusalCode::ClaimsExhausted,
        "Too many new computers came from your network today.",
        "Try again tomorrow, or ask whoever runs the relay to raise the limit.",
    ),
    (
        RefusalCode::Clone,
        "Another PC uses the very same identity: one of the two is a copy of the other's disk.",
        "On the copy, run `tasuki-host reset-identity`.",
    ),
    (
        RefusalCode::WishMissing,
        "It does not know which computer ID this PC wants.",
        "Run `tasuki-host init` with the ID that you want.",
    ),
    (
        RefusalCode::RegistrarUnavailable,
        "It cannot give out new computer IDs at the moment.",
        "Try again later. Computers that have an ID are not affected.",
    ),
    (
        RefusalCode::LinkReplaced,
        "This PC has connected a second time, and the newer connection counts.",
        "Nothing needs to be done, unless another program runs with the same state.",
    ),
    (
        RefusalCode::HostKeyMissing,
        "This PC did not prove which computer it is.",
        "Update this program. If it still happens, run `tasuki-host reset-identity`.",
    ),
    (
        RefusalCode::AddressDenied,
        "Its address rules do not admit the network that you are in.",
        "Use another network, or ask whoever looks after the office PC.",
    ),
    (
        RefusalCode::LockedOut,
        "Too many wrong passwords were tried.",
        "Wait, and then type the password with care.",
    ),
    (
        RefusalCode::NoPassword,
        "Nobody has set a password there, so it admits nobody.",
        "At the office PC, run `tasuki-host set-password`.",
    ),
    (
        RefusalCode::WrongPassword,
        "The password or the user name is wrong.",
        "Try again. Look at Caps Lock and the keyboard layout.",
    ),
    (
        RefusalCode::ManInTheMiddle,
        "The password is right, but somebody sits between you and the office PC and could \
             read everything. The connection was ended before anything was shown.",
        "Do not try again from this network. Tell your administrator and whoever runs the relay.",
    ),
    (
        RefusalCode::HostTooOld,
        "The program there is too old for yours.",
        "Have the program on the office PC updated.",
    ),
    (
        RefusalCode::ClientTooOld,
        "Your program is too old for it.",
        "Update this program on this PC.",
    ),
    (
        RefusalCode::TooManySessions,
        "It already has as many sessions as it may.",
        "End another session, or wait until one ends.",
    ),
    (
        RefusalCode::TargetUnreachable,
        "Its desktop service does not answer.",
        "Ask somebody at the office to look whether remote desktop is switched on there.",
    ),
    (
        RefusalCode::HostStopping,
        "It is shutting down, or its program is being restarted.",
        "Try again in a minute.",
    ),
    (
        RefusalCode::StaleLink,
        "It was called over a connection that it has just replaced.",
        "Try again now.",
    ),
    (
        RefusalCode::WrongComputer,
        "It has another computer ID than the one that you asked for.",
        "Try again. If it happens again, tell whoever runs the relay.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use protocol::text::Text;

    use super::*;

    #[test]
    fn every_code_has_sentences_of_its_own() {
        let mut reasons = BTreeSet::new();

        for code in RefusalCode::ALL {
            let (who, why, what_to_do) = sentences(*code);

            assert_ne!(why, UNKNOWN.0, "{code:?} has no text");
            assert!(reasons.insert(why), "{code:?} has the text of another code");
            let expected = if code.to_u16() < 100 {
                Who::Relay
            } else {
                Who::OfficePc
            };
            assert_eq!(who, expected, "{code:?}");
            for text in [why, what_to_do] {
                assert!(text.ends_with('.'), "{code:?}: '{text}' is no sentence");
                assert!(!text.contains("  "), "{code:?}: '{text}' has a gap");
            }
        }
    }

    #[test]
    fn bar_shows_whom_to_ask_and_when_to_come_back() {
        let mut refusal = Refusal::new(RefusalCode::Barred)
            .retry_after(Duration::from_secs(600))
            .text("closed for the holidays");
        refusal.contact = Contact {
            organisation: Text::lossy("Example City"),
            department: Text::lossy("IT Office"),
            contact: Text::lossy("it@example.lg.jp"),
        };

        let explanation = refusal.explain();

        assert_eq!(explanation.who, Who::Relay);
        assert!(
            explanation
                .why
                .ends_with("It says: \"closed for the holidays\"")
        );
        let end =
            "It may work again in 10 minutes. Ask: Example City, IT Office, it@example.lg.jp.";
        assert!(
            explanation.what_to_do.ends_with(end),
            "{}",
            explanation.what_to_do
        );
    }

    #[test]
    fn refusal_without_extras_has_no_loose_ends() {
        let explanation = Refusal::new(RefusalCode::UnknownId).explain().to_string();

        let expected = "Stopped by: the relay\n\
             Why:        It knows no computer with this ID.\n\
             What to do: Compare the computer ID with the one shown by the office PC, letter by letter.";
        assert_eq!(explanation, expected);
    }

    #[test]
    fn delays_are_rounded_up_in_the_unit_that_people_use() {
        let cases = [
            (1, "1 second"),
            (89, "89 seconds"),
            (90, "2 minutes"),
            (5399, "90 minutes"),
            (5400, "2 hours"),
            (86_400, "24 hours"),
        ];
        for (seconds, words) in cases {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
        assert_eq!(wait(0), "");
        assert_eq!(wait(u32::MAX), "");
    }

    #[test]
    fn unknown_code_still_tells_who_and_quotes_them() {
        let relay = Refusal::new(RefusalCode::Other(77))
            .text("moon phase")
            .explain();
        let host = Refusal::new(RefusalCode::Other(177)).explain();

        assert_eq!((relay.who, host.who), (Who::Relay, Who::OfficePc));
        assert!(relay.why.contains("moon phase"));
    }
}
