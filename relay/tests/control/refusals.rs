//! Every refusal of the relay that is not at home in another file, read by the agent although
//! bytes that it had sent ahead lay unread.

use protocol::outer::{Frame, Ping};
use protocol::refusal::{Contact, Refusal, RefusalCode};
use protocol::text::Text;
use protocol::version::Versions;
use tasuki_relay::config::Bar;
use tasuki_relay::control::Settings;

use crate::rig::{Board, Deployment, Host, board, connect, session};

pub(crate) fn contact() -> Contact {
    Contact {
        organisation: Text::lossy("Example Works"),
        department: Text::lossy("Networks"),
        contact: Text::lossy("noc@example.org"),
    }
}

fn bar_loopback(settings: &mut Settings) {
    settings.bars = vec![Bar {
        range: "127.0.0.0/8".parse().unwrap(),
        contact: contact(),
    }];
}

async fn client_refused(board: &Board, frame: impl Into<Frame>) -> Refusal {
    let mut leg = board.leg().await;
    leg.send(frame).await;
    leg.pipeline(&[7; 12_000]).await;
    leg.refusal().await
}

async fn host_refused(board: &Board, host: &Host) -> RefusalCode {
    let mut link = board.link(host).await;
    link.send(host.register(1)).await;
    link.pipeline(&[7; 3_000]).await;
    link.refused().await
}

#[tokio::test]
async fn versions_without_overlap_say_who_must_be_updated() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let cases = [
        (Versions { min: 0, max: 0 }, RefusalCode::AgentTooOld),
        (Versions { min: 2, max: 9 }, RefusalCode::BoardTooOld),
    ];
    for (versions, code) in cases {
        let mut request = connect("pc-1");
        request.versions = versions;
        assert_eq!(client_refused(&board, request).await.code, code);

        let mut link = board.link(&host).await;
        let mut register = host.register(1);
        register.versions = versions;
        link.send(register).await;
        assert_eq!(link.refused().await, code);
    }
}

#[tokio::test]
async fn a_first_frame_of_the_wrong_kind_is_refused() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");

    let as_client = client_refused(&board, Ping { number: 1 }).await;
    assert_eq!(as_client.code, RefusalCode::BadFrame);
    let register = client_refused(&board, host.register(1)).await;
    assert_eq!(
        register.code,
        RefusalCode::BadFrame,
        "Register belongs on a link"
    );
    let mut link = board.link(&host).await;
    link.send(connect("pc-1")).await;
    assert_eq!(
        link.refused().await,
        RefusalCode::BadFrame,
        "Connect belongs on a leg"
    );
}

#[tokio::test]
async fn a_barred_address_is_told_whom_to_ask() {
    let board = board(bar_loopback);
    let host = Host::new(1, "pc-1");

    let client = client_refused(&board, connect("pc-1")).await;
    assert_eq!(
        (client.code, client.contact),
        (RefusalCode::Barred, contact())
    );
    let mut link = board.link(&host).await;
    link.send(host.register(1)).await;
    let refusal = link.refusal().await;
    assert_eq!(
        (refusal.code, refusal.contact),
        (RefusalCode::Barred, contact())
    );
}

#[tokio::test]
async fn unknown_and_offline_are_told_apart() {
    let board = board(|_| ());
    let (link, _) = board.registered(&Host::new(1, "pc-1")).await;
    drop(link);
    crate::rig::until("the end of the link", || board.control.status().links == 0).await;

    assert_eq!(
        client_refused(&board, connect("pc-1")).await.code,
        RefusalCode::Offline
    );
    assert_eq!(
        client_refused(&board, connect("pc-2")).await.code,
        RefusalCode::UnknownId
    );
}

#[tokio::test]
async fn look_ups_in_vain_get_no_answers_after_a_while_but_good_ones_do() {
    let board = board(|settings| settings.failed_lookups = (1, 3));
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;
    for _ in 0..3 {
        let code = client_refused(&board, connect("pc-2")).await.code;
        assert_eq!(code, RefusalCode::UnknownId);
    }
    // More than are forgiven while this test runs.
    let mut last = RefusalCode::UnknownId;
    for _ in 0..20 {
        last = client_refused(&board, connect("pc-2")).await.code;
    }
    assert_eq!(last, RefusalCode::TooManyAttempts);

    let _session = session(&board, &host, &mut link, "pc-1").await;
}

#[tokio::test]
async fn a_board_without_room_for_a_session_says_so() {
    let board = board(|settings| settings.sessions_max = 1);
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;
    let first = session(&board, &host, &mut link, "pc-1").await;

    let refusal = client_refused(&board, connect("pc-1")).await;
    assert_eq!(refusal.code, RefusalCode::BoardFull);
    assert!(refusal.retry_after_s > 0);

    drop(first);
    crate::rig::until("the seat", || board.control.status().sessions == 0).await;
    let _second = session(&board, &host, &mut link, "pc-1").await;
}

#[tokio::test]
async fn a_board_without_room_for_a_waiting_client_says_so() {
    let board = board(|settings| settings.parked_max = 2);
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut client = board.leg().await;
        client.send(connect("pc-1")).await;
        link.invite().await;
        waiting.push(client);
    }

    let refusal = client_refused(&board, connect("pc-1")).await;

    assert_eq!(refusal.code, RefusalCode::BoardFull);
}

#[tokio::test]
async fn a_board_without_room_for_a_host_says_so() {
    let board = board(|settings| settings.links_max = 1);
    let _link = board.registered(&Host::new(1, "pc-1")).await;

    assert_eq!(
        host_refused(&board, &Host::new(2, "pc-2")).await,
        RefusalCode::BoardFull
    );
}

#[tokio::test]
async fn a_host_must_sign_its_epoch() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let mut link = board.link(&host).await;
    let mut register = host.register(1);
    register.epoch = 2;
    link.send(register).await;

    assert_eq!(link.refused().await, RefusalCode::BadFrame);
}

#[tokio::test]
async fn the_registrars_refusals_reach_the_host() {
    let deployment = Deployment::new();
    let board = deployment.board(|_| ());
    let (_link, registered) = board.registered(&Host::new(1, "pc-1")).await;

    assert_eq!(
        host_refused(&board, &Host::new(2, "pc-1")).await,
        RefusalCode::IdTaken
    );
    let wishless = Host {
        wish: None,
        ..Host::new(3, "pc-3")
    };
    assert_eq!(
        host_refused(&board, &wishless).await,
        RefusalCode::WishMissing
    );
    let mut forged = registered.claim.clone();
    forged.claim.host_key = Host::new(4, "pc-4").key().public_key();
    let forger = Host {
        claim: Some(forged),
        ..Host::new(4, "pc-4")
    };
    assert_eq!(
        host_refused(&board, &forger).await,
        RefusalCode::ClaimInvalid
    );
    let foreign = Host {
        claim: Some(registered.claim),
        ..Host::new(5, "pc-5")
    };
    assert_eq!(
        host_refused(&board, &foreign).await,
        RefusalCode::ClaimInvalid
    );
}

#[tokio::test]
async fn a_younger_claim_loses_against_the_older_one() {
    let deployment = Deployment::new();
    let mut owner = Host::new(1, "pc-1");
    {
        let board = deployment.board(|_| ());
        owner.claim = Some(board.registered(&owner).await.1.claim);
    }
    let board = deployment.board(|_| ());
    let mut squatter = Host::new(2, "pc-1");
    squatter.claim = Some(board.registered(&squatter).await.1.claim);
    let _owner = board.registered(&owner).await;

    assert_eq!(
        host_refused(&board, &squatter).await,
        RefusalCode::ClaimSuperseded
    );
}

#[tokio::test]
async fn new_ids_run_out_and_an_unusable_store_gives_none() {
    let deployment = Deployment::new();
    let store = tempfile::tempdir().unwrap();
    let state_dir = store.path().to_owned();
    let board = deployment.board_in(state_dir, Some(store), 1, |_| ());
    let _link = board.registered(&Host::new(1, "pc-1")).await;
    assert_eq!(
        host_refused(&board, &Host::new(2, "pc-2")).await,
        RefusalCode::ClaimsExhausted
    );

    let file = tempfile::NamedTempFile::new().unwrap();
    let board = deployment.board_in(file.path().join("below a file"), None, 100, |_| ());
    let code = host_refused(&board, &Host::new(2, "pc-2")).await;
    assert_eq!(code, RefusalCode::RegistrarUnavailable);
}

/// What each file of this test shows to be received. Nobody adds a code to the relay's part of the
/// protocol without looking here.
#[test]
fn every_refusal_of_the_relay_is_received_somewhere() {
    let here = [
        include_str!("arrivals.rs"),
        include_str!("drain.rs"),
        include_str!("legs.rs"),
        include_str!("links.rs"),
        include_str!("refusals.rs"),
        include_str!("tickets.rs"),
    ]
    .concat();
    for code in RefusalCode::ALL.iter().filter(|code| code.to_u16() < 100) {
        let name = format!("RefusalCode::{code:?}");
        assert!(here.contains(&name), "{name} is not received by any test");
    }
}
