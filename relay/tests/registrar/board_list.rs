//! The board list, and serials that only rise.

use std::time::Duration;

use protocol::board_list::SignedBoardList;
use tasuki_relay::limits;
use tasuki_relay::registrar::{AdmitRequest, Registrar, Settings};

use crate::rig::{Host, begin, id, node, open};

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
