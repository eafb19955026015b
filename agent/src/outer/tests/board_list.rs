//! Board lists: put together, believed or not, kept, and held against boards.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::board_list::{BOARD_LIST_MAX, Board as Listed, BoardList, CertificateSerial};
use protocol::codec::Bytes;
use protocol::id::BoardName;
use protocol::outer::{BOARD_LIST_PART_MAX, BoardListPart, Pong};
use protocol::secret::Secret;
use protocol::sign::SigningKey;
use protocol::text::Text;

use super::board::{Board, Ca, Certificate, agent, entry, options, registrar, send};
use super::soon;
use crate::outer::board::{Assembler, BoardListError};
use crate::outer::{Boards, CertificateRefusal, Outer, OuterError, Target};
use crate::state::StateDir;

fn now_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("the clock is set").as_secs()
}

pub(super) fn list(serial: u64, boards: &[(&str, SocketAddr)], revoked: &[&[u8]]) -> BoardList {
    let board = |(name, address): &(&str, SocketAddr)| Listed {
        name: name.parse().expect("is a name"),
        addresses: [Text::lossy(&address.to_string())].into_iter().collect(),
        weight: 1,
        restricted: false,
        draining: false,
    };
    let revoked = revoked
        .iter()
        .map(|serial| CertificateSerial::new(serial).expect("fits"));
    BoardList {
        serial,
        issued: now_s(),
        expires: now_s() + 3600,
        boards: boards.iter().map(board).collect(),
        revoked: revoked.collect(),
    }
}

pub(super) fn signed(list: BoardList, key: &SigningKey) -> Vec<u8> {
    let signed = key.sign_board_list(list).expect("signs");
    signed.to_bytes().expect("fits")
}

fn parts(serial: u64, bytes: &[u8], size: usize) -> Vec<BoardListPart> {
    let number = |value: usize| u32::try_from(value).expect("fits");
    let chunks = bytes.chunks(size).enumerate();
    let part = |(index, chunk): (usize, &[u8])| BoardListPart {
        serial,
        offset: number(index * size),
        total: number(bytes.len()),
        bytes: Bytes::new(chunk).expect("fits"),
    };
    chunks.map(part).collect()
}

fn nowhere() -> SocketAddr {
    "192.0.2.1:443".parse().expect("is an address")
}

fn boards() -> Boards {
    Boards::forgetful(vec![registrar().public_key()])
}

#[test]
fn pieces_in_order_make_a_list_of_the_largest_size_and_not_one_byte_more() {
    for (size, fits) in [
        (1, true),
        (BOARD_LIST_MAX, true),
        (BOARD_LIST_MAX + 1, false),
    ] {
        let bytes = vec![7; size];
        let mut assembler = Assembler::default();

        let mut whole = Ok(None);
        for part in parts(3, &bytes, BOARD_LIST_PART_MAX) {
            whole = assembler.take(&part);
            if whole.is_err() {
                break;
            }
        }

        let expected = if fits {
            Ok(Some(bytes))
        } else {
            Err(BoardListError::TooLarge)
        };
        assert_eq!(whole, expected, "{size} bytes");
    }
}

#[test]
fn pieces_out_of_order_are_refused_and_a_first_piece_begins_anew() {
    let bytes = [1; 30];
    let good = parts(3, &bytes, 10);
    let changed = |change: fn(&mut BoardListPart)| {
        let mut part = good[1].clone();
        change(&mut part);
        part
    };
    let bad = [
        good[2].clone(),
        changed(|part| part.serial = 4),
        changed(|part| part.total = 31),
        changed(|part| part.offset = 9),
        changed(|part| part.bytes = Bytes::default()),
        changed(|part| part.bytes = Bytes::new(&[1; 21]).expect("fits")),
        changed(|part| part.offset = u32::MAX),
    ];
    for part in bad {
        let mut assembler = Assembler::default();
        assembler.take(&good[0]).expect("is a first piece");
        assert_eq!(
            assembler.take(&part),
            Err(BoardListError::Disorder),
            "{part:?}"
        );
    }

    let mut assembler = Assembler::default();
    for part in [&good[0], &good[1], &good[0], &good[1]] {
        assert_eq!(assembler.take(part), Ok(None));
    }
    assert_eq!(assembler.take(&good[2]), Ok(Some(bytes.to_vec())));
}

#[test]
fn only_a_newer_list_of_the_registrar_that_has_not_expired_is_taken() {
    let boards = boards();
    let stranger = SigningKey::from_seed(&Secret::new([6; 32])).expect("is a seed");
    let (key, now) = (registrar(), SystemTime::now());
    let mut expired = list(9, &[], &[]);
    expired.expires = now_s();

    assert_eq!(
        boards.accept(&signed(list(5, &[], &[]), &key), now),
        Ok(true)
    );
    assert_eq!(
        boards.accept(&signed(list(5, &[], &[]), &key), now),
        Ok(false)
    );
    assert_eq!(
        boards.accept(&signed(list(4, &[], &[]), &key), now),
        Ok(false)
    );
    let forged = boards.accept(&signed(list(8, &[], &[]), &stranger), now);
    assert!(matches!(forged, Err(BoardListError::Forged(_))));
    assert_eq!(
        boards.accept(&signed(expired, &key), now),
        Err(BoardListError::Expired)
    );
    let rubbish = boards.accept(b"rubbish", now);
    assert!(matches!(rubbish, Err(BoardListError::Unreadable(_))));

    assert_eq!(boards.serial(), 5);
}

#[test]
fn list_is_kept_for_the_next_start_and_dropped_when_damaged() {
    let root = tempfile::tempdir().expect("temporary folder");
    let state = StateDir::open(Some(root.path())).expect("opens");
    let host = state.host().expect("opens");
    let ca = Ca::new("Tasuki CA of test");
    let entry = entry(&[&ca], &[nowhere()]);
    let bytes = signed(list(5, &[("tokyo-1", nowhere())], &[]), &registrar());

    host.boards(&entry)
        .accept(&bytes, SystemTime::now())
        .expect("is good");
    assert_eq!(host.boards(&entry).serial(), 5);

    let path = root.path().join("host/board-list");
    let text = std::fs::read_to_string(&path).expect("is there");
    std::fs::write(&path, &text[..text.len() / 2]).expect("is damaged");
    assert_eq!(host.boards(&entry).serial(), 0);
}

#[tokio::test]
async fn list_pushed_on_a_leg_is_taken_over_and_never_shown_to_the_caller() {
    let ca = Ca::new("Tasuki CA of test");
    let board = Board::start(&ca, Certificate::of("tokyo-1")).await;
    let agent = agent(&ca, board.address());
    let mut long = list(5, &[("tokyo-1", board.address())], &[]);
    let many =
        (0..300_u16).map(|number| CertificateSerial::new(&number.to_be_bytes()).expect("fits"));
    long.revoked.extend(many);
    let bytes = signed(long, &registrar());
    assert!(bytes.len() > BOARD_LIST_PART_MAX, "one piece proves little");

    let (connection, mut accepted) =
        soon(async { tokio::join!(agent.leg(&Target::Entry), board.accept()) }).await;
    for part in parts(5, &bytes, BOARD_LIST_PART_MAX) {
        send(&mut accepted, part).await;
    }
    send(&mut accepted, Pong { number: 1 }).await;

    let frame = soon(connection.expect("connects").receive())
        .await
        .expect("receives");
    assert_eq!(frame, Pong { number: 1 }.into());
    assert_eq!(agent.boards().serial(), 5);
}

#[tokio::test]
async fn forged_list_is_ignored_and_the_connection_goes_on() {
    let ca = Ca::new("Tasuki CA of test");
    let board = Board::start(&ca, Certificate::of("tokyo-1")).await;
    let agent = agent(&ca, board.address());
    let stranger = SigningKey::from_seed(&Secret::new([6; 32])).expect("is a seed");
    let bytes = signed(list(5, &[], &[]), &stranger);

    let (connection, mut accepted) =
        soon(async { tokio::join!(agent.leg(&Target::Entry), board.accept()) }).await;
    for part in parts(5, &bytes, BOARD_LIST_PART_MAX) {
        send(&mut accepted, part).await;
    }
    send(&mut accepted, Pong { number: 1 }).await;

    let frame = soon(connection.expect("connects").receive())
        .await
        .expect("receives");
    assert_eq!(frame, Pong { number: 1 }.into());
    assert_eq!(agent.boards().serial(), 0);
}

#[tokio::test]
async fn list_that_revokes_the_board_itself_ends_the_connection() {
    let ca = Ca::new("Tasuki CA of test");
    let board = Board::start(&ca, Certificate::of("tokyo-1")).await;
    let agent = agent(&ca, board.address());
    let bytes = signed(
        list(5, &[("tokyo-1", board.address())], &[&[0x9a, 0x01]]),
        &registrar(),
    );

    let (connection, mut accepted) =
        soon(async { tokio::join!(agent.leg(&Target::Entry), board.accept()) }).await;
    for part in parts(5, &bytes, BOARD_LIST_PART_MAX) {
        send(&mut accepted, part).await;
    }

    let error = soon(connection.expect("connects").receive())
        .await
        .expect_err("is revoked");
    let OuterError::Certificate { source, .. } = error else {
        panic!("a refusal of the board, not {error:?}");
    };
    assert!(
        matches!(source, CertificateRefusal::Revoked { .. }),
        "{source:?}"
    );
}

/// What an agent with this list does with board tokyo-1.
async fn outcome(list: BoardList) -> Option<CertificateRefusal> {
    let ca = Ca::new("Tasuki CA of test");
    let board = Board::start(&ca, Certificate::of("tokyo-1")).await;
    let agent = agent(&ca, board.address());
    let long_ago = SystemTime::now() - Duration::from_secs(24 * 3600);
    let bytes = signed(list, &registrar());
    agent
        .boards()
        .accept(&bytes, long_ago)
        .expect("was good then");
    let accepting = tokio::spawn(async move { board.accept_in_vain().await });
    let outcome = soon(agent.leg(&Target::Entry)).await;
    accepting.abort();
    match outcome {
        Ok(_) => None,
        Err(OuterError::Certificate { source, .. }) => Some(source),
        Err(other) => panic!("a refusal of the board, not {other:?}"),
    }
}

#[tokio::test]
async fn revoked_board_and_board_not_listed_are_refused_before_anything_is_said() {
    let name: BoardName = "tokyo-1".parse().expect("is a name");
    let listed = [("tokyo-1", nowhere())];
    let revoked = || CertificateRefusal::Revoked {
        board: name.clone(),
    };

    assert_eq!(outcome(list(5, &listed, &[])).await, None);
    assert_eq!(
        outcome(list(5, &listed, &[&[0x9a, 0x01]])).await,
        Some(revoked())
    );
    let padded = outcome(list(5, &listed, &[&[0, 0x9a, 0x01]])).await;
    assert_eq!(
        padded,
        Some(revoked()),
        "the same number, written as DER does"
    );
    let not_listed = CertificateRefusal::NotListed {
        board: name.clone(),
    };
    assert_eq!(
        outcome(list(5, &[("osaka-1", nowhere())], &[])).await,
        Some(not_listed)
    );
}

#[tokio::test]
async fn expired_list_still_revokes_but_does_not_shut_out_new_boards() {
    let name: BoardName = "tokyo-1".parse().expect("is a name");
    let expired = |revoked: &[&[u8]]| {
        let mut list = list(5, &[("osaka-1", nowhere())], revoked);
        list.expires = now_s() - 60;
        list
    };

    assert_eq!(outcome(expired(&[])).await, None);
    let revoked = CertificateRefusal::Revoked { board: name };
    assert_eq!(outcome(expired(&[&[0x9a, 0x01]])).await, Some(revoked));
}

#[tokio::test]
async fn board_is_reached_by_name_and_must_be_the_one_named() {
    let ca = Ca::new("Tasuki CA of test");
    let board = Board::start(&ca, Certificate::of("tokyo-1")).await;
    let agent = Outer::new(&entry(&[&ca], &[nowhere()]), options()).expect("is prepared");
    let listed = [("tokyo-1", board.address()), ("osaka-1", board.address())];
    let bytes = signed(list(5, &listed, &[]), &registrar());
    agent
        .boards()
        .accept(&bytes, SystemTime::now())
        .expect("is good");
    let target = |name: &str| Target::Board(name.parse().expect("is a name"));

    let right = target("tokyo-1");
    let (connection, _) = soon(async { tokio::join!(agent.leg(&right), board.accept()) }).await;
    connection.expect("connects");

    let wrong = target("osaka-1");
    let (refused, ()) =
        soon(async { tokio::join!(agent.leg(&wrong), board.accept_in_vain()) }).await;
    let error = refused.expect_err("another board answers");
    assert!(matches!(error, OuterError::WrongBoard { .. }), "{error:?}");

    let error = soon(agent.leg(&target("kyoto-1")))
        .await
        .expect_err("is not listed");
    assert!(matches!(error, OuterError::UnknownBoard(_)), "{error:?}");
}
