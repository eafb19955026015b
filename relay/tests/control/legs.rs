//! From a call to a session, and what a waiting client costs others.

use std::time::Duration;

use protocol::outer::{Decline, Frame};
use protocol::refusal::{Refusal, RefusalCode};
use tasuki_relay::limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::rig::{Host, board, connect, join, session, soon, until};

#[tokio::test]
async fn register_connect_join_and_bytes_pass_both_ways() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let (mut link, registered) = board.registered(&host).await;
    assert_eq!(registered.claim.claim.computer_id.as_str(), "pc-1");

    let (mut client, mut leg) = session(&board, &host, &mut link, "pc-1").await;
    client.write_all(b"from the client").await.unwrap();
    leg.write_all(b"from the host").await.unwrap();

    let mut bytes = [0; 15];
    soon("bytes at the host", leg.read_exact(&mut bytes))
        .await
        .unwrap();
    assert_eq!(&bytes, b"from the client");
    soon("bytes at the client", client.read_exact(&mut bytes[..13]))
        .await
        .unwrap();
    assert_eq!(&bytes[..13], b"from the host");

    assert_eq!(board.control.status().sessions, 1);
    drop((client, leg));
    until("the end of the session", || {
        board.control.status().sessions == 0
    })
    .await;
    assert_eq!(board.control.counters().joined(), 1);
}

#[tokio::test]
async fn bytes_that_both_agents_send_ahead_arrive_intact() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;
    let ahead: Vec<u8> = (0..12_000_u32)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();

    let mut client = board.leg().await;
    client.send_ahead(connect("pc-1"), &ahead).await;
    let invite = link.invite().await;
    let mut leg = board.dial(protocol::ALPN_LEG, Some(&host)).await.unwrap();
    leg.send_ahead(join(&invite.ticket), &ahead).await;
    let (_, _) = tokio::join!(client.joined(), leg.joined());

    for agent in [client, leg] {
        let mut socket = agent.into_raw();
        let mut received = vec![0; ahead.len()];
        soon("the other's bytes", socket.read_exact(&mut received))
            .await
            .unwrap();
        assert!(received == ahead);
    }
}

#[tokio::test]
async fn an_invite_tells_where_the_client_comes_from_and_brings_its_tag() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;
    let mut client = board.leg().await;
    let mut request = connect("pc-1");
    request.tag = Some(host.tag(5));
    client.send(request).await;

    let invite = link.invite().await;

    assert_eq!(
        invite.client,
        client.0.get_ref().0.get_ref().local_addr().unwrap()
    );
    assert_eq!(invite.tag.map(|tag| tag.id), Some([5; 8]));
}

#[tokio::test]
async fn a_decline_reaches_the_client_in_the_words_of_the_host() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;
    let mut client = board.leg().await;
    client.send(connect("pc-1")).await;
    client.pipeline(&[7; 3_000]).await;
    let ticket = link.invite().await.ticket;

    let refusal = Refusal::from(RefusalCode::LockedOut)
        .text("one minute")
        .retry_after(Duration::from_secs(60));
    link.send(Decline {
        ticket,
        refusal: refusal.clone(),
    })
    .await;

    assert_eq!(client.refusal().await, refusal);
}

#[tokio::test]
async fn a_host_cannot_speak_with_the_boards_voice() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;
    let mut client = board.leg().await;
    client.send(connect("pc-1")).await;
    let ticket = link.invite().await.ticket;

    link.send(Decline {
        ticket,
        refusal: RefusalCode::Barred.into(),
    })
    .await;

    assert_eq!(client.refused().await, RefusalCode::HostBusy);
}

#[tokio::test]
async fn a_client_that_hangs_up_frees_its_slot_even_with_bytes_sent_ahead() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;
    let mut callers = Vec::new();
    for _ in 0..limits::INVITES_UNTAGGED {
        let mut client = board.leg().await;
        client.send(connect("pc-1")).await;
        client.pipeline(&[7; 3_000]).await;
        link.invite().await;
        callers.push(client);
    }
    let mut one_more = board.leg().await;
    one_more.send(connect("pc-1")).await;
    assert_eq!(one_more.refused().await, RefusalCode::HostBusy);

    drop(callers.pop());
    until("the slot", || {
        board.control.status().parked == limits::INVITES_UNTAGGED - 1
    })
    .await;

    let mut client = board.leg().await;
    client.send(connect("pc-1")).await;
    link.invite().await;
    assert_eq!(board.control.counters().hung_up(), 1);
}

#[tokio::test]
async fn strangers_on_every_slot_do_not_keep_a_returning_client_out() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;
    let mut strangers = Vec::new();
    for _ in 0..limits::INVITES_UNTAGGED {
        let mut stranger = board.leg().await;
        stranger.send(connect("pc-1")).await;
        link.invite().await;
        strangers.push(stranger);
    }
    let mut forger = board.leg().await;
    let mut request = connect("pc-1");
    request.tag = Some(Host::new(2, "pc-2").tag(5));
    forger.send(request).await;
    assert_eq!(
        forger.refused().await,
        RefusalCode::HostBusy,
        "a tag of somebody else"
    );

    let mut owner = board.leg().await;
    let mut request = connect("pc-1");
    request.tag = Some(host.tag(5));
    owner.send(request).await;

    assert_eq!(link.invite().await.tag.map(|tag| tag.id), Some([5; 8]));
}

/// Strangers who own both ends fill every place, with callers whose hosts never come.
#[tokio::test]
async fn a_caller_from_elsewhere_gets_a_place_that_a_pair_of_strangers_holds_for_nothing() {
    let board = board(|settings| {
        settings.parked_max = 8;
        settings.timing.park_untagged = Duration::from_secs(60);
    });
    let mut strangers = Vec::new();
    for number in 0..6 {
        let id = format!("stranger-{number}");
        let (mut link, _) = board.registered(&Host::new(100 + number, &id)).await;
        let mut client = board.leg().await;
        client.send(connect(&id)).await;
        link.invite().await;
        strangers.push((client, link));
    }
    let honest = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&honest).await;

    let elsewhere = board.from([127, 0, 0, 2].into());
    let ticket = soon("a place", async {
        loop {
            let mut client = elsewhere.leg().await;
            client.send(connect("pc-1")).await;
            tokio::select! {
                invite = link.invite() => break (invite, client),
                answer = client.answer() => {
                    assert!(matches!(answer, Some(Frame::Refused(it)) if it.code == RefusalCode::BoardFull));
                }
            }
        }
    });
    let (_invite, _client) = ticket.await;

    let (oldest, _) = strangers.remove(0);
    assert_eq!(oldest.refused().await, RefusalCode::BoardFull);
    assert_eq!(board.control.status().parked, 6);
}

#[tokio::test]
async fn a_client_with_an_old_board_list_gets_the_new_one_before_its_answer() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;
    let newest = board.registrar.board_list();

    for (id, serial, parts) in [("pc-1", 0, 1), ("pc-1", newest.serial, 0), ("pc-2", 0, 1)] {
        let mut client = board.leg().await;
        let mut request = connect(id);
        request.board_list_serial = serial;
        client.send(request).await;
        let mut received = Vec::new();
        if id == "pc-1" {
            let ticket = link.invite().await.ticket;
            link.send(Decline {
                ticket,
                refusal: RefusalCode::NoPassword.into(),
            })
            .await;
        }
        let answer = loop {
            let frame = client.next().await.unwrap();
            let Frame::BoardListPart(part) = frame else {
                break frame;
            };
            received.push(part);
        };

        assert_eq!(received.len(), parts, "{id} with {serial}");
        assert!(
            received
                .iter()
                .all(|part| part.bytes.as_slice() == newest.bytes)
        );
        assert!(matches!(answer, Frame::Refused(_)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_sessions_are_set_up_at_the_same_time() {
    let board = std::sync::Arc::new(board(|settings| {
        settings.timing.park_untagged = Duration::from_secs(30)
    }));
    let hosts: Vec<Host> = (0..100)
        .map(|at| Host::new(at, &format!("pc-{at}")))
        .collect();
    let mut running = tokio::task::JoinSet::new();
    for (number, host) in hosts.into_iter().enumerate() {
        let board = std::sync::Arc::clone(&board);
        running.spawn(async move {
            let id = format!("pc-{number}");
            let (mut link, _) = board.registered(&host).await;
            let (mut clients, mut legs) = (Vec::new(), Vec::new());
            for _ in 0..3 {
                let mut client = board.leg().await;
                client.send_ahead(connect(&id), id.as_bytes()).await;
                clients.push(client);
            }
            // Invites come in any order.
            for _ in 0..3 {
                let invite = link.invite().await;
                let mut leg = board.dial(protocol::ALPN_LEG, Some(&host)).await.unwrap();
                leg.send(join(&invite.ticket)).await;
                leg.joined().await;
                let mut leg = leg.into_raw();
                let mut name = vec![0; id.len()];
                soon("the client's first bytes", leg.read_exact(&mut name))
                    .await
                    .unwrap();
                assert_eq!(name, id.as_bytes());
                legs.push(leg);
            }
            for client in &mut clients {
                client.joined().await;
            }
            (clients, legs)
        });
    }

    let sessions = running.join_all().await;

    assert_eq!(board.control.status().sessions, 300);
    drop(sessions);
    until("the end of all sessions", || {
        board.control.status().sessions == 0
    })
    .await;
}
