//! Floods of callers for one host: strangers fill their own places, and an owner gets in.

use protocol::outer::{Connect, Decline};
use protocol::refusal::{Refusal, RefusalCode};
use relay_testkit::{Agent, Host, Place, Relay, connect, join, until};
use socket2::SockRef;
use tasuki_relay::limits;

use crate::start;
use crate::witness::Witness;

/// The tag of whoever must get in.
const OWNER: u8 = 200;

/// Callers that hung up while they waited.
const GONE: &str = "tasuki_hung_up_total";

/// A call by somebody who was here before.
fn tagged(host: &Host, id: &str, tag: u8) -> Connect {
    Connect {
        tag: Some(host.tag(tag)),
        ..connect(id)
    }
}

async fn call(place: &Place, request: Connect) -> Agent {
    let mut client = place.leg().await;
    client.send(request).await;
    client
}

/// The host comes for this caller, and both are told so.
async fn meet(place: &Place, host: &Host, link: &mut Agent, mut client: Agent) {
    let name = host.tag(OWNER).id;
    let ticket = loop {
        let invite = link.invite().await;
        if invite.tag.is_some_and(|tag| tag.id == name) {
            break invite.ticket;
        }
    };
    let mut leg = place.dial(protocol::ALPN_LEG, Some(host)).await.unwrap();
    leg.send(join(&ticket)).await;
    let (at_client, at_host) = tokio::join!(client.joined(), leg.joined());
    assert_eq!(at_client.session, at_host.session);
}

async fn parked(relay: &Relay, count: usize) {
    until("callers to wait", || {
        relay.metrics().get("tasuki_legs_parked").to_string() == count.to_string()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_fill_their_places_at_a_host_and_no_others() {
    let (_site, relay) = start("");
    let witness = Witness::start(&relay);
    let place = relay.place().from([127, 0, 8, 1].into());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = place.registered(&host).await;

    let mut strangers = Vec::new();
    for _ in 0..limits::INVITES_UNTAGGED {
        strangers.push(call(&place, connect("pc-1")).await);
    }
    parked(&relay, limits::INVITES_UNTAGGED).await;
    let one_more = call(&place, connect("pc-1")).await;
    assert_eq!(one_more.refused().await, RefusalCode::HostBusy);
    // A tag that the host never gave makes nobody an owner.
    let mut forged = tagged(&Host::new(2, "pc-1"), "pc-1", OWNER);
    let liar = call(&place, forged.clone()).await;
    assert_eq!(liar.refused().await, RefusalCode::HostBusy);
    forged.tag = Some(host.tag(OWNER));
    let owner = call(&place, forged).await;
    meet(&place, &host, &mut link, owner).await;

    // One place for each tag, and so many tags at a time.
    let mut owners = Vec::new();
    for tag in 0..u8::try_from(limits::INVITES_TAGGED).unwrap() {
        owners.push(call(&place, tagged(&host, "pc-1", tag)).await);
        parked(&relay, limits::INVITES_UNTAGGED + owners.len()).await;
        let twice = call(&place, tagged(&host, "pc-1", tag)).await;
        assert_eq!(twice.refused().await, RefusalCode::HostBusy, "tag {tag}");
    }
    let one_more = call(&place, tagged(&host, "pc-1", OWNER)).await;
    assert_eq!(one_more.refused().await, RefusalCode::HostBusy);
    witness.finish();
}

/// A decline frees its place at once; a host that says nothing keeps its callers for their time,
/// and none beyond it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_declines_late_or_never_keeps_nobody_beyond_the_time() {
    let (_site, relay) = start("");
    let witness = Witness::start(&relay);
    let place = relay.place().from([127, 0, 8, 2].into());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = place.registered(&host).await;
    let declined = |ticket| Decline {
        ticket,
        refusal: Refusal::new(RefusalCode::HostBusy),
    };

    let client = call(&place, connect("pc-1")).await;
    let ticket = link.invite().await.ticket;
    link.send(declined(ticket)).await;
    assert_eq!(client.refused().await, RefusalCode::HostBusy);

    let mut strangers = Vec::new();
    let mut tickets = Vec::new();
    for _ in 0..limits::INVITES_UNTAGGED {
        strangers.push(call(&place, connect("pc-1")).await);
        tickets.push(link.invite().await.ticket);
    }
    for client in strangers {
        assert_eq!(client.refused().await, RefusalCode::HostDidNotCome);
    }
    // Too late, and nobody is there to hear it: neither the link nor the next caller suffers.
    for ticket in tickets {
        link.send(declined(ticket)).await;
    }
    assert_eq!(relay.metrics().get("tasuki_legs_parked"), 0.0);
    let owner = call(&place, tagged(&host, "pc-1", OWNER)).await;
    meet(&place, &host, &mut link, owner).await;
    witness.finish();
}

/// Callers that hang up at once while the host is slow to read: what they leave behind in the
/// board's queue for the link must not cost the owner its call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_gets_in_past_hundreds_who_hang_up_at_once() {
    let (_site, relay) = start("");
    let witness = Witness::start(&relay);
    let place = relay.place().from([127, 0, 8, 3].into());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = place.registered(&host).await;
    SockRef::from(link.0.get_ref().0.get_ref())
        .set_recv_buffer_size(1)
        .unwrap();

    // Until one is refused although nobody waits: then the link writes no more.
    let count = |series: &str| relay.metrics().get(series);
    let busy = "tasuki_refused_total{code=\"host_busy\"}";
    let (mut calls, invited) = (0.0, count("tasuki_invited_total"));
    loop {
        let client = call(&place, connect("pc-1")).await;
        until("a caller's fate", || {
            count("tasuki_legs_parked") > 0.0 || count(busy) > 0.0
        })
        .await;
        if count(busy) > 0.0 {
            break;
        }
        drop(client);
        calls += 1.0;
        until("a caller to be gone", || count(GONE) >= calls).await;
        assert!(calls < 5_000.0, "the link never fills");
    }
    eprintln!("{calls} calls fill a link");
    let owner = call(&place, tagged(&host, "pc-1", OWNER)).await;
    parked(&relay, 1).await;
    meet(&place, &host, &mut link, owner).await;
    // The host has not been asked for those who hung up before the link came to them.
    let invited = count("tasuki_invited_total") - invited;
    assert!(invited <= calls, "{invited} invites of {calls} calls");
    witness.finish();
}
