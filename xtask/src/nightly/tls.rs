//! TLS on the relay's public port, examined by tools that know nothing of Tasuki.
//!
//! `testssl.sh` speaks by itself what no library speaks any more (SSL 2, old attacks); `openssl`
//! tries each group and cipher suite, and looks at session tickets. docs/TLS_EXAM.md has a result.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::relay::{self, Relay, SHORT};
use super::{Night, Part};
use crate::debian::{self, Consent, Package};

const PACKAGES: [Package; 2] = [
    Package {
        name: "testssl.sh",
        purpose: "examines the relay's TLS",
    },
    Package {
        name: "openssl",
        purpose: "tries one group or cipher suite at a time",
    },
];
/// The verdict below was written for what this version reports.
const TESTSSL_VERSION: &str = "3.0.8";
const LOOPBACK: &str = "127.0.0.1";
const TESTSSL_LIMIT: Duration = Duration::from_secs(900);

/// What testssl must report of protocols and suites, word by word.
const FINDINGS: [(&str, &str); 10] = [
    ("SSLv2", "not offered"),
    ("SSLv3", "not offered"),
    ("TLS1", "not offered"),
    ("TLS1_1", "not offered"),
    ("TLS1_2", "not offered"),
    ("TLS1_3", "offered with final"),
    (
        "PFS_ciphers",
        "TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_GCM_SHA256",
    ),
    ("PFS_ECDHE_curves", "X25519"),
    ("secure_client_renego", "not vulnerable"),
    ("CRIME_TLS", "not vulnerable"),
];
/// About the tool's own machine.
const NOT_OURS: [&str; 1] = ["engine_problem"];
/// Severities that nothing may have.
const BAD: [&str; 6] = ["LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL", "WARN"];

/// Groups and suites of TLS 1.3 that OpenSSL 3.0 knows; the relay speaks the last of each only.
/// (The hybrid group, which it prefers, is not among them: `agent`'s tests see to that one.)
const GROUPS: [&str; 6] = ["P-256", "P-384", "P-521", "X448", "ffdhe2048", "X25519"];
const SUITES: [&str; 5] = [
    "TLS_AES_128_CCM_SHA256",
    "TLS_AES_128_CCM_8_SHA256",
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];

pub(super) struct Tls;

impl Part for Tls {
    fn name(&self) -> &'static str {
        "tls"
    }

    fn what(&self) -> &'static str {
        "TLS on the public port, examined by testssl.sh and openssl"
    }

    fn inputs(&self) -> &'static [&'static str] {
        &[
            "relay/src",
            "protocol/src",
            "Cargo.lock",
            "xtask/src/nightly/relay.rs",
            "xtask/src/nightly/tls.rs",
        ]
    }

    fn prepare(&self, night: &Night<'_>) -> Result<Vec<String>> {
        debian::provide(night.shell, &PACKAGES, Consent::new(false))?;
        relay::build(night)?;
        Ok(["testssl", "groups", "suites", "tickets"]
            .map(str::to_owned)
            .to_vec())
    }

    fn run(&self, night: &Night<'_>, unit: &str) -> Result<String> {
        let subject = Subject(Relay::start(night, LOOPBACK)?);
        match unit {
            "testssl" => subject.testssl(night),
            "groups" => subject.refuses(night, "-groups", &GROUPS, &["X25519"]),
            "suites" => subject.refuses(night, "-ciphersuites", &SUITES, &SUITES[2..]),
            _ => subject.tickets(night),
        }
    }
}

/// A relay to be examined.
struct Subject(Relay);

impl Subject {
    fn testssl(&self, night: &Night<'_>) -> Result<String> {
        let report = self.0.folder.path().join("testssl.json");
        let version = night.call("testssl").arg("--version").finish(SHORT)?.stdout;
        ensure!(
            version.contains(TESTSSL_VERSION),
            "this is not testssl.sh {TESTSSL_VERSION}:\n{version}"
        );
        night
            .call("testssl")
            .args(["--openssl", "/usr/bin/openssl", "--quiet", "--color", "0"])
            // Protocols, groups and suites with forward secrecy, known attacks.
            .args(["--warnings", "batch", "-p", "-f", "-U", "--jsonfile"])
            .arg(&report)
            .arg(self.0.address.to_string())
            .finish(TESTSSL_LIMIT)?;
        let findings = Findings::read(&std::fs::read_to_string(report)?)?;
        for (id, expected) in FINDINGS {
            let found = findings.of(id)?;
            ensure!(
                found.starts_with(expected),
                "{id}: {found}; expected: {expected}"
            );
        }
        let bad = findings.bad();
        ensure!(bad.is_empty(), "{}", bad.join("\n"));
        Ok(format!(
            "{} findings, none bad; TLS 1.3 only",
            findings.0.len()
        ))
    }

    /// Offers one thing at a time; the relay must take those in `taken` and no other.
    fn refuses(
        &self,
        night: &Night<'_>,
        option: &str,
        offered: &[&str],
        taken: &[&str],
    ) -> Result<String> {
        for offer in offered {
            let said = self.openssl(night, &[option, offer, "-alpn", "tasuki-leg/1"])?;
            let stands = said.contains("New, TLSv1.3");
            let refused = said.contains("alert handshake failure");
            let wanted = taken.contains(offer);
            ensure!(stands == wanted && refused != wanted, "{offer}:\n{said}");
        }
        Ok(format!(
            "of {} only {} taken",
            offered.len(),
            taken.join(", ")
        ))
    }

    /// A leg gets no ticket; a link's allows no early data.
    fn tickets(&self, night: &Night<'_>) -> Result<String> {
        // With -ign_eof it stays until the relay has said all and misses a frame.
        let (key, certificate) = (self.path("key.pem"), self.path("certificate.pem"));
        let new = "req -x509 -newkey ed25519 -nodes -days 1 -subj /CN=host -keyout";
        night
            .call("openssl")
            .args(new.split(' '))
            .args([key.as_str(), "-out", &certificate])
            .output(SHORT)?;
        let host = [
            "-ign_eof",
            "-alpn",
            "tasuki-link/1",
            "-cert",
            &certificate,
            "-key",
            &key,
        ];
        let link = self.openssl(night, &host)?;
        ensure!(
            link.contains("Max Early Data: 0\n"),
            "a link's ticket:\n{link}"
        );
        let leg = self.openssl(night, &["-ign_eof", "-alpn", "tasuki-leg/1"])?;
        for (name, said) in [("link", &link), ("leg", &leg)] {
            ensure!(said.contains("Compression: NONE"), "{name}:\n{said}");
        }
        ensure!(!leg.contains("Session Ticket"), "a leg's ticket:\n{leg}");
        Ok("links' tickets allow no early data, legs get none; no compression".to_owned())
    }

    /// What `openssl s_client` says.
    fn openssl(&self, night: &Night<'_>, words: &[&str]) -> Result<String> {
        let address = self.0.address.to_string();
        let said = night
            .call("openssl")
            .args(["s_client", "-connect", &address])
            .args(words)
            .finish(SHORT)?;
        Ok(said.stdout + &said.stderr)
    }

    fn path(&self, name: &str) -> String {
        self.0.folder.path().join(name).display().to_string()
    }
}

/// A flat report of testssl: for each finding its severity and its words.
struct Findings(Vec<Finding>);

struct Finding {
    id: String,
    severity: String,
    words: String,
}

impl Findings {
    fn read(report: &str) -> Result<Self> {
        let report: Vec<BTreeMap<String, String>> = serde_json::from_str(report)?;
        let findings = report.into_iter().map(|mut finding| {
            let mut take = |key| finding.remove(key).context("not a report of testssl");
            Ok(Finding {
                id: take("id")?,
                severity: take("severity")?,
                words: take("finding")?,
            })
        });
        Ok(Self(findings.collect::<Result<_>>()?))
    }

    fn of(&self, id: &str) -> Result<&str> {
        let found = self.0.iter().rfind(|finding| finding.id == id);
        let found = found.with_context(|| format!("testssl did not look at {id}"))?;
        Ok(&found.words)
    }

    fn bad(&self) -> Vec<String> {
        let is_bad = |finding: &&Finding| {
            BAD.contains(&finding.severity.as_str()) && !NOT_OURS.contains(&finding.id.as_str())
        };
        let bad = self.0.iter().filter(is_bad);
        bad.map(|it| format!("{}: {}: {}", it.id, it.severity, it.words))
            .collect()
    }
}
