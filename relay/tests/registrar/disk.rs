//! What survives a lost store, a disk that cannot be used, and `kill -9`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use protocol::refusal::RefusalCode;
use tasuki_relay::limits;
use tasuki_relay::registrar::{AdmitRequest, Registrar, Settings};

use crate::rig::{Host, begin, id, node, open};

#[test]
fn a_lost_store_takes_every_known_host_back_and_gives_their_ids_to_nobody() {
    let state = tempfile::tempdir().expect("a directory");
    let registrar = open(state.path());
    let mut hosts: Vec<Host> = (0..100).map(Host::new).collect();
    for (number, host) in hosts.iter_mut().enumerate() {
        host.take(&registrar, &format!("pc-{number}"));
    }
    drop(registrar);
    std::fs::remove_dir_all(state.path()).expect("removes");

    let registrar = open(state.path());
    for host in &hosts {
        let admitted = host.ask(&registrar, None).expect("known by its claim");
        assert_eq!(Some(&admitted.claim), host.claim.as_ref());
    }
    for number in 0..100 {
        let stranger = Host::new(1_000).ask(&registrar, Some(&format!("pc-{number}")));
        assert_eq!(stranger, Err(RefusalCode::IdTaken));
    }
    registrar.tick(begin());
    drop(registrar);
    assert_eq!(open(state.path()).status().known, 100, "recorded anew");
}

#[test]
fn an_owner_who_comes_back_late_gets_its_id_from_the_stranger_who_took_it() {
    let state = tempfile::tempdir().expect("a directory");
    let registrar = open(state.path());
    let mut owner = Host::new(1);
    owner.take(&registrar, "desk");
    drop(registrar);
    std::fs::remove_dir_all(state.path()).expect("removes");

    let registrar = open(state.path());
    let mut stranger = Host::new(2);
    let name = id("desk");
    let taken = registrar.admit(&AdmitRequest {
        host_key: stranger.key,
        claim: None,
        wish: Some(&name),
        from: [198, 51, 100, 1].into(),
        now: begin() + Duration::from_secs(1),
    });
    stranger.claim = Some(taken.expect("nobody else is known").claim);

    let admitted = owner.ask(&registrar, None).expect("the older claim wins");
    assert_eq!(Some(&admitted.claim), owner.claim.as_ref());
    assert_eq!(admitted.superseded, Some(stranger.key));
    assert_eq!(
        stranger.ask(&registrar, None),
        Err(RefusalCode::ClaimSuperseded)
    );
    assert_eq!(registrar.holder(&name), Some(owner.key));
    let afresh = stranger
        .ask(&registrar, Some("laptop"))
        .expect("another name is free");
    assert_eq!(afresh.superseded, None);
    drop(registrar);
    assert_eq!(open(state.path()).holder(&name), Some(owner.key));
}

#[test]
fn without_a_disk_known_hosts_are_admitted_and_new_ones_wait() {
    let state = tempfile::tempdir().expect("a directory");
    let registrar = open(state.path());
    let mut host = Host::new(1);
    host.take(&registrar, "desk");
    drop(registrar);
    let blocked = state.path().join("file/below");
    std::fs::write(state.path().join("file"), "").expect("writes");

    let registrar = open(&blocked);
    let admitted = host.ask(&registrar, None).expect("known by its claim");
    assert_eq!(Some(admitted.claim), host.claim);
    assert_eq!(registrar.holder(&id("desk")), Some(host.key));
    assert_eq!(
        Host::new(2).ask(&registrar, Some("desk")),
        Err(RefusalCode::IdTaken)
    );
    let newcomer = Host::new(3).ask(&registrar, Some("laptop"));
    assert_eq!(newcomer, Err(RefusalCode::RegistrarUnavailable));
    assert_eq!(registrar.holder(&id("laptop")), None);
    assert!(registrar.status().trouble.is_some());

    std::fs::remove_file(state.path().join("file")).expect("removes");
    registrar.tick(begin() + limits::STORE_RETRY);
    assert_eq!(registrar.status().trouble, None);
    assert!(Host::new(3).ask(&registrar, Some("laptop")).is_ok());
    drop(registrar);
    assert_eq!(
        open(&blocked).status().known,
        2,
        "what was in memory only is on the disk now"
    );
}

const CHILDS_STATE: &str = "TASUKI_TEST_STATE";
const CHILDS_ROUND: &str = "TASUKI_TEST_ROUND";

#[test]
fn a_relay_that_is_killed_while_it_writes_loses_no_acknowledged_claim() {
    let state = tempfile::tempdir().expect("a directory");
    let mut acknowledged = Vec::new();
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .args([
                "--exact",
                "disk::gives_out_ids_until_it_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(CHILDS_STATE, state.path())
            .env(CHILDS_ROUND, round.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let patience = 1 + round * 5;
        for _ in 0..patience {
            acknowledged.push(lines.next().expect("goes on").expect("text"));
        }
        child.kill().expect("kills");
        child.wait().expect("ends");
        // What it could still say before the signal came was acknowledged as well.
        acknowledged.extend(lines.map_while(Result::ok));

        let registrar = open(state.path());
        assert_eq!(registrar.status().trouble, None);
        for name in &acknowledged {
            assert!(
                registrar.holder(&id(name)).is_some(),
                "round {round}: {name} is lost"
            );
        }
    }
    let aside = state.path().join("registrar.redb.corrupt");
    assert!(!aside.exists(), "nothing was corrupt");
}

#[test]
#[ignore = "the child of a_relay_that_is_killed_while_it_writes_loses_no_acknowledged_claim"]
fn gives_out_ids_until_it_is_killed() {
    let state = std::env::var_os(CHILDS_STATE).expect("started by the other test");
    let round: u32 = std::env::var(CHILDS_ROUND)
        .expect("set")
        .parse()
        .expect("a number");
    let settings = Settings {
        claims_per_range: u32::MAX,
        not_before: begin(),
    };
    let registrar = Registrar::open(state.as_ref(), &node(7), settings, begin()).expect("opens");
    for number in 0_u32.. {
        let name = format!("pc-{round}-{number}");
        Host::new(round * 1_000_000 + number).take(&registrar, &name);
        writeln!(std::io::stderr(), "{name}").expect("somebody reads");
    }
}
