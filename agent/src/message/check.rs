//! How far the way to each relay leads, in both languages.

use std::fmt::Write;

use super::{Explain, Language};
use crate::outer::check::{Finding, Step};

/// A line for each address with its steps, and what to do about each that failed.
pub fn findings(findings: &[Finding], language: Language) -> String {
    let words = Words::of(language);
    let mut text = String::new();
    for finding in findings {
        line(&mut text, &words.steps_of(finding));
        if let Some((_, error)) = &finding.failure {
            line(&mut text, &error.explain_in(language).to_string());
        }
    }
    let works = findings.iter().any(|finding| finding.failure.is_none());
    let outcome = if works { words.works } else { words.works_not };
    line(&mut text, outcome);
    text
}

fn line(text: &mut String, said: &str) {
    let _ = writeln!(text, "{said}");
}

struct Words {
    steps: [&'static str; 5],
    done: &'static str,
    failed: &'static str,
    works: &'static str,
    works_not: &'static str,
}

impl Words {
    fn of(language: Language) -> Self {
        match language {
            Language::English => Self {
                steps: ["name", "proxy", "connection", "encryption", "answer"],
                done: "ok",
                failed: "FAILED",
                works: "The relay can be reached.",
                works_not: "No relay can be reached.",
            },
            Language::Japanese => Self {
                steps: ["名前", "プロキシ", "接続", "暗号化", "応答"],
                done: "OK",
                failed: "失敗",
                works: "中継サーバーに接続できます。",
                works_not: "中継サーバーに接続できません。",
            },
        }
    }

    fn steps_of(&self, finding: &Finding) -> String {
        let failed = finding.failure.as_ref().map(|(step, _)| *step);
        let with_proxy = finding.proxy.is_some() || failed == Some(Step::Proxy);
        let steps = Step::all(with_proxy).iter();
        let steps = steps.take_while(|step| failed.is_none_or(|failed| **step <= failed));
        let steps = steps.map(|step| {
            let came = if failed == Some(*step) {
                self.failed
            } else {
                self.done
            };
            let name = self.name(*step);
            match &finding.proxy {
                Some(proxy) if *step == Step::Proxy => format!("{name} {proxy} {came}"),
                Some(_) | None => format!("{name} {came}"),
            }
        });
        format!(
            "{}: {}",
            finding.address,
            steps.collect::<Vec<_>>().join(", ")
        )
    }

    fn name(&self, step: Step) -> &'static str {
        match step {
            Step::Name => self.steps[0],
            Step::Proxy => self.steps[1],
            Step::Connection => self.steps[2],
            Step::Encryption => self.steps[3],
            Step::Answer => self.steps[4],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outer::OuterError;

    fn finding(proxy: Option<&str>, failure: Option<Step>) -> Finding {
        let parse = |address: &str| address.parse().unwrap();
        Finding {
            address: parse("relay.example:443"),
            proxy: proxy.map(parse),
            failure: failure.map(|step| (step, OuterError::Closed)),
        }
    }

    #[test]
    fn steps_end_at_the_one_that_failed_and_one_address_that_works_is_enough() {
        let found = [finding(None, Some(Step::Encryption)), finding(None, None)];

        let english = findings(&found, Language::English);
        let japanese = findings(&found, Language::Japanese);

        let mut lines = english.lines();
        let first = "relay.example:443: name ok, connection ok, encryption FAILED";
        assert_eq!(lines.next(), Some(first));
        assert!(english.contains("Stopped by: your network"), "{english}");
        assert!(english.contains("encryption ok, answer ok"), "{english}");
        assert!(
            english.ends_with("The relay can be reached.\n"),
            "{english}"
        );
        let first = "relay.example:443: 名前 OK, 接続 OK, 暗号化 失敗";
        assert!(japanese.starts_with(first), "{japanese}");
        assert!(
            japanese.contains("中継サーバーに接続できます。"),
            "{japanese}"
        );
    }

    #[test]
    fn proxy_is_named_and_resolves_the_name_itself() {
        let proxy = Some("proxy.example:8080");
        let said = |proxy, failure| findings(&[finding(proxy, failure)], Language::English);

        let through = said(proxy, None);
        let at_it = said(proxy, Some(Step::Proxy));
        let settings = said(None, Some(Step::Proxy));

        let first = "relay.example:443: proxy proxy.example:8080 ok, encryption ok, answer ok\n";
        assert!(through.starts_with(first), "{through}");
        let first = "relay.example:443: proxy proxy.example:8080 FAILED\n";
        assert!(at_it.starts_with(first), "{at_it}");
        let first = "relay.example:443: proxy FAILED\n";
        assert!(settings.starts_with(first), "{settings}");
    }

    #[test]
    fn every_address_that_fails_is_no_way() {
        for step in [Step::Name, Step::Connection, Step::Answer] {
            let said = findings(&[finding(None, Some(step))], Language::English);

            assert!(said.matches("FAILED").count() == 1, "{said}");
            assert!(said.ends_with("No relay can be reached.\n"), "{said}");
        }
    }
}
