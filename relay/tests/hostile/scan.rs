//! Looking for computers that are there, and taking names that nobody needs.

use protocol::refusal::RefusalCode;
use relay_testkit::{Host, connect, session};
use tasuki_relay::limits;

use crate::attack::{Failures, gained};
use crate::start;
use crate::witness::Witness;

/// A scanner learns no more than the rate allows; people who know what they call are served, from
/// the same address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scanner_goes_blind_and_callers_at_its_address_do_not() {
    let (_site, relay) = start("");
    let witness = Witness::start(&relay);
    let quiet = witness.watch(std::time::Duration::from_secs(1));
    let place = relay.place().from([127, 0, 4, 1].into());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = place.registered(&host).await;
    let before = relay.metrics();
    let cpu = relay.cpu();

    let (_, at_once) = limits::FAILED_LOOKUPS;
    let lookups = at_once + 100;
    let mut failures = Failures::new(RefusalCode::UnknownId);
    for number in 0..lookups {
        let mut leg = place.leg().await;
        leg.send(connect(&format!("guess-{number}"))).await;
        failures.count(leg.refused().await);
        if number == lookups - 1 || number == at_once / 2 {
            session(&place, &host, &mut link, "pc-1").await;
        }
    }
    let each = (relay.cpu() - cpu) / lookups;
    let busy = witness.phase();
    busy.assert_like(quiet, "a scanner");
    eprintln!("a look-up costs the relay {each:?}");

    failures.assert_within(limits::FAILED_LOOKUPS, gained(&before, &relay.metrics()));
    witness.finish();
}

/// A range of addresses gets its names of a day and not one more; its known hosts and other ranges
/// are not concerned.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_gets_its_names_of_a_day_and_not_one_more() {
    let (_site, relay) = start("[limits]\nclaims_per_range = 6\n");
    let before = relay.metrics();

    let mut links = Vec::new();
    for number in 0..6 {
        // All of 127.0.5.0/24.
        let place = relay
            .place()
            .from([127, 0, 5, u8::try_from(number).unwrap() + 1].into());
        let host = Host::new(number, &format!("name-{number}"));
        links.push(place.registered(&host).await);
    }
    let place = relay.place().from([127, 0, 5, 99].into());
    let mut one_more = place.link(&Host::new(99, "one-more")).await;
    one_more.send(Host::new(99, "one-more").register(1)).await;
    assert_eq!(one_more.refused().await, RefusalCode::ClaimsExhausted);

    let mut known = place.link(&Host::new(0, "name-0")).await;
    known.send(Host::new(0, "name-0").register(2)).await;
    known.registered().await;
    let elsewhere = relay.place().from([127, 0, 6, 1].into());
    elsewhere.registered(&Host::new(99, "one-more")).await;
    let after = relay.metrics();
    let gained = gained(&before, &after);
    assert_eq!(
        gained("tasuki_refused_total{code=\"claims_exhausted\"}"),
        1.0
    );
    assert_eq!(after.get("tasuki_hosts_known"), 7.0);
}
