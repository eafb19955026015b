//! TCP urgent data, which no agent sends, in every phase of a connection.

use relay_testkit::{Host, connect, join, session, soon, until};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::attack::{Hello, abandon, ended};
use crate::start;
use crate::witness::Witness;

const ENDED: &str = "tasuki_sessions_ended_total{reason=\"urgent_data\"}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn urgent_data_harms_only_the_connection_that_carries_it() {
    let (_site, relay) = start("");
    let witness = Witness::start(&relay);
    let place = relay.place().from([127, 0, 7, 1].into());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = place.registered(&host).await;

    // Before TLS, and in the middle of it: the kernel takes one such byte out of the stream, and
    // leaves all but the last of several in; TLS goes on or ends.
    let mut socket = place.tcp().await.unwrap();
    let mut hello = Hello::of_leg(&place);
    let bytes = hello.bytes.clone();
    SockRef::from(&socket).send_out_of_band(b"!").unwrap();
    socket.write_all(&bytes[..100]).await.unwrap();
    SockRef::from(&socket).send_out_of_band(b"!").unwrap();
    socket.write_all(&bytes[100..]).await.unwrap();
    if hello.finish(&mut socket).await.is_ok() {
        SockRef::from(&socket).send_out_of_band(b"!").unwrap();
    }
    drop(socket);

    // On a link, and by a leg that is refused.
    SockRef::from(link.0.get_ref().0.get_ref())
        .send_out_of_band(b"!")
        .unwrap();
    let mut refused = place.leg().await;
    refused.send(connect("nobody")).await;
    let mut refused = abandon(refused);
    SockRef::from(&refused).send_out_of_band(b"!").unwrap();
    ended(&mut refused).await;

    // Parked: the byte is passed on like any other, or the session ends for it, but is not stuck.
    let mut client = place.leg().await;
    client.send(connect("pc-1")).await;
    let invite = link.invite().await;
    SockRef::from(client.0.get_ref().0.get_ref())
        .send_out_of_band(b"!")
        .unwrap();
    let mut leg = place.dial(protocol::ALPN_LEG, Some(&host)).await.unwrap();
    leg.send(join(&invite.ticket)).await;
    leg.joined().await;
    let mut leg = leg.into_raw();
    let passed_on = soon("the byte or the end", leg.read(&mut [0; 2])).await;
    assert!(passed_on.is_err() || passed_on.unwrap() <= 1);
    drop((client, leg));
    until("the end of that session", || {
        relay.metrics().get("tasuki_sessions") == 4.0
    })
    .await;

    // Joined, from either side.
    let before = relay.metrics().get(ENDED);
    for side in 0..2 {
        let (mut client, mut at_host) = session(&place, &host, &mut link, "pc-1").await;
        // A byte that overtakes the join is passed on like the one above.
        client.write_all(b"ping").await.unwrap();
        soon("a ping", at_host.read_exact(&mut [0; 4]))
            .await
            .unwrap();
        let sender = [&client, &at_host][side];
        SockRef::from(sender).send_out_of_band(b"!").unwrap();
        let expected = f64::from(u8::try_from(side).unwrap()) + 1.0;
        until("the end of a session", || {
            relay.metrics().get(ENDED) - before == expected
        })
        .await;
    }
    witness.finish();
}
