//! Rules about one file of Rust.
//!
//! They read lines, not syntax: a rule that a plain line cannot decide does not belong here.
//! Comment lines are not code, and are skipped where a rule is about code.

use super::files::File;
use super::{Finding, Findings};

const LINES_WARN: usize = 500;
const LINES_MAX: usize = 600;

/// The pure half of the data plane.
const PURE: [&str; 2] = ["relay/src/data/session.rs", "relay/src/data/flow.rs"];

/// What would let the pure half do I/O or read a clock.
const IMPURE: [&str; 5] = ["std::net", "std::io", "std::time", "mio", "nix"];

/// Where programs may be started; tests may everywhere.
const STARTERS: [&str; 7] = [
    "benches/src/exec.rs",
    "xtask/src/exec.rs",
    "image-builder/src/exec.rs",
    "agent/src/client/launch.rs",
    // What shares a desktop, for each session.
    "agent/src/host/target.rs",
    // Themselves, or a program beside them, without a console.
    "agent/src/platform/windows/autostart.rs",
    "agent/src/platform/windows/window.rs",
];

type Rule = fn(&File, &str) -> Option<&'static str>;

/// Rules for all code, and those that unit tests need not follow.
const EVERYWHERE: [Rule; 2] = [unfinished, ignored_without_reason];
const PRODUCT: [Rule; 4] = [
    tokio_in_data_plane,
    impure_core,
    nix_outside_its_seam,
    program_started_elsewhere,
];

pub(super) fn check(file: &File, found: &mut Findings) {
    size(file, found);
    let tests = first_line_of_tests(file);
    for (number, line) in file.lines() {
        let code = line.trim_start();
        if code.starts_with("//") {
            continue;
        }
        let product = if number < tests {
            PRODUCT.as_slice()
        } else {
            &[]
        };
        let broken = EVERYWHERE
            .iter()
            .chain(product)
            .filter_map(|rule| rule(file, code));
        found
            .errors
            .extend(broken.map(|text| Finding::at(file, number, text)));
    }
}

/// Where the module of unit tests begins, which lies at the end of a file.
fn first_line_of_tests(file: &File) -> usize {
    let mut gated = false;
    for (number, line) in file.lines() {
        if gated && line.starts_with("mod ") && line.ends_with('{') {
            return number;
        }
        gated = line == "#[cfg(test)]";
    }
    usize::MAX
}

fn size(file: &File, found: &mut Findings) {
    let lines = file.text.lines().count();
    let text = format!("{lines} lines: nobody reads that in one go; split it by what it owns");
    if lines > LINES_MAX {
        found.errors.push(Finding::of(&file.path, text));
    } else if lines > LINES_WARN {
        found.warnings.push(Finding::of(&file.path, text));
    }
}

fn tokio_in_data_plane(file: &File, code: &str) -> Option<&'static str> {
    (file.path.starts_with("relay/src/data/") && names(code, "tokio")).then_some(
        "tokio in the data plane: a worker is one mio thread and must not wait for control; \
         move this to relay/src/control or pass it through the mailbox",
    )
}

fn impure_core(file: &File, code: &str) -> Option<&'static str> {
    let impure =
        PURE.contains(&file.path.as_str()) && IMPURE.into_iter().any(|module| names(code, module));
    impure.then_some(
        "I/O, a clock or the operating system in the pure core: it is simulated and fuzzed, so \
         results and time come in as arguments; do the call in the reactor",
    )
}

fn nix_outside_its_seam(file: &File, code: &str) -> Option<&'static str> {
    let seam = |part| matches!(part, "sys" | "platform" | "sys.rs" | "platform.rs");
    let allowed = is_test(file) || file.path.split('/').any(seam);
    (!allowed && names_crate(code, "nix")).then_some(
        "nix outside sys/ and platform/: the operating system is reached through one seam with \
         a written contract; add a function there",
    )
}

fn unfinished(_: &File, code: &str) -> Option<&'static str> {
    let marks = [concat!("todo", "!("), concat!("unimplemented", "!(")];
    marks.iter().any(|mark| code.contains(mark)).then_some(
        "unfinished code: it panics at whoever gets there; return a typed error or leave it out",
    )
}

fn program_started_elsewhere(file: &File, code: &str) -> Option<&'static str> {
    let allowed = STARTERS.contains(&file.path.as_str()) || is_test(file);
    let starts = names(code, "Command::new") && !names(code, "clap::Command::new");
    (!allowed && starts).then_some(
        "a program is started here: that happens in exec.rs (arguments logged, waits bounded, \
         children ended) or in the client's launch.rs; call those",
    )
}

fn ignored_without_reason(_: &File, code: &str) -> Option<&'static str> {
    (code.starts_with("#[ignore]")).then_some(
        "a test ignored without a reason: nobody will know when to bring it back; \
         write #[ignore = \"why\"]",
    )
}

/// Whether all of this file serves tests only.
fn is_test(file: &File) -> bool {
    let mut parts = file.path.split('/');
    parts.any(|part| matches!(part, "tests" | "testkit"))
}

/// Whether `code` names the crate itself, rather than something else of the same name.
fn names_crate(code: &str, name: &str) -> bool {
    names(code, &format!("{name}::")) || names(code, &format!("use {name};"))
}

/// Whether `code` contains `path` as whole words.
fn names(code: &str, path: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(path).any(|(at, _)| {
        let (before, rest) = code.split_at(at);
        let after = rest.strip_prefix(path).unwrap_or_default();
        let open = path.ends_with([':', ';']);
        !before.ends_with(part_of_word) && (open || !after.starts_with(part_of_word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(path: &str, text: &str) -> Vec<String> {
        let mut found = Findings::default();
        check(
            &File {
                path: path.to_owned(),
                text: text.to_owned(),
            },
            &mut found,
        );
        found
            .errors
            .into_iter()
            .map(|finding| finding.place)
            .collect()
    }

    #[test]
    fn tokio_is_found_in_the_data_plane_only() {
        let text = "\n    tokio::spawn(f);\n";

        assert_eq!(
            errors("relay/src/data/reactor.rs", text),
            ["relay/src/data/reactor.rs:2"]
        );
        assert!(errors("relay/src/control/link.rs", text).is_empty());
        assert!(errors("relay/src/data/reactor.rs", "// no tokio here\n").is_empty());
    }

    #[test]
    fn the_pure_core_may_not_read_a_clock() {
        let text = "use std::time::Duration;\n";

        assert_eq!(errors("relay/src/data/flow.rs", text).len(), 1);
        assert!(errors("relay/src/data/timer.rs", text).is_empty());
        assert!(errors("relay/src/data/flow.rs", "let mioritic = 1;\n").is_empty());
    }

    #[test]
    fn nix_stays_behind_its_seam() {
        let text = "use nix::unistd::geteuid;\n";

        assert_eq!(errors("relay/src/startup.rs", text).len(), 1);
        for path in [
            "relay/src/sys/splice.rs",
            "agent/src/platform/linux.rs",
            "relay/tests/a.rs",
        ] {
            assert!(errors(path, text).is_empty(), "{path}");
        }
        assert!(errors("relay/src/startup.rs", "let unix = phoenix::rise();\n").is_empty());
    }

    #[test]
    fn programs_are_started_where_they_may_be() {
        let text = "    Command::new(\"ls\")\n";

        assert_eq!(errors("agent/src/host/call.rs", text).len(), 1);
        assert!(errors("agent/tests/end_to_end.rs", text).is_empty());
        assert!(
            errors(
                "agent/src/a.rs",
                &format!("#[cfg(test)]\nmod tests {{\n{text}")
            )
            .is_empty()
        );
        assert_eq!(
            errors(
                "agent/src/a.rs",
                &format!("#[cfg(test)]\nmod fake;\n{text}")
            )
            .len(),
            1
        );
        assert!(errors("agent/src/client/launch.rs", text).is_empty());
    }

    #[test]
    fn unfinished_and_ignored_code_is_found() {
        let unfinished = concat!("todo", "!()\n");

        assert_eq!(errors("agent/src/lib.rs", unfinished).len(), 1);
        assert_eq!(errors("agent/src/lib.rs", "    #[ignore]\n").len(), 1);
        assert!(errors("agent/src/lib.rs", "#[ignore = \"needs a card\"]\n").is_empty());
    }

    #[test]
    fn a_long_file_warns_and_a_longer_one_fails() {
        let verdict = |lines: usize| {
            let mut found = Findings::default();
            let text = "\n".repeat(lines);
            check(
                &File {
                    path: "a.rs".to_owned(),
                    text,
                },
                &mut found,
            );
            (found.warnings.len(), found.errors.len())
        };

        assert_eq!(verdict(LINES_WARN), (0, 0));
        assert_eq!(verdict(LINES_WARN + 1), (1, 0));
        assert_eq!(verdict(LINES_MAX), (1, 0));
        assert_eq!(verdict(LINES_MAX + 1), (0, 1));
    }
}
