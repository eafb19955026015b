//! Tickets that were used before, that are for another host, or that somebody made up.

use protocol::refusal::RefusalCode;
use protocol::secret::Ticket;
use relay_testkit::{Agent, Host, Place, connect, join, session};
use tasuki_relay::limits;

use crate::attack::{Failures, gained};
use crate::start;
use crate::witness::Witness;

async fn leg_with(place: &Place, host: &Host, ticket: &Ticket) -> Agent {
    let mut leg = place.dial(protocol::ALPN_LEG, Some(host)).await.unwrap();
    leg.send(join(ticket)).await;
    leg
}

/// What a made-up ticket is told.
pub(crate) async fn guess(place: &Place, host: &Host, number: u32) -> RefusalCode {
    let mut bytes = [7; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    leg_with(place, host, &Ticket::new(bytes))
        .await
        .refused()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_is_good_once_and_for_its_own_host() {
    let (_site, relay) = start("");
    let place = relay.place().from([127, 0, 3, 1].into());
    let (owner, thief) = (Host::new(1, "pc-1"), Host::new(2, "pc-2"));
    let (mut link, _) = place.registered(&owner).await;
    let (_other, _) = place.registered(&thief).await;
    let mut client = place.leg().await;
    client.send(connect("pc-1")).await;
    let ticket = link.invite().await.ticket;

    let stolen = leg_with(&place, &thief, &ticket).await;
    assert_eq!(stolen.refused().await, RefusalCode::TicketForeign);
    let mut good = leg_with(&place, &owner, &ticket).await;
    good.joined().await;
    client.joined().await;
    let replayed = leg_with(&place, &owner, &ticket).await;
    assert_eq!(replayed.refused().await, RefusalCode::TicketUsed);

    let metrics = relay.metrics();
    assert_eq!(
        metrics.get("tasuki_refused_total{code=\"ticket_foreign\"}"),
        1.0
    );
    assert_eq!(
        metrics.get("tasuki_refused_total{code=\"ticket_used\"}"),
        1.0
    );
    assert_eq!(
        metrics.get("tasuki_sessions"),
        1.0,
        "the session is not disturbed"
    );
}

/// Whoever guesses gets no answer any more beyond the rate, and a good ticket from the same
/// address is as good as ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_are_told_nothing_beyond_the_rate_and_hurt_nobody() {
    let (_site, relay) = start("");
    let witness = Witness::start(&relay);
    let place = relay.place().from([127, 0, 3, 2].into());
    let (honest, guesser) = (Host::new(1, "pc-1"), Host::new(2, "pc-2"));
    let (mut link, _) = place.registered(&honest).await;
    let before = relay.metrics();

    let mut failures = Failures::new(RefusalCode::TicketUnknown);
    for number in 0..limits::WRONG_TICKETS.1 + 40 {
        failures.count(guess(&place, &guesser, number).await);
    }

    failures.assert_within(limits::WRONG_TICKETS, gained(&before, &relay.metrics()));
    session(&place, &honest, &mut link, "pc-1").await;
    witness.finish();
}

/// A stranger who calls and hangs up makes a host come too late again and again. That is no guess:
/// the tickets were real.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_comes_too_late_is_always_told_so() {
    let (_site, relay) = start("");
    let place = relay.place().from([127, 0, 3, 3].into());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = place.registered(&host).await;
    let mut client = place.leg().await;
    client.send(connect("pc-1")).await;
    let ticket = link.invite().await.ticket;
    drop(client);
    relay_testkit::until("the client to be gone", || {
        relay.metrics().get("tasuki_hung_up_total") == 1.0
    })
    .await;

    for _ in 0..limits::WRONG_TICKETS.1 + 20 {
        let late = leg_with(&place, &host, &ticket).await;
        assert_eq!(late.refused().await, RefusalCode::TicketLate);
    }
}
