//! Every "no" reaches the person at home: who, why, what to do, and an exit code for scripts.

use crate::harness::{Host, Lab, PASSWORD, PATIENCE, Target, free_address, wait_for};

#[test]
fn an_id_that_nobody_has() {
    let lab = Lab::new();

    let refused = lab.client("home").refused("nobody");

    refused.says(83, &["Stopped by: the relay", "no computer with this ID"]);
}

#[test]
fn an_office_pc_that_is_switched_off() {
    let lab = Lab::new();
    let mut host = lab.host("office", Target::echo().address);
    host.process().terminate();
    assert!(host.process().ended(PATIENCE).success());

    let refused = lab.client("home").refused("office");

    refused.says(83, &["not connected now"]);
}

#[test]
fn a_wrong_password_and_then_the_right_one() {
    let lab = Lab::new();
    let host = lab.host("office", Target::echo().address);
    let client = lab.client("home");

    let refused = client.refused_with(&host.id, "Wrong-Maple-4071");

    refused.says(
        85,
        &[
            "Stopped by: the office PC",
            "password or the user name is wrong",
        ],
    );
    assert!(host.log().contains("Password was wrong"), "{}", host.log());
    client.open(&host.id);
    wait_for("the log line", PATIENCE, || {
        host.log().contains("Client let in").then_some(())
    });
    assert!(!host.log().contains("Maple"), "the log tells a password");
}

#[test]
fn an_office_pc_without_a_password_until_one_is_set() {
    let lab = Lab::new();
    let mut host = Host::without_password(&lab, "office", Target::echo().address);
    host.run();
    host.wait_until_linked();
    let client = lab.client("home");

    client
        .refused(&host.id)
        .says(84, &["Nobody has set a password", "set-password"]);
    let weak = host.try_set_password("short1");
    assert!(!weak.status.success());
    assert!(String::from_utf8_lossy(&weak.stderr).contains("it needs at least 8 of 3 kinds"));
    client.refused(&host.id).says(84, &[]);
    host.set_password(PASSWORD);

    client.open(&host.id);
}

#[test]
fn a_client_that_the_address_rules_deny() {
    let lab = Lab::new();
    let mut host = Host::prepare(&lab, "office", Target::echo().address);
    host.configure(
        "[[address_rule]]\npermit = \"192.0.2.0/24\"\n[[address_rule]]\ndeny = \"127.0.0.0/8\"\n",
    );
    host.run();
    host.wait_until_linked();

    let refused = lab.client("home").refused(&host.id);

    refused.says(84, &["address rules"]);
}

#[test]
fn a_network_that_the_operator_bars() {
    let bar = "[[bar]]\nrange = \"127.0.0.0/8\"\norganisation = \"Example City\"\n\
               department = \"IT desk\"\ncontact = \"it@example.jp\"\n";
    let lab = Lab::with_relay(bar);
    let mut host = Host::prepare(&lab, "office", Target::echo().address);
    host.run();

    let refused = lab.client("home").refused("office");

    let contact = ["Example City", "IT desk", "it@example.jp"];
    refused.says(82, &contact);
    wait_for("the same words at the office", PATIENCE, || {
        let trouble = host.status()["trouble"]["text"].to_string();
        contact
            .iter()
            .all(|word| trouble.contains(word))
            .then_some(())
    });
}

#[test]
fn connecting_to_this_very_pc() {
    let lab = Lab::new();
    let host = lab.host("office", Target::echo().address);

    let refused = lab.client("office").refused(&host.id);

    refused.says(87, &["this very PC"]);
}

#[test]
fn a_changed_host_key_before_any_password_is_asked_for() {
    let mut lab = Lab::new();
    let target = Target::echo();
    let mut host = lab.host("office", target.address);
    let client = lab.client("home");
    client.open(&host.id);
    host.kill();
    std::fs::remove_dir_all(host.state()).expect("the state was there");
    lab.kill_relay();
    lab.delete_store();
    lab.start_relay();
    let anew = lab.host("office", target.address);

    // With nothing on the descriptor, being asked would be an error of its own.
    let refused = client.refused_with(&anew.id, "");

    refused.says(86, &["another key than before", "forget-host"]);
    client.done("forget-host", &[&anew.id]);
    client.open(&anew.id);
}

#[test]
fn an_office_pc_whose_desktop_does_not_answer() {
    let lab = Lab::new();
    let host = lab.host("office", free_address());
    let open = lab.client("home").open(&host.id);

    let _stream = open.connect();

    wait_for("the reason", PATIENCE, || {
        let said = open.process.complained();
        said.contains("desktop service does not answer")
            .then_some(())
    });
}

#[test]
fn more_sessions_than_the_office_pc_may_have() {
    let lab = Lab::new();
    let mut host = Host::prepare(&lab, "office", Target::echo().address);
    host.configure("max_sessions = 1\n");
    host.run();
    host.wait_until_linked();
    let first = lab.client("first").open(&host.id);
    let second = lab.client("second");

    second
        .refused(&host.id)
        .says(84, &["as many sessions as it may"]);
    first.process.interrupt();
    first.ended(PATIENCE);

    wait_for("the place", PATIENCE, || {
        let sessions = host.status()["sessions"].as_array().map(Vec::len);
        (sessions == Some(0)).then_some(())
    });
    second.open(&host.id);
}

#[test]
fn an_office_pc_that_stops_says_so() {
    let lab = Lab::new();
    let mut host = lab.host("office", Target::echo().address);
    let open = lab.client("home").open(&host.id);
    let _stream = open.connect();
    wait_for("the stream", PATIENCE, || {
        (host.status()["sessions"][0]["streams"] == 1).then_some(())
    });

    host.process().terminate();

    assert!(host.process().ended(PATIENCE).success());
    open.ended(PATIENCE).says(84, &["shutting down"]);
}

#[test]
fn a_relay_of_another_deployment_is_named_by_its_issuer() {
    let lab = Lab::new();
    let other = Lab::elsewhere(lab.relay_address);

    let refused = other.client("home").refused("office");

    refused.says(81, &["Tasuki CA of Lab"]);
}

#[test]
fn no_relay_at_all() {
    let lab = Lab::without_relay("");

    let refused = lab.client("home").refused("office");

    refused.says(
        80,
        &["Stopped by: your network", &lab.relay_address.to_string()],
    );
}
