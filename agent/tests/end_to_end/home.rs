//! What a person at home sees beside refusals: the viewer, messages, the history.

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::path::PathBuf;

use crate::harness::{
    Host, Lab, PASSWORD, PATIENCE, Process, Target, script, wait_for, with_input, works,
};

/// Says through the tunnel what its arguments are, waits to be let go, and ends with code 7.
const VIEWER: &str = r#"#!/bin/bash
for argument in "$@"; do
    case "$argument" in /v:*) address="${argument#/v:}" ;; esac
done
exec 3<>"/dev/tcp/${address%:*}/${address##*:}"
echo "$*" >&3
read -r answer <&3
echo "$answer" > FOLDER/heard
while [ ! -e FOLDER/leave ]; do sleep 0.05; done
exit 7
"#;

#[test]
fn only_the_viewer_may_use_the_address_and_its_exit_code_comes_back() {
    let lab = Lab::new();
    let host = lab.host("office", Target::echo().address);
    let client = lab.client("home");
    client.configure(&format!(
        "viewer = {:?}\nviewer_arguments = [\"/sound\"]\n",
        viewer(&lab)
    ));
    client.put("password", &format!("{PASSWORD}\n"));
    let mut command = client.connect_command(&host.id);
    command
        .args(["--", "/f"])
        .stdin(fs::File::open(client.path("password")).expect("a file"));

    let mut process = Process::start("tasuki-client", &lab.logs(), &mut command);
    let heard = wait_for("the viewer", PATIENCE, || {
        fs::read_to_string(lab.path("heard"))
            .ok()
            .filter(|heard| heard.ends_with('\n'))
    });

    let address = heard.split(' ').find_map(|word| word.strip_prefix("/v:"));
    let address = address.expect("an address").to_owned();
    assert_eq!(heard, format!("/sound /v:{address} /f\n"));
    assert!(address.starts_with("127."), "{address}");
    let mut stranger = TcpStream::connect(&address).expect("the door is there");
    stranger
        .set_read_timeout(Some(PATIENCE))
        .expect("a deadline");
    assert!(matches!(stranger.read(&mut [0; 1]), Ok(0) | Err(_)));
    assert!(
        process.complained().contains("dropped"),
        "{}",
        process.complained()
    );
    fs::write(lab.path("leave"), "").expect("is written");
    assert_eq!(process.ended(PATIENCE).code(), Some(7));
}

fn viewer(lab: &Lab) -> PathBuf {
    let path = lab.path("viewer");
    let folder = lab.path("");
    script(&path, &VIEWER.replace("FOLDER/", &folder.to_string_lossy()));
    path
}

#[test]
fn a_viewer_that_is_not_installed_is_named() {
    let lab = Lab::new();
    let host = lab.host("office", Target::echo().address);
    let client = lab.client("home");
    client.configure("viewer = \"no-such-viewer\"\n");

    let output = with_input(
        &mut client.connect_command(&host.id),
        &format!("{PASSWORD}\n"),
    );

    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("no-such-viewer") && said.contains("--no-launch"),
        "{said}"
    );
}

#[test]
fn the_message_of_the_management_is_shown() {
    let lab = Lab::new();
    let mut host = Host::prepare(&lab, "office", Target::echo().address);
    host.configure("message = \"Lock your screen.\\nNo photographs.\"\n");
    host.run();
    host.wait_until_linked();

    let open = lab.client("home").open(&host.id);

    let said = open.process.complained();
    assert!(
        said.contains("Lock your screen.\nNo photographs."),
        "{said}"
    );
}

#[test]
fn the_history_tells_the_newest_first_and_the_entry_file_is_remembered() {
    let lab = Lab::new();
    let target = Target::echo();
    let (first, second) = (
        lab.host("first", target.address),
        lab.host("second", target.address),
    );
    let mut client = lab.client("home");
    client.open(&first.id);
    client.open(&second.id);
    client.forget_entry();
    works(&client.open(&first.id));

    let history = client.done("history", &[]);

    let ids: Vec<&str> = history
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(ids, ["first", "second"]);
}

#[test]
fn without_any_entry_file_the_program_says_where_to_get_one() {
    let lab = Lab::without_relay("");
    let mut client = lab.client("home");
    client.forget_entry();

    client
        .refused("office")
        .says(64, &["entry file", "--entry FILE"]);
}

#[test]
fn every_command_explains_itself_and_a_slip_is_a_usage_error() {
    let lab = Lab::without_relay("");
    let client = lab.client("home");
    for command in ["connect", "history", "forget-host"] {
        let output = client
            .command(command)
            .arg("--help")
            .output()
            .expect("starts");
        assert!(output.status.success());
        assert!(output.stdout.len() > 100, "{command} says next to nothing");
    }

    let slip = client
        .command("connect")
        .arg("no good")
        .output()
        .expect("starts");

    assert_eq!(slip.status.code(), Some(64));
}
