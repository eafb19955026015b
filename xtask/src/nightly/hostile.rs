//! The relay in a hostile world, at the size that an hour allows.

use super::suite::Suite;

pub(super) const HOSTILE: Suite = Suite {
    name: "hostile",
    what: "floods, liars and broken networks against a relay, at full size",
    package: "relay",
    program: "hostile",
    prefixes: &[""],
    without: &["leaks::"],
    variables: &[("TASUKI_STALL_S", "60")],
    release: true,
    inputs: &[
        "relay",
        "protocol",
        "agent",
        "Cargo.lock",
        "xtask/src/nightly",
    ],
};

/// Apart from the others, since it takes half an hour alone.
pub(super) const LEAKS: Suite = Suite {
    name: "leaks",
    what: "100,000 sessions that end in every way, and nothing that stays behind",
    prefixes: &["leaks::"],
    without: &[],
    ..HOSTILE
};
