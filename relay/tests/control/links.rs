//! A host's link: who may have it, who takes it over, and how it ends.

use std::time::{Duration, SystemTime};

use protocol::outer::{Decline, Frame, Ping, Pong};
use protocol::refusal::{Refusal, RefusalCode};
use tasuki_relay::config::Bar;
use tasuki_relay::limits;
use tokio::io::AsyncWriteExt;

use crate::rig::{Agent, Board, Deployment, Host, board, connect, until};

/// Links that have ended, by reason.
fn ended(board: &Board) -> Vec<(&'static str, u64)> {
    let all = board.control.counters().links_ended();
    all.filter(|(_, count)| *count > 0).collect()
}

async fn call(board: &Board, id: &str) -> Agent {
    let mut client = board.leg().await;
    client.send(connect(id)).await;
    client
}

#[tokio::test]
async fn a_ping_is_answered_with_its_number() {
    let board = board(|_| ());
    let (mut link, registered) = board.registered(&Host::new(1, "pc-1")).await;
    assert_eq!(registered.ping_interval_s, 25);

    link.send(Ping { number: 77 }).await;

    assert_eq!(link.next().await, Some(Pong { number: 77 }.into()));
}

#[tokio::test]
async fn a_silent_link_ends_and_its_host_is_offline() {
    let board = board(|settings| settings.ping_interval = Duration::from_millis(50));
    let (mut link, _) = board.registered(&Host::new(1, "pc-1")).await;

    // It is asked once more before it is given up.
    assert!(matches!(link.next().await, Some(Frame::Ping(_))));
    assert_eq!(link.next().await, None);

    until("the end of the link", || board.control.status().links == 0).await;
    until("its count", || ended(&board) == [("silent", 1)]).await;
    assert_eq!(
        call(&board, "pc-1").await.refused().await,
        RefusalCode::Offline
    );
}

/// As one is whose answers the board has not read because it stood still itself.
#[tokio::test]
async fn a_silent_host_that_answers_when_it_is_asked_stays() {
    let board = board(|settings| settings.ping_interval = Duration::from_millis(50));
    let (mut link, _) = board.registered(&Host::new(1, "pc-1")).await;

    for _ in 0..3 {
        let Some(Frame::Ping(Ping { number })) = link.next().await else {
            panic!("expected to be asked");
        };
        link.send(Pong { number }).await;
    }

    assert_eq!(board.control.status().links, 1);
    drop(link);
    until("the end of the link", || ended(&board) == [("closed", 1)]).await;
}

#[tokio::test]
async fn a_host_that_comes_back_replaces_its_older_link() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let (old, _) = board.registered(&host).await;

    let mut new = board.link(&host).await;
    new.send(host.register(2)).await;
    new.registered().await;

    assert_eq!(old.refused().await, RefusalCode::LinkReplaced);
    let _client = call(&board, "pc-1").await;
    new.invite().await;
    let mut late = board.link(&host).await;
    late.send(host.register(1)).await;
    assert_eq!(late.refused().await, RefusalCode::LinkReplaced);
    assert_eq!(
        ended(&board),
        [("replaced", 1)],
        "the late one never was one"
    );
}

#[tokio::test]
async fn a_clone_is_refused_while_the_host_answers() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;

    let mut clone = board.link(&host).await;
    clone.send(host.cloned().register(1)).await;
    let Some(Frame::Ping(Ping { number })) = link.next().await else {
        panic!("expected a probe")
    };
    link.send(Pong { number }).await;

    assert_eq!(clone.refused().await, RefusalCode::Clone);
    let _client = call(&board, "pc-1").await;
    link.invite().await;
}

#[tokio::test]
async fn a_pong_that_answers_another_question_does_not_make_a_clone() {
    let board = board(|settings| settings.timing.probe = Duration::from_millis(200));
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;

    let mut restarted = board.link(&host).await;
    restarted.send(host.cloned().register(1)).await;
    let Some(Frame::Ping(Ping { number })) = link.next().await else {
        panic!("expected a probe")
    };
    link.send(Pong {
        number: number.wrapping_add(1),
    })
    .await;

    restarted.registered().await;
}

#[tokio::test]
async fn a_restarted_host_replaces_a_link_that_does_not_answer() {
    let board = board(|settings| settings.timing.probe = Duration::from_millis(100));
    let host = Host::new(1, "pc-1");
    let (mut dead, _) = board.registered(&host).await;

    let mut restarted = board.link(&host).await;
    restarted.send(host.cloned().register(1)).await;
    restarted.registered().await;

    assert!(matches!(dead.next().await, Some(Frame::Ping(_))));
    assert_eq!(dead.refused().await, RefusalCode::LinkReplaced);
}

#[tokio::test]
async fn a_board_that_lost_its_store_takes_known_hosts_back_and_gives_their_ids_to_nobody() {
    let deployment = Deployment::new();
    let mut host = Host::new(1, "pc-1");
    {
        let board = deployment.board(|_| ());
        let (_link, registered) = board.registered(&host).await;
        host.claim = Some(registered.claim);
    }

    let board = deployment.board(|_| ());
    let (mut link, registered) = board.registered(&host).await;

    assert_eq!(Some(registered.claim), host.claim);
    let mut thief = board.link(&Host::new(2, "pc-1")).await;
    thief.send(Host::new(2, "pc-1").register(1)).await;
    assert_eq!(thief.refused().await, RefusalCode::IdTaken);
    let _client = call(&board, "pc-1").await;
    link.invite().await;
}

#[tokio::test]
async fn an_older_claim_ends_the_link_of_whoever_took_the_id_since() {
    let deployment = Deployment::new();
    let mut owner = Host::new(1, "pc-1");
    {
        let board = deployment.board(|_| ());
        owner.claim = Some(board.registered(&owner).await.1.claim);
    }
    let board = deployment.board(|_| ());
    let (squatter, _) = board.registered(&Host::new(2, "pc-1")).await;

    let (_link, registered) = board.registered(&owner).await;

    assert_eq!(registered.claim.claim.host_key, owner.key().public_key());
    assert_eq!(squatter.refused().await, RefusalCode::ClaimSuperseded);
    until("its count", || ended(&board) == [("superseded", 1)]).await;
}

#[tokio::test]
async fn an_address_that_is_barred_later_loses_its_links_and_sessions() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;
    let _session = crate::rig::session(&board, &host, &mut link, "pc-1").await;

    let contact = crate::refusals::contact();
    let bars = vec![Bar {
        range: "127.0.0.0/8".parse().unwrap(),
        contact: contact.clone(),
    }];
    board.control.bar(bars).await;

    let refusal = link.refusal().await;
    assert_eq!(
        (refusal.code, refusal.contact),
        (RefusalCode::Barred, contact)
    );
    until("the end of the session", || {
        board.control.status().sessions == 0
    })
    .await;
    until("the link's count", || ended(&board) == [("barred", 1)]).await;
}

#[tokio::test]
async fn a_new_board_list_reaches_every_link_in_parts() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let mut link = board.link(&host).await;
    let mut register = host.register(1);
    register.board_list_serial = 0;
    link.send(register).await;
    assert!(matches!(link.next().await, Some(Frame::Registered(_))));
    let first = board.registrar.board_list();
    let Some(Frame::BoardListPart(part)) = link.next().await else {
        panic!("expected a list")
    };
    assert_eq!(
        (part.serial, part.bytes.as_slice()),
        (first.serial, first.bytes.as_slice())
    );

    board.registrar.set_draining(true, SystemTime::now());

    let second = board.registrar.board_list();
    let Some(Frame::BoardListPart(part)) = link.next().await else {
        panic!("expected a list")
    };
    assert_eq!(
        (part.serial, part.bytes.as_slice()),
        (second.serial, second.bytes.as_slice())
    );
    assert!(second.serial > first.serial);
}

#[tokio::test]
async fn a_link_that_floods_or_talks_nonsense_ends() {
    let board = board(|_| ());
    let (mut link, _) = board.registered(&Host::new(1, "pc-1")).await;
    let (_, at_once) = limits::LINK_FRAMES;
    let bytes = Frame::from(Ping { number: 0 }).encode().unwrap();
    for _ in 0..2 * at_once {
        if link.0.write_all(&bytes).await.is_err() || link.0.flush().await.is_err() {
            break;
        }
    }
    until("the end of the flood", || board.control.status().links == 0).await;

    let (mut link, _) = board.registered(&Host::new(2, "pc-2")).await;
    link.send(connect("pc-2")).await;
    assert_eq!(link.refused().await, RefusalCode::BadFrame);
    assert_eq!(ended(&board), [("flood", 1), ("bad_frame", 1)]);
}

/// Strangers must not be able to end a host's link by calling faster than hosts may speak.
#[tokio::test]
async fn a_host_that_declines_every_caller_of_a_storm_keeps_its_link() {
    let board = board(|_| ());
    let (mut link, _) = board.registered(&Host::new(1, "pc-1")).await;
    let (_, at_once) = limits::LINK_FRAMES;

    for _ in 0..3 * at_once {
        let caller = call(&board, "pc-1").await;
        let ticket = link.invite().await.ticket;
        link.send(Decline {
            ticket,
            refusal: Refusal::new(RefusalCode::HostBusy),
        })
        .await;
        assert_eq!(caller.refused().await, RefusalCode::HostBusy);
    }

    assert_eq!(board.control.status().links, 1);
}
