//! Who gets an ID, who keeps it, who is refused.

use std::sync::Barrier;

use protocol::file::node::NodeFile;
use protocol::refusal::RefusalCode;
use tasuki_relay::registrar::{Admitted, Registrar, RegistrarError, Settings};

use crate::rig::{Host, begin, id, node, open};

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
