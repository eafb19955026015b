//! Frames on a connection, and the socket behind the last of them.

use std::time::Duration;

use protocol::outer::{BoardListPart, Frame, Joined, Ping, Pong};
use protocol::refusal::{Refusal, RefusalCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::board::{Board, BoardStream, Ca, Certificate, agent, receive, send};
use super::soon;
use crate::outer::{Connection, OuterError, Target};

async fn connected() -> (Connection, BoardStream) {
    let ca = Ca::new("Tasuki CA of test");
    let board = Board::start(&ca, Certificate::of("tokyo-1")).await;
    let agent = agent(&ca, board.address());
    let (connection, accepted) =
        soon(async { tokio::join!(agent.leg(&Target::Entry), board.accept()) }).await;
    (connection.expect("connects"), accepted)
}

const JOINED: Joined = Joined {
    version: 1,
    session: 7,
};

#[tokio::test]
async fn frames_go_both_ways_one_record_each() {
    let (mut connection, mut board) = connected().await;

    for number in 0..3 {
        connection
            .send(&Ping { number }.into())
            .await
            .expect("sends");
    }
    for number in 0..3 {
        assert_eq!(soon(receive(&mut board)).await, Ping { number }.into());
        send(&mut board, Pong { number }).await;
    }

    for number in 0..3 {
        let frame = soon(connection.receive()).await.expect("receives");
        assert_eq!(frame, Pong { number }.into());
    }
}

#[tokio::test]
async fn bytes_behind_joined_come_out_of_the_raw_socket_whole() {
    let (mut connection, mut board) = connected().await;
    let tunnel: Vec<u8> = (0..100_000_u32)
        .map(|number| number.to_le_bytes()[0])
        .collect();
    send(&mut board, JOINED).await;
    let (board, _) = board.into_inner();
    let mut board = board.into_inner();
    // All of it is in the kernel before the agent reads the first record.
    board.write_all(&tunnel[..1000]).await.expect("writes");

    let frame = soon(connection.receive()).await.expect("receives");
    let mut raw = connection.into_raw();
    let rest = async {
        board.write_all(&tunnel[1000..]).await.expect("writes");
        board.shutdown().await.expect("closes");
    };
    let mut received = Vec::new();
    let (read, ()) = soon(async { tokio::join!(raw.read_to_end(&mut received), rest) }).await;

    assert_eq!(frame, JOINED.into());
    read.expect("reads");
    assert!(
        received == tunnel,
        "{} bytes of {}",
        received.len(),
        tunnel.len()
    );
    raw.write_all(b"back").await.expect("the way back is open");
    drop(raw);
    let mut back = Vec::new();
    soon(board.read_to_end(&mut back)).await.expect("reads");
    assert_eq!(back, b"back", "into_raw sends nothing of its own");
}

#[tokio::test]
async fn receive_given_up_in_the_middle_of_a_frame_loses_nothing() {
    let (mut connection, mut board) = connected().await;
    let bytes = Frame::from(Pong { number: 9 }).encode().expect("fits");
    board.write_all(&bytes[..4]).await.expect("writes");
    board.flush().await.expect("writes");

    let waiting = timeout(Duration::from_millis(200), connection.receive()).await;
    assert!(waiting.is_err(), "half a frame is no frame");
    board.write_all(&bytes[4..]).await.expect("writes");
    board.flush().await.expect("writes");

    let frame = soon(connection.receive()).await.expect("receives");
    assert_eq!(frame, Pong { number: 9 }.into());
}

#[tokio::test]
async fn refusal_is_an_error_with_all_its_words() {
    let (mut connection, mut board) = connected().await;
    let refusal = Refusal::new(RefusalCode::Barred).text("closed");
    send(&mut board, Frame::Refused(refusal.clone())).await;

    let error = soon(connection.receive()).await.expect_err("is refused");

    assert!(matches!(error, OuterError::Refused(got) if *got == refusal));
}

#[tokio::test]
async fn close_with_and_without_a_word_is_closed() {
    for polite in [true, false] {
        let (mut connection, mut board) = connected().await;
        if polite {
            board.shutdown().await.expect("says goodbye");
        }
        drop(board);

        let error = soon(connection.receive()).await.expect_err("is closed");

        assert!(
            matches!(error, OuterError::Closed),
            "polite: {polite}, {error:?}"
        );
    }
}

#[tokio::test]
async fn frames_that_cannot_be_read_are_an_error() {
    let unknown_type = [0x7f, 0, 0].as_slice();
    let too_long = [0x09, 0xff, 0xff].as_slice();
    let trailing = [0x09, 0, 5, 0, 0, 0, 1, 1].as_slice();
    for bytes in [unknown_type, too_long, trailing] {
        let (mut connection, mut board) = connected().await;
        board.write_all(bytes).await.expect("writes");
        board.flush().await.expect("writes");

        let error = soon(connection.receive()).await.expect_err("is rubbish");

        assert!(
            matches!(error, OuterError::BadFrame(_)),
            "{bytes:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn bytes_outside_tls_are_an_error() {
    let (mut connection, board) = connected().await;
    let (board, _) = board.into_inner();
    board
        .into_inner()
        .write_all(b"rubbish")
        .await
        .expect("writes");

    let error = soon(connection.receive()).await.expect_err("is rubbish");

    assert!(matches!(error, OuterError::Lost(_)), "{error:?}");
}

#[tokio::test]
async fn board_list_in_disorder_is_an_error() {
    let (mut connection, mut board) = connected().await;
    let part = BoardListPart {
        serial: 1,
        offset: 10,
        total: 20,
        bytes: protocol::codec::Bytes::new(&[0; 10]).expect("fits"),
    };
    send(&mut board, part).await;

    let error = soon(connection.receive())
        .await
        .expect_err("the beginning is missing");

    assert!(matches!(error, OuterError::BoardList(_)), "{error:?}");
}
