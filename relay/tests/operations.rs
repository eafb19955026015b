//! `docs/OPERATIONS.md` says what the relay does: defaults, reasons, the least configuration.

use std::path::PathBuf;

use tasuki_relay::data::EndReason;
use tasuki_relay::{config, limits};

fn document() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATIONS.md");
    std::fs::read_to_string(path).expect("docs/OPERATIONS.md")
}

/// The second cell of the row that begins with `| key |`.
fn cell<'d>(document: &'d str, key: &str) -> &'d str {
    let begin = format!("| `{key}` | ");
    let row = document
        .lines()
        .find_map(|line| line.strip_prefix(begin.as_str()));
    row.and_then(|rest| rest.split(" | ").next()).expect(key)
}

#[test]
fn defaults_are_the_ones_in_the_code() {
    let document = document();

    for (key, value) in [
        ("[limits] sessions", limits::SESSIONS_MAX),
        ("[limits] hosts", limits::HOSTS_MAX),
        ("[limits] parked_legs", limits::PARKED_LEGS_MAX),
        (
            "[limits] unproven_per_address",
            limits::UNPROVEN_PER_ADDRESS,
        ),
    ] {
        assert_eq!(cell(&document, key), value.to_string(), "{key}");
    }
    let claims = limits::CLAIMS_PER_RANGE.to_string();
    assert_eq!(cell(&document, "[limits] claims_per_range"), claims);
    let budget = format!("`\"{}M\"`", limits::MEMORY_BUDGET >> 20);
    assert!(cell(&document, "[limits] memory_budget").starts_with(&budget));
    let seconds = |span: std::time::Duration| format!("`\"{}s\"`", span.as_secs());
    assert_eq!(
        cell(&document, "drain_deadline"),
        seconds(limits::DRAIN_DEADLINE)
    );
    assert_eq!(
        cell(&document, "ping_interval"),
        seconds(limits::PING_INTERVAL)
    );
    let socket = format!("`{}`", config::DEFAULT_CONTROL_SOCKET);
    assert_eq!(cell(&document, "control_socket"), socket);
    assert!(document.contains(config::DEFAULT_PATH));
}

#[test]
fn every_reason_for_an_end_is_explained() {
    let document = document();

    for reason in EndReason::ALL {
        let label = format!("`{}`", reason.as_str());
        let explained = |line: &str| line.starts_with("| ") && line.contains(&label);
        assert!(document.lines().any(explained), "{label}");
    }
}
