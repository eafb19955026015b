//! `cargo xtask ci`: every check that a commit has to pass, what fails fastest first.
//!
//! `.ci/run` calls this and nothing else, so a developer sees what the machine will see.
//! The list of advisories is not asked for: it lies outside the package registries.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::cache::Tool;
use crate::debian::{self, Consent, Package};
use crate::demo::Kind;
use crate::exec::{Call, Shell};
use crate::image::{self, Order};
use crate::report::{self, Steps};
use crate::{demo, dist, pins, tidy};

/// No single program may hold up a machine for longer.
const LIMIT: Duration = Duration::from_secs(3600);

const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
};

/// Two in a hundred more than were counted when this was written (docs/BENCHMARKS.md); from run to
/// run they differ by one in a thousand. Lower it with the count.
const INSTRUCTIONS_MOST: &str = "516";

const SOAK: &str = "benches/scenarios/short.toml";

/// The load side was too slow for a verdict about time (`tasuki-bench --help`).
const SOAK_VOID: i32 = 3;

/// What the end-to-end tests start beside our own programs.
const TEST_PACKAGES: [Package; 17] = [
    Package {
        name: "dante-server",
        purpose: "a SOCKS proxy that host and client go through",
    },
    Package {
        name: "faketime",
        purpose: "clocks of relays and hosts are wrong",
    },
    Package {
        name: "fdisk",
        purpose: "sfdisk reads the tables of planned disks",
    },
    Package {
        name: "haproxy",
        purpose: "a peer that tasuki-bench measures",
    },
    Package {
        name: "iproute2",
        purpose: "a cable is cut between network namespaces",
    },
    Package {
        name: "libnginx-mod-stream",
        purpose: "a peer that tasuki-bench measures, as a stream proxy",
    },
    Package {
        name: "libnss-wrapper",
        purpose: "users of that proxy, and names that lead elsewhere",
    },
    Package {
        name: "nginx-light",
        purpose: "the same peer",
    },
    Package {
        name: "openssh-client",
        purpose: "a test logs in through the relay",
    },
    Package {
        name: "openssh-server",
        purpose: "the same test's office PC",
    },
    Package {
        name: "socat",
        purpose: "a peer that tasuki-bench measures",
    },
    Package {
        name: "squid-openssl",
        purpose: "an HTTP proxy that host and client go through",
    },
    Package {
        name: "strace",
        purpose: "a test counts the relay's system calls",
    },
    Package {
        name: "stunnel4",
        purpose: "a peer that tasuki-bench measures",
    },
    Package {
        name: "systemd",
        purpose: "systemd-analyze judges the relay's unit",
    },
    Package {
        name: "valgrind",
        purpose: "the relay's instructions for each message are counted",
    },
    Package {
        name: "winbind",
        purpose: "NTLM, for that HTTP proxy",
    },
];

#[derive(Args)]
pub(crate) struct Options {
    /// List the steps and run none.
    #[arg(long)]
    list: bool,
    /// Run one step only.
    #[arg(long, value_name = "STEP")]
    only: Option<String>,
    /// Install missing Debian packages without asking; so does the environment variable CI.
    #[arg(long)]
    yes: bool,
}

/// What every step works on.
struct Tree<'a> {
    shell: &'a Shell,
    root: &'a Path,
    consent: Consent,
}

struct Step {
    name: &'static str,
    what: &'static str,
    work: fn(&Tree<'_>) -> Result<()>,
}

const STEPS: &[Step] = &[
    Step {
        name: "packages",
        what: "Debian packages that tests and demo need",
        work: packages,
    },
    Step {
        name: "tidy",
        what: "rules about the tree",
        work: tidy,
    },
    Step {
        name: "fmt",
        what: "formatting",
        work: fmt,
    },
    Step {
        name: "clippy",
        what: "lints, warnings denied",
        work: clippy,
    },
    Step {
        name: "doc",
        what: "documentation, warnings denied",
        work: doc,
    },
    Step {
        name: "deny",
        what: "licences, sources and duplicates",
        work: deny,
    },
    Step {
        name: "build",
        what: "all programs and tests",
        work: build,
    },
    Step {
        name: "pins",
        what: "the packages that images are made of can still be had",
        work: pins,
    },
    Step {
        name: "test",
        what: "all tests, end-to-end ones included",
        work: test,
    },
    Step {
        name: "bench",
        what: "half a minute's soak, and what a message costs",
        work: bench,
    },
    Step {
        name: "image",
        what: "the image of a virtual machine, twice and the same",
        work: image,
    },
    Step {
        name: "board",
        what: "an image booted in QEMU: it serves, and nothing else is open",
        work: board,
    },
    Step {
        name: "demo",
        what: "a desktop through the relay",
        work: demo,
    },
    Step {
        name: "windows",
        what: "the agents for Windows, and a desktop through them under Wine",
        work: windows,
    },
];

pub(crate) fn run(shell: &Shell, root: &Path, options: &Options) -> Result<()> {
    if options.list {
        for step in STEPS {
            report::say(&format!("{:<10} {}", step.name, step.what));
        }
        return Ok(());
    }
    let chosen: Vec<&Step> = STEPS
        .iter()
        .filter(|step| options.only.as_deref().is_none_or(|name| name == step.name))
        .collect();
    if chosen.is_empty() {
        bail!("there is no such step; see cargo xtask ci --list");
    }
    let tree = Tree {
        shell,
        root,
        consent: Consent::new(options.yes),
    };
    let mut steps = Steps::default();
    for (index, step) in chosen.iter().enumerate() {
        if let Err(error) = steps.loud(step.name, || (step.work)(&tree)) {
            let rest: Vec<_> = chosen
                .iter()
                .skip(index + 1)
                .map(|step| step.name)
                .collect();
            steps.table(&rest);
            return Err(error.context(format!("{} failed", step.name)));
        }
    }
    steps.table(&[]);
    Ok(())
}

fn packages(tree: &Tree<'_>) -> Result<()> {
    let needed = demo::PACKAGES.into_iter().chain(TEST_PACKAGES);
    // xtask's own tests sign a program.
    let needed: Vec<Package> = needed.chain(dist::sign::TEST_PACKAGES).collect();
    debian::provide(tree.shell, &needed, tree.consent)
}

fn tidy(tree: &Tree<'_>) -> Result<()> {
    tidy::run(tree.shell, tree.root)
}

fn fmt(tree: &Tree<'_>) -> Result<()> {
    cargo(tree, &["fmt", "--all", "--check"]).run(LIMIT)
}

fn clippy(tree: &Tree<'_>) -> Result<()> {
    let words = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--quiet",
    ];
    cargo(tree, &words)
        .args(["--", "-D", "warnings"])
        .run(LIMIT)
}

fn doc(tree: &Tree<'_>) -> Result<()> {
    let words = [
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ];
    cargo(tree, &words)
        .args(["--locked", "--quiet"])
        // Private items are documented here, so that links to them lead somewhere.
        .env(
            "RUSTDOCFLAGS",
            "-D warnings -A rustdoc::private_intra_doc_links",
        )
        .run(LIMIT)
}

fn deny(tree: &Tree<'_>) -> Result<()> {
    let folder = CARGO_DENY
        .folder(tree.shell)
        .context("cargo-deny is not there")?;
    let check = |what: &[&str], lenient: &[&str]| {
        let call = tree.shell.call(folder.join("cargo-deny")).args(what);
        call.args(["--locked", "check", "--hide-inclusion-graph"])
            .args(lenient.iter().flat_map(|code| ["--allow", code]))
            .args(["licenses", "sources", "bans"])
            .dir(tree.root)
            .run(LIMIT)
    };
    check(&["--workspace", "--exclude", "tasuki-desktop"], &[])?;
    // Its RDP server brings fifty crates along a generation ahead of ours. No other program has
    // them, and it needs little of what is excused in the others.
    let lenient = [
        "duplicate",
        "license-not-encountered",
        "unmatched-skip",
        "unnecessary-skip",
    ];
    check(&["--manifest-path", "agent/desktop/Cargo.toml"], &lenient)
}

/// The end-to-end tests start all programs, of which `cargo test` would not build every one.
fn build(tree: &Tree<'_>) -> Result<()> {
    let words = [
        "build",
        "--workspace",
        "--all-targets",
        "--locked",
        "--quiet",
    ];
    cargo(tree, &words).run(LIMIT)
}

fn pins(tree: &Tree<'_>) -> Result<()> {
    pins::provide(tree.shell, tree.root)
}

fn test(tree: &Tree<'_>) -> Result<()> {
    cargo(tree, &["test", "--workspace", "--locked", "--quiet"]).run(LIMIT)
}

/// Programs as they are shipped: a soak loses no byte, and a message costs no more instructions than
/// it did. Neither depends on how fast this machine is, or on what else it does: a soak is void
/// where the load side was slow, and bytes have been verified all the same.
fn bench(tree: &Tree<'_>) -> Result<()> {
    let messages = cargo(
        tree,
        &["build", "--release", "--locked", "--quiet", "--bins"],
    )
    .args(["-p", "agent", "-p", "image-builder"])
    .args(["-p", "relay", "-p", "tasuki-bench"])
    .arg("--message-format=json-render-diagnostics")
    .output_shown(LIMIT)?;
    let program = demo::programs(&messages)
        .find(|program| program.ends_with("tasuki-bench"))
        .context("cargo built no tasuki-bench")?;
    let run = |words: &[&str]| tree.shell.call(&program).args(words).dir(tree.root);
    let soak = run(&["soak", "--scenario", SOAK]).finish(LIMIT)?;
    report::say(soak.stdout.trim());
    if !matches!(soak.status.code(), Some(0 | SOAK_VOID)) {
        bail!("the soak failed: {}\n{}", soak.status, soak.stderr.trim());
    }
    run(&["instructions", "--most", INSTRUCTIONS_MOST]).run(LIMIT)
}

fn image(tree: &Tree<'_>) -> Result<()> {
    one_test(tree, "image-builder", "images", "reproducible::quick")
}

/// The one boot that every commit has to pass; `nightly` has the others.
fn board(tree: &Tree<'_>) -> Result<()> {
    let tasuki = image::tasuki(tree.shell, tree.root)?;
    let locks = pins::scratch_copy(tree.root);
    let order = Order {
        board: "vm-x86-64",
        // What the test calls it.
        version: "1.0.0",
        locks: locks.as_deref(),
    };
    image::release(tree.shell, tree.root, &tasuki, &order)?;
    let test = "inside::nothing_is_open_in_a_board_but_the_relays_port";
    one_test(tree, "image-testkit", "booted", test)
}

/// A test that `cargo test` leaves out, since it needs Debian's packages.
fn one_test(tree: &Tree<'_>, package: &str, program: &str, test: &str) -> Result<()> {
    let words = ["test", "--locked", "--quiet", "--package", package];
    let mut call = cargo(tree, &words).args(["--test", program, "--"]);
    if let Some(locks) = pins::scratch_copy(tree.root) {
        report::say(&format!(
            "***** PINNED PACKAGES ARE GONE (step pins): taken from {}",
            locks.display()
        ));
        call = call.env("TASUKI_LOCKS", locks);
    }
    let said = call
        .args(["--nocapture", "--ignored", "--exact", test])
        .output_shown(LIMIT)?;
    report::say(said.trim());
    if !said.contains("1 passed") {
        bail!("no test is called {test}");
    }
    Ok(())
}

fn demo(tree: &Tree<'_>) -> Result<()> {
    demo::check(tree.shell, tree.root, Kind::Linux)
}

/// The agents for Windows: built, checked, and seen at work under Wine.
fn windows(tree: &Tree<'_>) -> Result<()> {
    dist::lint(tree.shell, tree.root, tree.consent)?;
    dist::test_seam(tree.shell, tree.root, tree.consent)?;
    demo::check(tree.shell, tree.root, Kind::Windows)
}

fn cargo<'a>(tree: &Tree<'a>, words: &[&str]) -> Call<'a> {
    tree.shell.call("cargo").args(words).dir(tree.root)
}
