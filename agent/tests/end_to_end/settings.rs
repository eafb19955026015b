//! Settings that change while a host runs: by `reload`, and by the settings tool.

use std::fs;

use tasuki_agent::config::{AddressRule, Password};
use tasuki_agent::host::rename::Renamed;
use tasuki_agent::settings::{Job, Order, Outcome, Protection, ProxyKind, Values};
use tasuki_agent::state::StateDir;
use zeroize::Zeroizing;

use crate::harness::{Host, Lab, PASSWORD, PATIENCE, Proxy, Target, round_trip, wait_for, works};

const DENIED: &str = "[[address_rule]]\ndeny = \"127.0.0.0/8\"\n";

fn tool(host: &Host) -> Job {
    Job::new(StateDir::open(Some(host.state())).expect("opens"), None)
}

fn values(job: &Job) -> Values {
    let snapshot = job.look().expect("can be read");
    snapshot.values.expect("is right")
}

fn reload(host: &Host) -> (Option<i32>, String) {
    let output = host.command("reload").output().expect("starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into())
}

#[test]
fn changed_settings_count_at_once_and_the_session_goes_on() {
    let lab = Lab::new();
    let host = lab.host("office", Target::echo().address);
    let open = lab.client("home").open(&host.id);
    let stream = open.connect();
    round_trip(&stream, b"before");
    host.configure(DENIED);

    let (code, said) = reload(&host);

    assert_eq!((code, said.trim()), (Some(0), "The settings are taken."));
    host.wait_until_linked();
    lab.client("other")
        .refused(&host.id)
        .says(84, &["address rules do not admit"]);
    round_trip(&stream, b"after");
}

#[test]
fn a_mistake_is_told_and_the_settings_from_before_hold() {
    let lab = Lab::new();
    let host = lab.host("office", Target::echo().address);
    host.configure(&format!("{DENIED}no_such_key = 1\n"));

    let (code, said) = reload(&host);

    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("no_such_key"), "{said}");
    let status = host.status();
    let refused = status["refused_settings"].as_str().expect("is kept");
    assert!(refused.contains("no_such_key"), "{refused}");
    host.wait_until_linked();
    works(&lab.client("home").open(&host.id));
}

#[test]
fn what_cannot_change_now_is_named() {
    let lab = Lab::new();
    let host = lab.host("office", Target::echo().address);
    host.configure("max_sessions = 3\nstay_awake = false\n");

    let (code, said) = reload(&host);

    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("next start: max_sessions"), "{said}");
    assert_eq!(host.status()["waiting_settings"][0], "max_sessions");
}

#[test]
fn without_a_host_there_is_nothing_to_reload() {
    let lab = Lab::without_relay("");
    let host = Host::prepare(&lab, "office", Target::echo().address);

    let (code, said) = reload(&host);

    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is not running"), "{said}");
}

#[test]
fn the_tool_changes_a_running_host_and_leaves_its_file_as_it_was_written() {
    const NEW: &str = "Another-Maple-4072";
    let lab = Lab::new();
    let host = lab.host("office", Target::echo().address);
    host.configure("# by hand\nmax_sessions = 8 # enough\n");
    let client = lab.client("home");
    let open = client.open(&host.id);
    let stream = open.connect();
    let job = tool(&host);
    let before = values(&job);
    let mut after = before.clone();
    let rule: AddressRule = "permit 127.0.0.1".parse().expect("is a rule");
    after.rules = vec![rule];
    after.stay_awake = false;

    let Outcome { done, now } = job.run(Order {
        values: Some((before, after.clone())),
        password: Some(Password(Zeroizing::new(NEW.to_owned()))),
        computer_id: Some("soumu-hanako".parse().expect("is an ID")),
        ..Order::default()
    });

    assert_eq!(done.expect("is done").renamed, Some(Renamed::Done));
    let now = now.expect("can be read");
    assert_eq!(now.values.expect("is right"), after);
    assert_eq!(now.status.computer_id.as_deref(), Some("soumu-hanako"));
    assert!(now.is_prepared && !now.is_protected && now.status.refused_settings.is_none());
    let text = fs::read_to_string(host.state().join("host.toml")).expect("is there");
    assert!(
        text.contains("# by hand\nmax_sessions = 8 # enough\n"),
        "{text}"
    );
    round_trip(&stream, b"still here");
    client.refused("soumu-hanako").says(85, &[]);
    works(&client.open_with("soumu-hanako", NEW));
}

#[test]
fn the_tool_leads_a_host_through_a_proxy_whose_password_lies_apart() {
    let lab = Lab::new();
    let proxy = Proxy::http();
    let host = lab.host("office", Target::echo().address);
    let job = tool(&host);
    let before = values(&job);
    let mut after = before.clone();
    after.proxy.kind = ProxyKind::Http;
    after.proxy.address = proxy.address.to_string();
    after.proxy.user = "proxy-user".to_owned();

    let outcome = job.run(Order {
        values: Some((before, after)),
        proxy_password: Some(Password(Zeroizing::new("proxy:pass".to_owned()))),
        ..Order::default()
    });

    outcome.done.expect("is done");
    wait_for("the link through the proxy", PATIENCE, || {
        (!proxy.requests().is_empty() && host.is_linked()).then_some(())
    });
    let text = fs::read_to_string(host.state().join("host.toml")).expect("is there");
    assert!(!text.contains("proxy:pass"), "{text}");
}

#[test]
fn the_tool_touches_no_file_that_it_does_not_understand() {
    let lab = Lab::without_relay("");
    let host = Host::prepare(&lab, "office", Target::echo().address);
    let job = tool(&host);
    let before = values(&job);
    let mut after = before.clone();
    after.stay_awake = false;
    // Meanwhile somebody else has been at it.
    host.configure("no_such_key = 1\n");
    let path = host.state().join("host.toml");
    let text = fs::read_to_string(&path).expect("is there");

    let outcome = job.run(Order {
        values: Some((before, after)),
        ..Order::default()
    });

    let error = outcome.done.expect_err("is refused").to_string();
    assert!(error.contains("no_such_key"), "{error}");
    assert_eq!(fs::read_to_string(&path).expect("is there"), text);
    assert!(job.look().expect("can be read").values.is_err());
}

#[test]
fn the_tool_makes_an_office_pc_of_one_that_knows_no_relay() {
    let lab = Lab::new();
    let dir = StateDir::open(Some(&lab.path("office"))).expect("opens");
    let job = Job::new(dir, None);
    assert!(!job.look().expect("can be read").is_prepared);

    job.prepare(&lab.entry()).expect("the entry file is good");

    let before = job.look().expect("can be read");
    assert!(before.is_prepared);
    let proposed = before.status.wish.expect("a readable ID is proposed");
    let order = Order {
        password: Some(Password(Zeroizing::new(PASSWORD.to_owned()))),
        ..Order::default()
    };
    job.run(order).done.expect("is saved");
    let elsewhere = Lab::elsewhere(lab.relay_address);
    job.prepare(&elsewhere.entry())
        .expect("another entry file is left alone");
    let mut host = Host::at(&lab, "office", &proposed);
    let target = Target::echo();
    host.configure(&format!("target = \"{}\"\n", target.address));
    host.run();
    host.wait_until_linked();
    works(&lab.client("home").open(&proposed));
}

#[test]
fn the_window_can_have_a_password_and_lose_it() {
    let lab = Lab::without_relay("");
    let host = Host::prepare(&lab, "office", Target::echo().address);
    let job = tool(&host);
    let run = |protection| {
        let outcome = job.run(Order {
            protection,
            ..Order::default()
        });
        outcome.done.expect("is done");
        let snapshot = outcome.now.expect("can be read");
        snapshot.is_protected
    };

    let word = Password(Zeroizing::new("Correct-Horse-1".to_owned()));
    assert!(run(Protection::Password(word)));
    let kept = job.password().expect("can be read").expect("is there");
    assert_eq!(kept.is("Correct-Horse-1"), Ok(true));
    assert!(!run(Protection::None));
    assert!(job.password().expect("can be read").is_none());
}
