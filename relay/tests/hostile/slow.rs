//! Connections that begin something and never finish it, in every phase that a connection has.

use std::sync::Arc;
use std::time::Duration;

use protocol::refusal::RefusalCode;
use relay_testkit::{Agent, Host, Place, connect, join, soon, until};
use socket2::SockRef;
use tasuki_relay::limits;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::attack::{Hello, abandon, ended, gained};
use crate::start;
use crate::witness::Witness;

/// Connections of each kind.
const EACH: u32 = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stops_half_way_through_the_handshake_is_ended() {
    let (_site, relay) = start("");
    let witness = Witness::start(&relay);
    let quiet = witness.watch(Duration::from_secs(1));
    let place = relay.place().from([127, 0, 1, 1].into());
    let before = relay.metrics();

    let mut slow = JoinSet::new();
    for _ in 0..EACH {
        slow.spawn(stop_after(place.clone(), 0));
        slow.spawn(stop_after(place.clone(), 3));
        slow.spawn(stop_after(place.clone(), 200));
        slow.spawn(drip(place.clone()));
        slow.spawn(say_no_frame(place.clone(), None));
        slow.spawn(say_no_frame(place.clone(), Some(Host::new(7, "never"))));
        slow.spawn(say_half_a_record(place.clone()));
    }
    let honest = slow_but_within_the_deadline(place.clone());
    let (busy, ()) = tokio::join!(
        tokio::task::spawn_blocking({
            let witness = Arc::new(witness);
            move || (witness.watch(Duration::from_secs(4)), witness)
        }),
        honest
    );
    let (busy, witness) = busy.unwrap();
    soon("the end of them all", slow.join_all()).await;

    busy.assert_like(quiet, "slow handshakes");
    let after = relay.metrics();
    let gained = gained(&before, &after);
    let late = gained("tasuki_handshakes_failed_total{cause=\"deadline\"}");
    assert_eq!(late, f64::from(7 * EACH), "nobody else is counted");
    assert_eq!(gained("tasuki_refused_total{code=\"unknown_id\"}"), 1.0);
    assert_eq!(after.get("tasuki_connections_unproven"), 0.0);
    Arc::into_inner(witness).unwrap().finish();
}

async fn stop_after(place: Place, bytes: usize) {
    let mut socket = place.tcp().await.unwrap();
    let hello = Hello::of_leg(&place).bytes;
    socket.write_all(&hello[..bytes]).await.unwrap();
    ended(&mut socket).await;
}

/// A byte every 50 ms: never silent, never done.
async fn drip(place: Place) {
    let mut socket = place.tcp().await.unwrap();
    for byte in Hello::of_leg(&place).bytes {
        if socket.write_all(&[byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    ended(&mut socket).await;
}

async fn say_no_frame(place: Place, host: Option<Host>) {
    let agent = place.dial(protocol::ALPN_LEG, host.as_ref()).await.unwrap();
    ended(&mut abandon(agent)).await;
}

async fn say_half_a_record(place: Place) {
    let mut agent = place.leg().await;
    // A record of 200 bytes, of which 50 come.
    agent.pipeline(&[23, 3, 3, 0, 200]).await;
    agent.pipeline(&[7; 50]).await;
    ended(&mut abandon(agent)).await;
}

/// A handshake that needs nearly all of its time is as good as any other.
async fn slow_but_within_the_deadline(place: Place) {
    let mut socket = place.tcp().await.unwrap();
    let mut hello = Hello::of_leg(&place);
    let (first, second) = hello.bytes.split_at(100);
    let (first, second) = (first.to_vec(), second.to_vec());
    socket.write_all(&first).await.unwrap();
    sleep(limits::HANDSHAKE_DEADLINE / 2).await;
    socket.write_all(&second).await.unwrap();
    hello.finish(&mut socket).await.unwrap();
    let request = protocol::outer::Frame::from(connect("nobody"));
    std::io::Write::write_all(&mut hello.tls.writer(), &request.encode().unwrap()).unwrap();
    socket.write_all(&hello.records()).await.unwrap();
    ended(&mut socket).await;
}

/// Callers whose host does not come, who flood while they wait, or do not read what they are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_keeps_a_place_without_using_it_loses_it() {
    let (_site, relay) = start("");
    let witness = Witness::start(&relay);
    let quiet = witness.watch(Duration::from_secs(1));
    let place = relay.place().from([127, 0, 1, 2].into());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = place.registered(&host).await;
    let before = relay.metrics();
    let memory = relay.socket_memory();

    // As many as may wait for one host, and one more.
    let mut floods = JoinSet::new();
    let mut tickets = Vec::new();
    for _ in 0..limits::INVITES_UNTAGGED {
        let mut client = place.leg().await;
        client.send(connect("pc-1")).await;
        tickets.push(link.invite().await.ticket);
        floods.spawn(flood(client));
    }
    let mut one_more = place.leg().await;
    one_more.send(connect("pc-1")).await;
    one_more.pipeline(&[7; 8_192]).await;
    assert_eq!(one_more.refused().await, RefusalCode::HostBusy);
    let busy = tokio::task::block_in_place(|| witness.watch(Duration::from_secs(2)));
    let held = relay.socket_memory().saturating_sub(memory);
    let written = soon("the end of the floods", floods.join_all()).await;

    busy.assert_like(quiet, "floods into parked legs");
    let legs = limits::INVITES_UNTAGGED;
    // A link and the witness have buffers as well, but nothing in them.
    let most = u64::try_from(legs * limits::PARKED_LEG_BYTES).unwrap();
    eprintln!("{legs} flooded legs hold {held} bytes, of {written:?} that their kernels took");
    assert!(held <= most, "{held} bytes for {legs} legs");
    let after = relay.metrics();
    let gained = gained(&before, &after);
    let never_came = gained("tasuki_refused_total{code=\"host_did_not_come\"}");
    assert_eq!(never_came, f64::from(u32::try_from(legs).unwrap()));
    assert_eq!(after.get("tasuki_legs_parked"), 0.0);
    let mut late = place.dial(protocol::ALPN_LEG, Some(&host)).await.unwrap();
    late.send(join(&tickets[0])).await;
    assert_eq!(late.refused().await, RefusalCode::TicketLate);
    witness.finish();
}

/// Writes for ever; gives the bytes that went.
async fn flood(client: Agent) -> usize {
    let mut socket = abandon(client);
    SockRef::from(&socket).set_send_buffer_size(4_096).unwrap();
    let mut written = 0;
    while let Ok(Ok(bytes)) = timeout(Duration::from_secs(20), write_some(&mut socket)).await {
        written += bytes;
    }
    written
}

async fn write_some(socket: &mut TcpStream) -> std::io::Result<usize> {
    socket.write(&[7; 1_024]).await
}

/// A refusal costs a bounded time and a bounded number of bytes, however its peer behaves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_peer_that_neither_reads_nor_stops_is_left() {
    let (_site, relay) = start("");
    let place = relay.place().from([127, 0, 1, 3].into());
    let descriptors = relay.descriptors();

    let silent = Mutex::new(Vec::new());
    let mut floods = JoinSet::new();
    for number in 0..2 * EACH {
        let mut client = place.leg().await;
        client.send(connect("nobody")).await;
        if number % 2 == 0 {
            silent.lock().await.push(client);
        } else {
            floods.spawn(flood(client));
        }
    }

    until("all of them to be left", || {
        relay.descriptors() <= descriptors
            && relay.metrics().get("tasuki_connections_unproven") == 0.0
    })
    .await;
    for written in soon("the end of the floods", floods.join_all()).await {
        // What is discarded, and what fits into the buffers of both ends.
        assert!(
            written <= limits::LINGER_BYTES + 256 * 1024,
            "{written} bytes"
        );
    }
}
