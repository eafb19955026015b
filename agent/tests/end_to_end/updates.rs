//! People are told of a newer version: announced by the operator's command, fetched over HTTPS by
//! the real programs, believed by its signature alone.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::harness::{Client, Host, Lab, PATIENCE, Target, Web, wait_for};

const PATH: &str = "/t/tasuki-agents.toml";

/// A deployment whose entry file names a web server.
fn lab() -> (Lab, Web) {
    let lab = Lab::new();
    let web = Web::start();
    fs::write(lab.path("ca.pem"), &web.ca).expect("is written");
    let address = format!("{}/t", web.address);
    let entry = lab.entry().display().to_string();
    lab.tasuki(&["entry", "--out", &entry, "--update", &address]);
    (lab, web)
}

/// What the operator's command makes of a folder with a package of that version.
fn announce(lab: &Lab, version: &str) -> Vec<u8> {
    let [folder, out] = [format!("dist-{version}"), format!("{version}.toml")];
    let [folder, out] = [lab.path(&folder), lab.path(&out)];
    fs::create_dir_all(&folder).expect("a folder");
    let name = format!("tasuki_{version}_amd64.deb");
    fs::write(folder.join(name), "a package").expect("is written");
    let [folder, path] = [&folder, &out].map(|path: &PathBuf| path.display().to_string());
    let note = "--note=By Friday, please.";
    lab.tasuki(&["deployment", "announce", &folder, note, "--out", &path]);
    fs::read(out).expect("is there")
}

/// A home PC that trusts the web server's CA.
fn home(lab: &Lab) -> Client {
    let mut client = lab.client("home");
    client.set("SSL_CERT_FILE", lab.path("ca.pem").display().to_string());
    fs::create_dir_all(client.path("client")).expect("a folder");
    let entry = client.path("client").join("tasuki-entry.toml");
    fs::copy(lab.entry(), entry).expect("copies");
    client
}

fn run(command: &mut Command) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("starts");
    let said = [stdout, stderr].concat();
    (status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_newer_version_is_told_by_both_programs_and_an_older_one_is_not() {
    let (lab, web) = lab();
    let client = home(&lab);
    let update = |arguments: &[&str]| run(client.command("update").args(arguments));

    let (code, said) = update(&[]);
    assert_eq!(code, Some(0), "nothing lies there yet: {said}");
    assert!(said.contains("No newer one"), "{said}");
    web.put(PATH, &announce(&lab, "99.0.0"));
    let (code, said) = update(&[]);
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "Version 99.0.0 is available",
        "By Friday, please.",
        &web.address,
        " 9 tasuki_99.0.0_amd64.deb",
    ] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    let (_, said) = update(&["--japanese"]);
    assert!(
        said.contains("新しいバージョン 99.0.0 があります"),
        "{said}"
    );
    let host = Host::prepare(&lab, "office", Target::echo().address);
    let mut command = host.command("update");
    let (code, said) = run(command.env("SSL_CERT_FILE", lab.path("ca.pem")));
    assert!(code == Some(0) && said.contains("Version 99.0.0"), "{said}");
    web.put(PATH, &announce(&lab, "0.0.1"));
    let (code, said) = update(&[]);
    assert!(code == Some(0) && said.contains("No newer one"), "{said}");
}

#[test]
fn what_is_not_signed_or_not_vouched_for_is_named() {
    let (lab, web) = lab();
    let other = Lab::without_relay("");
    let client = home(&lab);
    web.put(PATH, &announce(&other, "99.0.0"));

    let (code, said) = run(&mut client.command("update"));
    assert_eq!(code, Some(81), "{said}");
    assert!(said.contains("not signed by your deployment"), "{said}");

    web.put(PATH, &announce(&lab, "99.0.0"));
    let (code, said) = run(client.command("update").env_remove("SSL_CERT_FILE"));
    assert_eq!(code, Some(81), "{said}");
    assert!(said.contains("does not trust the certificate"), "{said}");
}

#[test]
fn whoever_connects_is_told_once_a_day_is_asked_and_can_switch_it_off() {
    let (lab, web) = lab();
    web.put(PATH, &announce(&lab, "99.0.0"));
    let host = lab.host("office", Target::echo().address);
    let client = home(&lab);

    client.configure("updates = false\n");
    let open = client.open(&host.id);
    drop(open);
    assert_eq!(web.asked(), [""; 0], "it is switched off");

    client.configure("");
    for _ in 0..2 {
        let open = client.open(&host.id);
        wait_for("the news", PATIENCE, || {
            let said = open.process.complained();
            said.contains("Version 99.0.0 is available").then_some(())
        });
    }
    assert_eq!(web.asked(), [PATH], "the second time it is known");
}
