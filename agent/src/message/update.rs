//! Newer versions: what there is, and why nobody can tell.

use protocol::file::announcement::AnnouncementError;

use super::{Explain, Explanation, Language, Who, japanese};
use crate::outer::OuterError;
use crate::outer::https::HttpsError;
use crate::update::{LookError, News, VERSION};

/// What there is, or that there is nothing newer; lines end with `\n`, but for the last.
pub fn news(news: Option<&News>, language: Language) -> String {
    let Some(News {
        version,
        page,
        note,
        ..
    }) = news
    else {
        return match language {
            Language::English => {
                format!(
                    "{} No newer one has been announced.",
                    this_version(language)
                )
            }
            Language::Japanese => {
                format!(
                    "{}新しいバージョンの案内はありません。",
                    this_version(language)
                )
            }
        };
    };
    let first = match language {
        Language::English => format!("Version {version} is available; this is {VERSION}."),
        Language::Japanese => {
            format!("新しいバージョン {version} があります（現在は {VERSION}）。")
        }
    };
    let note = note
        .as_ref()
        .map_or_else(String::new, |note| format!("{note}\n"));
    let where_to = language.pick("Get it at: ", "入手先：");
    format!("{first}\n{note}{where_to}{page}")
}

/// What this is, where nobody has asked for more.
pub fn this_version(language: Language) -> String {
    match language {
        Language::English => format!("This is version {VERSION}."),
        Language::Japanese => format!("現在のバージョンは {VERSION} です。"),
    }
}

impl Explain for LookError {
    fn explain(&self) -> Explanation {
        match self {
            Self::NoAddress => Explanation::new(
                Who::ThisProgram,
                "The entry file names no address where new versions are announced.",
                "Ask whoever runs the relay for an entry file that does, or whether there is a \
                 newer version.",
            ),
            Self::Fetch(error) => fetch(error),
            Self::Announcement { address, source } => announcement(address, source),
        }
    }

    fn explain_in_japanese(&self) -> Explanation {
        japanese::look(self)
    }
}

fn announcement(address: &str, error: &AnnouncementError) -> Explanation {
    let (why, what_to_do) = match error {
        AnnouncementError::Signature => (
            format!("What lies at {address} is not signed by your deployment, or is damaged."),
            "Install nothing that you find there, and tell whoever runs the relay.",
        ),
        AnnouncementError::Form | AnnouncementError::TooLong => (
            format!("What lies at {address} is no announcement of a version."),
            "Tell whoever runs the relay; in another network, a page to log in to may have come \
             instead.",
        ),
        AnnouncementError::Text(problems) => (
            format!("What lies at {address} is not understood: {problems}."),
            "It is for newer programs than this one. Ask whoever runs the relay for the newest \
             version.",
        ),
    };
    Explanation::new(Who::UpdateServer, why, what_to_do)
}

fn fetch(error: &HttpsError) -> Explanation {
    let ask = "Try again later, and tell whoever runs the relay if it stays so.";
    match error {
        HttpsError::Address(address) => Explanation::new(
            Who::ThisProgram,
            format!("The entry file names {address} for new versions, which is no HTTPS address."),
            "Ask whoever runs the relay for a fresh entry file.",
        ),
        HttpsError::Way(error) => way(error),
        HttpsError::Authorities(error) => Explanation::new(
            Who::ThisProgram,
            format!("It cannot read which CAs this PC trusts: {error}."),
            "Ask your administrator; on Linux they are in the package ca-certificates.",
        ),
        HttpsError::Untrusted { address, reason } => Explanation::new(
            Who::UpdateServer,
            format!("This PC does not trust the certificate of {address}: {reason}."),
            "Check the date and time of this PC. If they are right, ask your administrator \
             whether the CA of that server has to be installed on this PC.",
        ),
        HttpsError::Tls { address, source } => Explanation::new(
            Who::UpdateServer,
            format!("No encrypted connection to {address} comes about: {source}."),
            ask,
        ),
        HttpsError::Lost { address, source } => Explanation::new(
            Who::YourNetwork,
            format!("The connection to {address} broke off: {source}."),
            ask,
        ),
        HttpsError::Status { address, status } => Explanation::new(
            Who::UpdateServer,
            format!("{address} answers {status} instead of telling the newest version."),
            ask,
        ),
        HttpsError::Redirect => Explanation::new(
            Who::UpdateServer,
            "It points elsewhere again and again, or to where there is no HTTPS.",
            ask,
        ),
        HttpsError::NotHttp { address } => Explanation::new(
            Who::UpdateServer,
            format!("{address} does not speak HTTP."),
            ask,
        ),
        HttpsError::TooLong { address } => Explanation::new(
            Who::UpdateServer,
            format!("{address} sends more than any announcement has."),
            ask,
        ),
        HttpsError::Slow => Explanation::new(
            Who::YourNetwork,
            "The newest version was not told within a minute.",
            ask,
        ),
    }
}

/// Names and proxies are told as on the way to a relay.
fn way(error: &OuterError) -> Explanation {
    if let OuterError::Unreachable { address, source } = error {
        Explanation::new(
            Who::YourNetwork,
            format!("There is no way to {address}: {source}."),
            CONNECTED,
        )
    } else if let OuterError::NoAnswer { address, .. } = error {
        Explanation::new(
            Who::YourNetwork,
            format!("{address} gives no answer."),
            CONNECTED,
        )
    } else {
        error.explain()
    }
}

const CONNECTED: &str = "Check that this PC is connected to the internet. In an office network, \
    ask its administrator to allow outgoing connections to that address, or for a proxy.";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io;

    use protocol::file::reader::{Problem, Problems};

    use super::*;
    use crate::config::Endpoint;

    /// One of each kind, and of each that is told differently.
    fn samples() -> Vec<LookError> {
        let address: Endpoint = "www.example:443".parse().expect("is an endpoint");
        let io = || io::Error::from(io::ErrorKind::ConnectionReset);
        let fetched = [
            HttpsError::Address("ftp://x".into()),
            HttpsError::Way(OuterError::NameNotFound {
                name: "www.example".into(),
                source: io(),
            }),
            HttpsError::Way(OuterError::Unreachable {
                address: address.clone(),
                source: io(),
            }),
            HttpsError::Way(OuterError::NoAnswer {
                address: address.clone(),
                connected: false,
            }),
            HttpsError::Authorities(rustls::Error::DecryptError),
            HttpsError::Untrusted {
                address: address.clone(),
                reason: "UnknownIssuer".into(),
            },
            HttpsError::Tls {
                address: address.clone(),
                source: io(),
            },
            HttpsError::Lost {
                address: address.clone(),
                source: io(),
            },
            HttpsError::Status {
                address: address.clone(),
                status: 500,
            },
            HttpsError::Redirect,
            HttpsError::NotHttp {
                address: address.clone(),
            },
            HttpsError::TooLong { address },
            HttpsError::Slow,
        ];
        let problem = Problem {
            line: 2,
            path: "format".into(),
            message: "is another".into(),
        };
        let announced = [
            AnnouncementError::Signature,
            AnnouncementError::Form,
            AnnouncementError::Text(Problems(vec![problem])),
        ];
        let announced = announced.map(|source| LookError::Announcement {
            address: "https://www.example/tasuki-agents.toml".into(),
            source,
        });
        let fetched = fetched.into_iter().map(LookError::Fetch);
        fetched
            .chain(announced)
            .chain([LookError::NoAddress])
            .collect()
    }

    #[test]
    fn every_failure_has_sentences_of_its_own_in_both_languages() {
        let mut reasons = BTreeSet::new();
        for sample in samples() {
            let (english, japanese) = (sample.explain(), sample.explain_in_japanese());
            assert_eq!(japanese.who, english.who, "{sample:?}");
            for (explanation, end) in [(&english, '.'), (&japanese, '。')] {
                assert!(reasons.insert(explanation.why.clone()), "{sample:?}");
                for text in [&explanation.why, &explanation.what_to_do] {
                    assert!(text.ends_with(end), "{sample:?}: '{text}' is no sentence");
                }
            }
            assert!(!japanese.what_to_do.is_ascii(), "{sample:?}");
        }
    }

    #[test]
    fn news_name_both_versions_and_the_place_in_both_languages() {
        let found = News {
            version: "9.0.0".parse().expect("a version"),
            page: "https://www.example/".parse().expect("an address"),
            note: Some("By Friday, please.".into()),
            packages: Vec::new(),
        };
        let mut told = BTreeSet::new();
        for language in [Language::English, Language::Japanese] {
            let text = news(Some(&found), language);
            for part in [
                "9.0.0",
                VERSION,
                "https://www.example/",
                "By Friday, please.\n",
            ] {
                assert!(text.contains(part), "{part} is missing: {text}");
            }
            assert!(told.insert(text));
            let none = news(None, language);
            assert!(none.contains(VERSION) && told.insert(none));
        }
    }
}
