//! A ticket brings one host to one client, once, in time.

use std::time::Duration;

use protocol::refusal::RefusalCode;
use protocol::secret::Ticket;

use crate::rig::{Agent, Board, Host, board, connect, join};

async fn host_leg(board: &Board, host: &Host, ticket: &Ticket) -> Agent {
    let mut leg = board.dial(protocol::ALPN_LEG, Some(host)).await.unwrap();
    leg.send(join(ticket)).await;
    leg.pipeline(&[7; 3_000]).await;
    leg
}

#[tokio::test]
async fn a_ticket_works_once() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;
    let mut client = board.leg().await;
    client.send(connect("pc-1")).await;
    let ticket = link.invite().await.ticket;

    let mut first = host_leg(&board, &host, &ticket).await;
    first.joined().await;
    client.joined().await;

    let second = host_leg(&board, &host, &ticket).await;
    assert_eq!(second.refused().await, RefusalCode::TicketUsed);
}

#[tokio::test]
async fn a_ticket_is_of_no_use_to_another_host_and_stays_good_for_its_own() {
    let board = board(|_| ());
    let (host, thief) = (Host::new(1, "pc-1"), Host::new(2, "pc-2"));
    let (mut link, _) = board.registered(&host).await;
    let mut client = board.leg().await;
    client.send(connect("pc-1")).await;
    let ticket = link.invite().await.ticket;

    let stolen = host_leg(&board, &thief, &ticket).await;
    assert_eq!(stolen.refused().await, RefusalCode::TicketForeign);
    let mut keyless = board.leg().await;
    keyless.send(join(&ticket)).await;
    assert_eq!(keyless.refused().await, RefusalCode::HostKeyMissing);

    host_leg(&board, &host, &ticket).await.joined().await;
    client.joined().await;
}

#[tokio::test]
async fn a_ticket_that_comes_after_its_time_is_late() {
    let board = board(|settings| settings.timing.park_untagged = Duration::from_millis(100));
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;
    let mut client = board.leg().await;
    client.send(connect("pc-1")).await;
    client.pipeline(&[7; 3_000]).await;
    let ticket = link.invite().await.ticket;
    assert_eq!(client.refused().await, RefusalCode::HostDidNotCome);

    let leg = host_leg(&board, &host, &ticket).await;

    assert_eq!(leg.refused().await, RefusalCode::TicketLate);
}

#[tokio::test]
async fn a_guessed_ticket_is_unknown() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");

    let leg = host_leg(&board, &host, &Ticket::new([9; 16])).await;

    assert_eq!(leg.refused().await, RefusalCode::TicketUnknown);
}
