//! The program as a benchmarker sees it: a small soak of our relay, and what it costs.
//!
//! `cargo test -p tasuki-bench` needs the relay and the operator's tool beside it:
//! `cargo build -p agent -p relay -p image-builder --bins`.

use std::path::Path;
use std::process::{Command, Output};

use tasuki_bench::report::{self, Report};
use tasuki_bench::verdict::Outcome;

/// Short lives, so that each kind of end comes a few times.
const SCENARIO: &str = "
seed = 5
sessions = 10
agents = 2
ramp_s = 0.2
warm_up_s = 0.5
duration_s = 5

[down]
per_second = 20
bytes = [100, 1400]

[up]
per_second = 5
bytes = 20

[churn]
lifetime_s = [0.3, 2]
half_close_share = 0.4
linger_s = [0.05, 0.5]
abort_share = 0.2

[stall]
share = 0.4
every_s = [0.1, 0.5]
pause_s = [0.1, 0.5]
";

fn bench(words: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_tasuki-bench");
    Command::new(program).args(words).output().expect("it runs")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

#[test]
fn a_small_soak_of_our_relay_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (scenario, out) = (
        folder.path().join("scenario.toml"),
        folder.path().join("report.json"),
    );
    std::fs::write(&scenario, SCENARIO).unwrap();

    let run = bench(&["soak", "--scenario", text(&scenario), "--out", text(&out)]);
    let said = String::from_utf8_lossy(&run.stdout);
    let complained = String::from_utf8_lossy(&run.stderr);
    let report = Report::read(&out).unwrap_or_else(|error| panic!("{error}\n{said}{complained}"));

    // Void when this machine is too busy to tell how late messages are; bytes are told in any case.
    let code = match report.verdict.outcome {
        Outcome::Pass => 0,
        Outcome::Void => 3,
        Outcome::Fail => panic!("{said}{complained}"),
    };
    assert_eq!(run.status.code(), Some(code), "{said}{complained}");
    let [ceiling, round] = report.rounds.as_slice() else {
        panic!("a ceiling and a round, got {}", report.rounds.len());
    };
    assert_eq!((ceiling.subject.as_str(), ceiling.cpu), ("direct", None));
    assert_eq!(round.subject, "tasuki");
    assert_eq!(round.faults.total(), 0, "{:?}", round.faults);
    let ends = round.ends;
    assert!(
        ends.closed >= 10 && ends.half_closed > 0 && ends.aborted > 0,
        "{ends:?}"
    );
    assert!(ends.stalls > 0, "{ends:?}");
    // A thousand and a quarter are meant; sessions that are being set up send nothing.
    assert!(round.messages > 300, "{}", round.messages);
    assert!(round.cpu_us_per_message().unwrap() > 0.0);
    assert!(
        round
            .samples
            .iter()
            .all(|it| it.memory_bytes > 1 << 20 && it.descriptors > 20)
    );
}

#[test]
fn a_price_needs_a_soak_that_passed_and_a_page_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report.json");
    let words = [
        "soak",
        "--sessions",
        "1",
        "--duration",
        "0.5",
        "--out",
        text(&out),
    ];
    let run = bench(&words);
    let complained = String::from_utf8_lossy(&run.stderr).into_owned();
    let mut report = Report::read(&out).unwrap_or_else(|error| panic!("{error}\n{complained}"));

    report.verdict.outcome = Outcome::Void;
    report::write(&report, &out).unwrap();
    let refused = bench(&["cost", text(&out)]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("did not pass"));

    report.verdict.outcome = Outcome::Pass;
    report::write(&report, &out).unwrap();
    let priced = bench(&["cost", text(&out), "--space-yen", "0"]);
    let said = String::from_utf8_lossy(&priced.stdout);
    assert!(priced.status.success(), "{said}");
    // One session carries 3.33 users at a share of 0.3, who pay for the whole board.
    assert!(said.contains("3 users a board"), "{said}");
    assert!(said.contains("space        0.00 yen"), "{said}");
    assert!(said.contains("published 5 to 14"), "{said}");

    let page = bench(&["report", text(&out)]);
    assert!(page.status.success(), "{page:?}");
    let html = std::fs::read_to_string(out.with_extension("html")).unwrap();
    assert!(html.contains("node_file"), "{html}");
    assert!(html.matches("<svg").count() >= 3, "{html}");
}

#[test]
fn wrong_arguments_have_an_exit_status_of_their_own() {
    assert_eq!(
        bench(&["soak", "--sessions", "many"]).status.code(),
        Some(64)
    );
    assert_eq!(bench(&["--help"]).status.code(), Some(0));
    let none = bench(&["soak", "--sessions", "0"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&none.stderr).contains("sessions must be 1 to 6000"));
}

/// Only root may lay a wire.
#[test]
fn relays_are_compared_over_a_wire_which_is_gone_afterwards() {
    if !nix::unistd::geteuid().is_root() {
        println!("NOT TESTED: not root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (scenario, out) = (
        folder.path().join("scenario.toml"),
        folder.path().join("report.json"),
    );
    std::fs::write(&scenario, SCENARIO.replace("agents = 2\n", "")).unwrap();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let last = (cpus - 1).to_string();

    let words = "peers --wire --peers nginx --beside batching=false --rounds 1 --relay-cpus 0";
    let mut words: Vec<&str> = words.split(' ').collect();
    words.extend(["--load-cpus", &last, "--scenario", text(&scenario)]);
    words.extend(["--out", text(&out)]);
    let run = bench(&words);

    let said = String::from_utf8_lossy(&run.stdout);
    assert!(
        out.is_file(),
        "{said}{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let report = Report::read(&out).unwrap();
    let mut subjects: Vec<&str> = report.rounds.iter().map(|it| it.subject.as_str()).collect();
    subjects.sort_unstable();
    assert_eq!(
        subjects,
        ["direct", "nginx", "tasuki", "tasuki batching=false"]
    );
    for round in &report.rounds {
        assert!(round.messages > 100 && round.faults.total() == 0, "{said}");
    }
    let namespaces = Command::new("ip").args(["netns", "list"]).output().unwrap();
    let namespaces = String::from_utf8_lossy(&namespaces.stdout);
    assert!(!namespaces.contains("tasuki-bench"), "{namespaces}");
}
