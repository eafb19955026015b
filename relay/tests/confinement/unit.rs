//! The unit under which systemd runs the relay: how much it leaves open, and that the relay fits.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use relay_testkit::{Relay, until};

use crate::life::live;
use crate::site;

/// Tenths, as `--threshold` counts them. What is left is what a public server needs: the network,
/// one capability, AF_UNIX.
const EXPOSURE_MAX: &str = "15";

fn unit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd/tasuki-relay.service")
}

fn analyze(arguments: &[&str]) -> Output {
    let mut command = Command::new("systemd-analyze");
    command.arg("--no-pager").args(arguments);
    command
        .output()
        .expect("systemd-analyze, of the package systemd")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn it_leaves_little_open() {
    let unit = unit();
    let threshold = format!("--threshold={EXPOSURE_MAX}");

    let output = analyze(&[
        "security",
        "--offline=true",
        &threshold,
        unit.to_str().unwrap(),
    ]);

    let (table, complaints) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{table}{complaints}");
    assert_eq!(complaints, "");
}

/// `strace` sees all of a life, from the first instruction: each call must be one that the unit
/// lets through. A filter is no good to whoever cannot start under it.
#[tokio::test]
async fn it_lets_every_call_of_a_life_through() {
    let site = site("");
    let calls = site.path("calls");
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "-q", "-o"]).arg(&calls);
    strace.arg(site.program()).args(["run", "--config"]);
    strace.arg(site.path("relay.toml"));
    let mut relay = Relay::start(&site, strace);
    live(&site, &mut relay).await;
    let told = || std::fs::read_to_string(&calls).unwrap();
    until("strace's end", || told().contains("+++ exited with 0 +++")).await;
    let made: BTreeSet<String> = told().lines().filter_map(call_in).collect();

    let allowed = allowed();

    assert!(
        made.contains("splice") && made.contains("seccomp"),
        "{made:?}"
    );
    // Made by a relay that root started; systemd has done it before it starts one.
    let by_root =
        BTreeSet::from(["chown", "setgroups", "setresgid", "setresuid"].map(str::to_owned));
    let beyond: Vec<_> = made.difference(&allowed).collect();
    let beyond: Vec<_> = beyond
        .into_iter()
        .filter(|call| !by_root.contains(*call))
        .collect();
    assert_eq!(beyond, [""; 0]);
}

/// The name of the call in "123 name(arguments...".
fn call_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once(' ')?;
    let (name, _) = rest.trim_start().split_once('(')?;
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    name.chars().all(is_name).then(|| name.to_owned())
}

/// What the unit's `SystemCallFilter=` lines let through, taken one after the other
/// (systemd.exec(5)).
fn allowed() -> BTreeSet<String> {
    let unit = std::fs::read_to_string(unit()).unwrap();
    let mut allowed = expand("@default");
    for line in unit.lines() {
        let Some(words) = line.strip_prefix("SystemCallFilter=") else {
            continue;
        };
        let (words, takes_away) = match words.strip_prefix('~') {
            Some(words) => (words, true),
            None => (words, false),
        };
        for call in words.split_whitespace().flat_map(expand) {
            if takes_away {
                allowed.remove(&call);
            } else {
                allowed.insert(call);
            }
        }
    }
    allowed
}

/// The calls of a group, and of the groups in it.
fn expand(word: &str) -> BTreeSet<String> {
    if !word.starts_with('@') {
        return BTreeSet::from([word.to_owned()]);
    }
    let output = analyze(&["syscall-filter", word]);
    let lines = text(&output.stdout).lines().skip(1).map(str::trim);
    let members = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    members.flat_map(expand).collect()
}
