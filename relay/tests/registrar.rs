//! The embedded registrar from outside: what survives, who wins, what is refused.

use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::time::{Duration, SystemTime};

use protocol::board_list::SignedBoardList;
use protocol::claim::SignedClaim;
use protocol::file::node::{Lone, NodeFile, PrivateKeyPem};
use protocol::id::{ComputerId, HostKey, PublicKey};
use protocol::refusal::RefusalCode;
use protocol::secret::Secret;
use protocol::sign::SigningKey;
use tasuki_relay::limits;
use tasuki_relay::registrar::{
    AdmitRequest, Admitted, Registrar, RegistrarError, Settings, TransferError,
};

/// When the board of these tests got its certificate.
fn begin() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn node(seed: u8) -> NodeFile {
    let registrar_key = Secret::new([seed; 32]);
    let public = SigningKey::from_seed(&registrar_key)
        .expect("a seed")
        .public_key();
    NodeFile {
        deployment: "test".into(),
        generation: 1,
        name: "alpha".parse().expect("a name"),
        addresses: vec!["192.0.2.1:443".into()],
        certificate: String::new(),
        key: PrivateKeyPem(String::new()),
        registrar: vec![public],
        lone: Some(Lone {
            registrar_key,
            revoked: Vec::new(),
        }),
    }
}

fn open(state: &Path) -> Registrar {
    let settings = Settings {
        claims_per_range: 1_000,
        not_before: begin(),
    };
    Registrar::open(state, &node(7), settings, begin()).expect("opens")
}

/// A host as the registrar sees it.
#[derive(Clone)]
struct Host {
    key: HostKey,
    claim: Option<SignedClaim>,
}

impl Host {
    fn new(number: u32) -> Self {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        Self {
            key: PublicKey(key),
            claim: None,
        }
    }

    fn ask(&self, registrar: &Registrar, wish: Option<&str>) -> Result<Admitted, RefusalCode> {
        self.ask_from(registrar, wish, [192, 0, 2, 1].into())
    }

    fn ask_from(
        &self,
        registrar: &Registrar,
        wish: Option<&str>,
        from: IpAddr,
    ) -> Result<Admitted, RefusalCode> {
        let wish = wish.map(id);
        registrar.admit(&AdmitRequest {
            host_key: self.key,
            claim: self.claim.as_ref(),
            wish: wish.as_ref(),
            from,
            now: begin(),
        })
    }

    /// Takes an ID and keeps the claim.
    fn take(&mut self, registrar: &Registrar, name: &str) {
        let admitted = self.ask(registrar, Some(name)).expect("admitted");
        assert_eq!(admitted.claim.claim.computer_id, id(name));
        self.claim = Some(admitted.claim);
    }
}

fn id(name: &str) -> ComputerId {
    name.parse().expect("a name")
}

fn exported(registrar: &Registrar) -> String {
    let mut export = Vec::new();
    registrar
        .export(&mut export)
        .expect("a vector takes everything");
    String::from_utf8(export).expect("JSON")
}

#[test]
fn a_claim_is_signed_and_stays_with_its_host() {
    let state = tempfile::tempdir().expect("a directory");
    let registrar = open(state.path());
    let mut host = Host::new(1);
    host.take(&registrar, "Desk-1");
    drop(registrar);

    let registrar = open(state.path());
    let claim = host.claim.clone().expect("taken");
    assert!(claim.verify(&node(7).registrar).is_ok());
    assert_eq!(registrar.holder(&id("desk-1")), Some(host.key));
    assert_eq!(
        host.ask(&registrar, None),
        Ok(Admitted {
            claim,
            superseded: None
        })
    );
    assert_eq!(
        Host::new(2).ask(&registrar, Some("desk-1")),
        Err(RefusalCode::IdTaken)
    );
    assert_eq!(registrar.status().known, 1);
    assert_eq!(registrar.status().trouble, None);
}

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
fn a_claim_needs_the_registrars_signature_and_its_own_host() {
    let state = tempfile::tempdir().expect("a directory");
    let registrar = open(state.path());
    let mut host = Host::new(1);
    host.take(&registrar, "desk");

    let thief = Host {
        key: Host::new(2).key,
        claim: host.claim.clone(),
    };
    assert_eq!(thief.ask(&registrar, None), Err(RefusalCode::ClaimInvalid));

    let mut forged = host.clone();
    forged.claim.as_mut().expect("taken").claim.serial -= 1;
    assert_eq!(forged.ask(&registrar, None), Err(RefusalCode::ClaimInvalid));

    let elsewhere = tempfile::tempdir().expect("a directory");
    let settings = Settings {
        claims_per_range: 1,
        not_before: begin(),
    };
    let other = Registrar::open(elsewhere.path(), &node(8), settings, begin()).expect("opens");
    assert_eq!(host.ask(&other, None), Err(RefusalCode::ClaimInvalid));
}

#[test]
fn a_key_that_is_being_retired_is_still_trusted() {
    let state = tempfile::tempdir().expect("a directory");
    let old = open(state.path());
    let mut host = Host::new(1);
    host.take(&old, "desk");
    drop(old);
    std::fs::remove_dir_all(state.path()).expect("removes");

    let mut rolling = node(8);
    rolling.registrar.push(node(7).registrar[0]);
    let settings = Settings {
        claims_per_range: 1,
        not_before: begin(),
    };
    let registrar = Registrar::open(state.path(), &rolling, settings, begin()).expect("opens");

    assert!(host.ask(&registrar, None).is_ok());
}

#[test]
fn a_rename_is_a_claim_and_a_wish() {
    let state = tempfile::tempdir().expect("a directory");
    let registrar = open(state.path());
    let mut host = Host::new(1);
    host.take(&registrar, "desk");
    let before = host.clone();

    host.take(&registrar, "tower");

    assert_eq!(registrar.holder(&id("desk")), None);
    assert_eq!(registrar.holder(&id("tower")), Some(host.key));
    assert_eq!(
        Host::new(2).ask(&registrar, Some("desk")),
        Err(RefusalCode::IdTaken)
    );
    let told = before.ask(&registrar, None).expect("known").claim;
    assert_eq!(
        Some(told),
        host.claim,
        "who missed the answer learns the new name"
    );
    drop(registrar);

    let registrar = open(state.path());
    assert_eq!(registrar.holder(&id("tower")), Some(host.key));
    assert_eq!(
        Host::new(2).ask(&registrar, Some("desk")),
        Err(RefusalCode::IdTaken),
        "rests"
    );
    host.take(&registrar, "desk");
}

#[test]
fn new_ids_are_limited_by_range_of_addresses() {
    let state = tempfile::tempdir().expect("a directory");
    let settings = Settings {
        claims_per_range: 2,
        not_before: begin(),
    };
    let registrar = Registrar::open(state.path(), &node(7), settings, begin()).expect("opens");
    let ask = |number: u32, from: [u8; 4]| {
        Host::new(number).ask_from(&registrar, Some(&format!("pc-{number}")), from.into())
    };

    assert!(ask(1, [192, 0, 2, 1]).is_ok());
    assert!(ask(2, [192, 0, 2, 2]).is_ok());
    assert_eq!(ask(3, [192, 0, 2, 3]), Err(RefusalCode::ClaimsExhausted));
    assert!(ask(2, [192, 0, 2, 2]).is_ok(), "known hosts do not count");
    assert!(ask(4, [198, 51, 100, 1]).is_ok());
}

#[test]
fn serials_rise_over_a_restart_with_the_clock_set_back() {
    let state = tempfile::tempdir().expect("a directory");
    let mut serials = Vec::new();
    for (number, backwards) in [(1, 0), (2, 1_000), (3, 100_000)] {
        let now = begin() + Duration::from_secs(200_000 - backwards);
        let settings = Settings {
            claims_per_range: 9,
            not_before: begin(),
        };
        let registrar = Registrar::open(state.path(), &node(7), settings, now).expect("opens");
        let name = id(&format!("pc-{number}"));
        let admitted = registrar.admit(&AdmitRequest {
            host_key: Host::new(number).key,
            claim: None,
            wish: Some(&name),
            from: [192, 0, 2, 1].into(),
            now,
        });
        serials.push((
            admitted.expect("admitted").claim.claim.serial,
            registrar.board_list().serial,
        ));
    }

    assert!(
        serials
            .windows(2)
            .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1),
        "{serials:?}"
    );
}

#[test]
fn one_of_many_gets_an_id() {
    let state = tempfile::tempdir().expect("a directory");
    let registrar = open(state.path());
    let start = Barrier::new(8);

    let results: Vec<_> = std::thread::scope(|scope| {
        let tasks: Vec<_> = (0..8)
            .map(|number| {
                let (registrar, start) = (&registrar, &start);
                scope.spawn(move || {
                    start.wait();
                    Host::new(number).ask(registrar, Some("desk"))
                })
            })
            .collect();
        tasks
            .into_iter()
            .map(|task| task.join().expect("no panic"))
            .collect()
    });

    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let refused = results
        .iter()
        .filter(|result| **result == Err(RefusalCode::IdTaken))
        .count();
    assert_eq!(refused, 7);
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

#[test]
fn an_export_restores_everything_into_an_empty_store() {
    let (from, to) = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    let registrar = open(from.path());
    let mut hosts: Vec<Host> = (0..5).map(Host::new).collect();
    for (number, host) in hosts.iter_mut().enumerate() {
        host.take(&registrar, &format!("pc-{number}"));
    }
    hosts[0].take(&registrar, "renamed");
    let export = exported(&registrar);

    let restored = open(to.path());
    let result = restored
        .restore(export.as_bytes(), begin())
        .expect("restores");
    assert_eq!((result.claims, result.news), (5, 5));
    let again = restored
        .restore(export.as_bytes(), begin())
        .expect("restores");
    assert_eq!((again.claims, again.news), (5, 0));
    assert_eq!(exported(&restored), export);
    drop(restored);

    let restored = open(to.path());
    assert_eq!(exported(&restored), export);
    for host in &hosts {
        assert_eq!(
            restored.holder(&host.claim.as_ref().expect("taken").claim.computer_id),
            Some(host.key)
        );
    }
}

#[test]
fn a_damaged_export_changes_nothing() {
    let (from, to) = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    let registrar = open(from.path());
    for number in 0..3 {
        Host::new(number).take(&registrar, &format!("pc-{number}"));
    }
    let export = exported(&registrar);
    let restored = open(to.path());
    let restore = |text: &str| restored.restore(text.as_bytes(), begin());

    let lines: Vec<&str> = export.lines().collect();
    assert!(matches!(
        restore(&lines[..3].join("\n")),
        Err(TransferError::CutOff)
    ));
    let without_the_second = [lines[0], lines[2], lines[3]].join("\n");
    assert!(matches!(
        restore(&without_the_second),
        Err(TransferError::CutOff)
    ));
    assert!(matches!(
        restore(&export.replace("pc-1", "pc-9")),
        Err(TransferError::Forged(2))
    ));
    assert!(matches!(
        restore(&format!("{}\nhello\n", lines[0])),
        Err(TransferError::Line(2))
    ));
    assert!(matches!(
        restore(&"x".repeat(5_000)),
        Err(TransferError::Line(1))
    ));
    assert_eq!(restored.status().known, 0);
}

#[test]
fn the_board_list_names_this_board_and_is_renewed_in_time() {
    let state = tempfile::tempdir().expect("a directory");
    let registrar = open(state.path());
    let read = |registrar: &Registrar| {
        let list = registrar.board_list();
        let signed = SignedBoardList::from_bytes(&list.bytes).expect("decodes");
        let verified = signed
            .verify(&node(7).registrar)
            .expect("is signed")
            .clone();
        assert_eq!(verified.serial, list.serial);
        verified
    };

    let first = read(&registrar);
    let board = &first.boards[0];
    assert_eq!(
        (board.name.as_str(), board.addresses[0].as_str()),
        ("alpha", "192.0.2.1:443")
    );
    assert!(!board.draining);
    assert_eq!(first.expires - first.issued, 24 * 3_600);

    registrar.tick(begin() + limits::BOARD_LIST_RENEWAL - Duration::from_secs(1));
    assert_eq!(read(&registrar), first);
    registrar.tick(begin() + limits::BOARD_LIST_RENEWAL);
    let second = read(&registrar);
    assert!(second.serial > first.serial && second.issued > first.issued);

    registrar.set_draining(true, begin() + limits::BOARD_LIST_RENEWAL);
    let third = read(&registrar);
    assert!(third.serial > second.serial && third.boards[0].draining);

    registrar.tick(begin() + limits::BOARD_LIST_RENEWAL);
    drop(registrar);
    assert!(
        read(&open(state.path())).serial > third.serial,
        "even with the clock set back"
    );
}

#[test]
fn a_fleets_board_and_a_second_relay_are_refused() {
    let state = tempfile::tempdir().expect("a directory");
    let settings = Settings {
        claims_per_range: 1,
        not_before: begin(),
    };
    let fleet = NodeFile {
        lone: None,
        ..node(7)
    };
    let refused = Registrar::open(state.path(), &fleet, settings, begin());
    assert!(matches!(refused, Err(RegistrarError::NotLone)));

    let _first = open(state.path());
    let second = Registrar::open(state.path(), &node(7), settings, begin());
    assert!(matches!(second, Err(RegistrarError::InUse(_))));
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
                "gives_out_ids_until_it_is_killed",
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
