//! Emptying a board, and stopping it.

use std::time::Duration;

use protocol::outer::{Frame, Move};
use protocol::refusal::RefusalCode;
use tasuki_relay::data::EndReason;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::rig::{Host, board, connect, session, soon, until};

#[tokio::test]
async fn a_draining_board_keeps_its_sessions_and_takes_nobody_new() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;
    let (mut client, mut leg) = session(&board, &host, &mut link, "pc-1").await;

    board.control.drain(Duration::from_secs(3_600));

    let Some(Frame::Move(Move { boards, deadline_s })) = link.answer().await else {
        panic!("expected Move");
    };
    assert!(
        boards.is_empty() && (3_590..=3_600).contains(&deadline_s),
        "{deadline_s}"
    );
    let mut late = board.leg().await;
    late.send(connect("pc-1")).await;
    late.pipeline(&[7; 3_000]).await;
    let refusal = late.refusal().await;
    assert_eq!(refusal.code, RefusalCode::Draining);
    assert!(
        (3_590..=3_600).contains(&refusal.retry_after_s),
        "{refusal:?}"
    );
    let newcomer = Host::new(2, "pc-2");
    let mut late = board.link(&newcomer).await;
    late.send(newcomer.register(1)).await;
    assert_eq!(late.refused().await, RefusalCode::Draining);

    client.write_all(b"still here").await.unwrap();
    let mut bytes = [0; 10];
    soon("bytes of the session", leg.read_exact(&mut bytes))
        .await
        .unwrap();
    drop((client, leg));
    soon("the end of the drain", board.control.drained()).await;
}

#[tokio::test]
async fn what_is_left_at_the_deadline_is_ended() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;
    let (mut client, _leg) = session(&board, &host, &mut link, "pc-1").await;

    board.control.drain(Duration::from_secs(3_600));
    board.control.drain(Duration::from_millis(100));
    soon("the end of the drain", board.control.drained()).await;

    let ended = soon("the end of the session", client.read(&mut [0])).await;
    assert!(matches!(ended, Ok(0) | Err(_)));
    until("the count", || {
        board.data.stats().ended_for(EndReason::Drained) == 1
    })
    .await;
}

#[tokio::test]
async fn a_stopping_board_says_good_bye_and_leaves_sessions_to_the_data_plane() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;
    let (mut client, mut leg) = session(&board, &host, &mut link, "pc-1").await;

    let farewell = tokio::spawn(link.refused());
    soon("the stop", board.control.shutdown()).await;

    assert_eq!(farewell.await.unwrap(), RefusalCode::Draining);
    assert!(tokio::net::TcpStream::connect(board.address).await.is_err());
    client.write_all(b"still here").await.unwrap();
    let mut bytes = [0; 10];
    soon("bytes of the session", leg.read_exact(&mut bytes))
        .await
        .unwrap();
}
