//! What comes to a public port every day: other protocols, old TLS, and records that are none.

use protocol::outer::{Decline, FRAME_MAX};
use protocol::refusal::{Contact, Refusal, RefusalCode};
use protocol::secret::Ticket;
use protocol::text::Text;
use relay_testkit::{Host, Place, connect, until};
use tasuki_relay::limits;
use tokio::io::AsyncWriteExt;

use crate::attack::{Hello, abandon, ended, gained};
use crate::start;
use crate::witness::Witness;

/// Times that each kind of garbage is sent.
const EACH: u8 = 10;

/// Whatever is no ClientHello of an agent is closed at once, and counted under its cause.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_before_tls_is_counted_by_what_it_is() {
    let (_site, relay) = start("");
    let witness = Witness::start(&relay);
    let place = relay.place().from([127, 0, 2, 1].into());
    let random: Vec<u8> = (0..64_u8).map(|at| at.wrapping_mul(151) | 0x80).collect();

    for (what, bytes, cause) in [
        (
            "HTTP",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            "not_tls",
        ),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), "not_tls"),
        (
            "RDP",
            vec![3, 0, 0, 19, 14, 224, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0],
            "not_tls",
        ),
        ("zeros", vec![0; 64], "not_tls"),
        ("high bytes", random, "not_tls"),
        ("SSL 2", ssl_2_hello(), "not_tls"),
        ("SSL 3", old_hello([3, 0]), "old_tls"),
        ("TLS 1.0", old_hello([3, 1]), "old_tls"),
        ("TLS 1.1", old_hello([3, 2]), "old_tls"),
        ("TLS 1.2", old_hello([3, 3]), "old_tls"),
        ("an alert", vec![21, 3, 3, 0, 2, 2, 48], "alert"),
        (
            "data before the handshake",
            vec![23, 3, 3, 0, 2, 1, 2],
            "other",
        ),
        (
            "a hello that is too short",
            vec![22, 3, 1, 0, 5, 1, 0, 0, 1, 3],
            "not_tls",
        ),
        (
            "an empty record",
            vec![22, 3, 1, 0, 0, 22, 3, 1, 0, 0],
            "not_tls",
        ),
        (
            "a record one too long",
            long_record(limits::HANDSHAKE_RECORD_MAX + 1),
            "too_large",
        ),
    ] {
        let before = relay.metrics();
        for _ in 0..EACH {
            let mut socket = place.tcp().await.unwrap();
            // The board may close in the middle of it.
            let _ = socket.write_all(&bytes).await;
            let _ = socket.shutdown().await;
            ended(&mut socket).await;
        }
        let series = format!("tasuki_handshakes_failed_total{{cause=\"{cause}\"}}");
        until(what, || {
            gained(&before, &relay.metrics())(&series) >= f64::from(EACH)
        })
        .await;
    }
    witness.finish();
}

/// The same words in a TLS of another year: `version` is the highest that the client speaks.
fn old_hello(version: [u8; 2]) -> Vec<u8> {
    let mut hello = vec![1, 0, 0, 41];
    hello.extend(version);
    hello.extend([7; 32]);
    // No session, one cipher suite, no compression, no extensions.
    hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    hello[3] = u8::try_from(hello.len() - 4).unwrap();
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, version[1].min(1), 0, length];
    record.extend(hello);
    record
}

fn ssl_2_hello() -> Vec<u8> {
    let mut hello = vec![0x80, 25, 1, 0, 2, 0, 0, 0, 0, 0, 16];
    hello.extend([7; 16]);
    hello
}

fn long_record(length: usize) -> Vec<u8> {
    let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
    let mut record = vec![22, 3, 1, high, low];
    record.resize(5 + length, 0);
    record
}

/// The longest ClientHello that is taken is taken, and one byte more is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_hello_fits_and_one_byte_more_does_not() {
    let (_site, relay) = start("");
    let place = relay.place().from([127, 0, 2, 2].into());

    let mut socket = place.tcp().await.unwrap();
    let mut longest = hello_of(&place, limits::HANDSHAKE_RECORD_MAX);
    socket.write_all(&longest.bytes).await.unwrap();
    longest.finish(&mut socket).await.unwrap();
    assert!(!longest.tls.is_handshaking());

    let mut socket = place.tcp().await.unwrap();
    let too_long = hello_of(&place, limits::HANDSHAKE_RECORD_MAX + 1);
    socket.write_all(&too_long.bytes).await.unwrap();
    ended(&mut socket).await;
    until("its metric", || {
        let series = "tasuki_handshakes_failed_total{cause=\"too_large\"}";
        relay.metrics().get(series) == 1.0
    })
    .await;
}

/// A ClientHello whose record is so long; names of protocols that nobody speaks fill it up.
fn hello_of(place: &Place, length: usize) -> Hello {
    let with = |fill: usize| {
        let mut config = place.tls_client(protocol::ALPN_LEG, None);
        let names = &mut std::sync::Arc::make_mut(&mut config).alpn_protocols;
        let mut rest = fill;
        while rest > 0 {
            // Each name takes a byte for its length.
            let name = rest.min(256) - 1;
            names.push(vec![b'x'; name.max(1)]);
            rest -= rest.min(256);
        }
        Hello::new(config)
    };
    let base = with(0).bytes.len() - 5;
    let mut fill = length - base;
    loop {
        // rustls adds extensions in any order, and their number does not vary.
        let hello = with(fill);
        let got = hello.bytes.len() - 5;
        if got == length {
            return hello;
        }
        fill = fill + length - got;
    }
}

/// Inside TLS: frames that are none, at the size that is allowed and beyond it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_are_none_are_refused_as_such() {
    let (_site, relay) = start("");
    let witness = Witness::start(&relay);
    let place = relay.place().from([127, 0, 2, 3].into());
    let before = relay.metrics();
    let bad: Vec<Vec<u8>> = vec![
        vec![0],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; FRAME_MAX],
        vec![0xff; FRAME_MAX + 1],
        // The longest record, and one byte more: content type and tag come on top.
        vec![1; limits::FRAME_RECORD_MAX - 17],
        vec![1; limits::FRAME_RECORD_MAX - 16],
        vec![1; 16_000],
    ];

    let mut violations = 0;
    for bytes in &bad {
        let mut leg = place.leg().await;
        leg.send_bytes(bytes).await;
        ended(&mut abandon(leg)).await;
        let host = Host::new(1, "pc-1");
        let (mut link, _) = place.registered(&host).await;
        link.send_bytes(bytes).await;
        assert_eq!(link.refused().await, RefusalCode::BadFrame);
        violations += 2;
    }
    // Not TLS any more, where a record should begin.
    let mut leg = place.leg().await;
    leg.pipeline(b"GET / HTTP/1.1\r\n\r\n").await;
    ended(&mut abandon(leg)).await;
    violations += 1;

    // A record that comes together with the end of the handshake may still count as part of it.
    until("each to be counted once", || {
        let after = relay.metrics();
        let gained = gained(&before, &after);
        let causes = ["too_large", "not_tls"].map(|cause| {
            gained(&format!(
                "tasuki_handshakes_failed_total{{cause=\"{cause}\"}}"
            ))
        });
        let refused = gained("tasuki_refused_total{code=\"bad_frame\"}");
        refused + causes.iter().sum::<f64>() == f64::from(violations)
    })
    .await;
    witness.finish();
}

/// The longest frame that a host has reason to send is no violation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_refusal_of_a_host_reaches_its_caller() {
    let (_site, relay) = start("");
    let place = relay.place().clone();
    let (mut link, _) = place.registered(&Host::new(1, "pc-1")).await;
    let mut client = place.leg().await;
    client.send(connect("pc-1")).await;
    let ticket = link.invite().await.ticket;
    let long = "x".repeat(FRAME_MAX);
    let refusal = Refusal {
        text: Text::lossy(&long),
        contact: Contact {
            organisation: Text::lossy(&long),
            department: Text::lossy(&long),
            contact: Text::lossy(&long),
        },
        ..RefusalCode::LockedOut.into()
    };

    // A ticket of somebody else is passed over.
    let guess = Ticket::new([9; 16]);
    link.send(Decline {
        ticket: guess,
        refusal: refusal.clone(),
    })
    .await;
    link.send(Decline {
        ticket,
        refusal: refusal.clone(),
    })
    .await;

    assert_eq!(client.refusal().await, refusal);
}
