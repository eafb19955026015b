//! The relay in a hostile world, at the size that an hour allows.

use super::suite::Suite;

pub(super) const HOSTILE: Suite = Suite {
    name: "hostile",
    what: "floods, liars and broken networks against a relay, at full size",
    package: "relay",
    program: "hostile",
    prefixes: &[""],
    variables: &[("TASUKI_STALL_S", "60")],
    release: true,
};
