//! Whom a relay runs as.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use relay_testkit::Site;

use crate::site;

/// Runs it, and gives its exit code and what it said.
fn run(site: &Site) -> (Option<i32>, String) {
    let output = site.ask(&["run"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Takes the line away that says whom to become.
fn name_nobody_in(site: &Site) {
    let path = site.path("relay.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, config.replace("user = \"nobody\"", "")).unwrap();
}

#[test]
fn started_as_root_it_becomes_the_user_of_its_configuration() {
    let site = site("");
    if is_root() {
        let relay = site.start();
        assert_eq!(site.status().sandbox.user, "nobody");
        let process = std::fs::read_to_string(format!("/proc/{}/status", relay.pid())).unwrap();
        for ids in ["Uid:", "Gid:", "Groups:"] {
            let line = process.lines().find_map(|line| line.strip_prefix(ids));
            assert!(
                !line.unwrap().split_whitespace().any(|id| id == "0"),
                "{process}"
            );
        }
        let owner = |name| std::fs::metadata(site.path(name)).unwrap().uid();
        assert_ne!((owner("state"), owner("run")), (0, 0));
        drop(relay);

        name_nobody_in(&site);
        let (code, said) = run(&site);
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains("user = \"tasuki-relay\""), "{said}");
    } else {
        site.write_config("user = \"root\"");
        let (code, said) = run(&site);
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains("only root can become root"), "{said}");
    }
}

#[test]
fn what_root_restores_stays_the_relays_own() {
    if !is_root() {
        return;
    }
    let site = site("");
    let relay = site.start();
    let export = site.ask(&["registrar", "export"]).stdout;
    drop(relay);
    std::fs::write(site.path("claims.jsonl"), export).unwrap();
    // systemd says whom to become on a board, not the configuration.
    name_nobody_in(&site);
    let restore = || {
        Command::new(site.program())
            .args(["registrar", "restore", "--config"])
            .arg(site.path("relay.toml"))
            .stdin(File::open(site.path("claims.jsonl")).unwrap())
            .output()
            .unwrap()
    };
    let state = site.path("state");
    let owner = std::fs::metadata(&state).unwrap().uid();
    // What restoring has to make anew.
    for entry in std::fs::read_dir(&state).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }

    let output = restore();

    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let files: Vec<_> = std::fs::read_dir(&state).unwrap().flatten().collect();
    assert!(!files.is_empty());
    for file in files {
        assert_eq!(file.metadata().unwrap().uid(), owner, "{:?}", file.path());
    }
    std::fs::remove_dir_all(&state).unwrap();
    let output = restore();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("start the relay once"), "{said}");
}

#[test]
fn a_user_who_does_not_exist_is_told() {
    let site = site("");
    name_nobody_in(&site);
    let path = site.path("relay.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, format!("user = \"no-such-user\"\n{config}")).unwrap();

    let (code, said) = run(&site);

    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("useradd --system no-such-user"), "{said}");
}

#[test]
fn a_node_file_that_could_not_be_renewed_is_told_at_once() {
    if !is_root() {
        return;
    }
    let site = site("");
    drop(site.start());
    std::os::unix::fs::chown(site.path("node.toml"), Some(0), Some(0)).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(site.path("node.toml"), private).unwrap();

    let (code, said) = run(&site);

    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("nothing new in it could be taken"), "{said}");
}

#[test]
fn without_its_sandbox_it_serves_and_warns() {
    let site = site("sandbox = false");
    let relay = site.start();

    let status = site.status();

    assert!(!status.sandbox.enabled && !status.sandbox.seccomp);
    assert_eq!(status.sandbox.landlock, None);
    assert!(status.warnings[0].starts_with("the sandbox is off"));
    assert!(relay.log().contains("The sandbox is off"));
}
