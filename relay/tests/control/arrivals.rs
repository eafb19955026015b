//! What comes before the first frame: handshakes, good and bad, and their deadlines.

use std::time::{Duration, Instant};

use protocol::outer::{FRAME_MAX, Ping};
use protocol::refusal::RefusalCode;
use rustls::{HandshakeKind, NamedGroup, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::{Board, Deployment, Host, board, connect, soon, until};

async fn answer_to(board: &Board, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(board.address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // The relay may reset the connection over what it did not read.
    let _ = soon("the end", socket.read_to_end(&mut answer)).await;
    answer
}

fn failures(board: &Board, cause: &str) -> u64 {
    let mut counts = board.control.counters().handshakes_failed();
    counts.find(|(label, _)| *label == cause).unwrap().1
}

#[tokio::test]
async fn the_outer_hop_is_tls_13_with_the_hybrid_key_exchange() {
    let board = board(|_| ());
    let leg = board.leg().await;

    let tls = leg.0.get_ref().1;

    assert_eq!(tls.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    let group = tls.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
}

#[tokio::test]
async fn links_resume_and_legs_do_not() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");

    for (alpn, resumes) in [(protocol::ALPN_LINK, true), (protocol::ALPN_LEG, false)] {
        let config = board.tls_client(alpn, Some(&host));
        let mut first = board
            .dial_with(std::sync::Arc::clone(&config))
            .await
            .unwrap();
        first.send(Ping { number: 0 }).await;
        first.answer().await.unwrap();
        assert_eq!(first.0.get_ref().1.tls13_tickets_received() > 0, resumes);

        let second = board.dial_with(config).await.unwrap();

        let kind = second.0.get_ref().1.handshake_kind();
        assert_eq!(kind == Some(HandshakeKind::Resumed), resumes);
    }
}

#[tokio::test]
async fn a_resumed_link_still_knows_its_host_key() {
    let board = board(|_| ());
    let host = Host::new(1, "pc-1");
    let config = board.tls_client(protocol::ALPN_LINK, Some(&host));
    let mut first = board
        .dial_with(std::sync::Arc::clone(&config))
        .await
        .unwrap();
    first.send(host.register(1)).await;
    first.registered().await;

    let mut second = board.dial_with(config).await.unwrap();
    assert_eq!(
        second.0.get_ref().1.handshake_kind(),
        Some(HandshakeKind::Resumed)
    );
    second.send(host.register(2)).await;

    second.registered().await;
}

#[tokio::test]
async fn what_is_not_tls_is_closed_and_counted() {
    let board = board(|_| ());

    answer_to(&board, b"GET / HTTP/1.1\r\nHost: board\r\n\r\n").await;

    until("the count", || {
        board.control.status().handshakes_failed == 1
    })
    .await;
    let causes = failures(&board, "not_tls") + failures(&board, "too_large");
    assert_eq!(causes, 1);
}

#[tokio::test]
async fn tls_12_is_refused_by_its_alert() {
    let board = board(|_| ());
    let extensions = [
        // signature_algorithms: ed25519
        [0, 13, 0, 4, 0, 2, 8, 7].as_slice(),
        // supported_groups: x25519
        &[0, 10, 0, 4, 0, 2, 0, 29],
        // ALPN
        &[0, 16, 0, 15, 0, 13, 12],
        protocol::ALPN_LEG,
    ]
    .concat();
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    // No session, one cipher suite of TLS 1.2, no compression.
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    hello.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    hello.extend(extensions);
    let length = u8::try_from(hello.len()).unwrap();
    let record = [
        &[22, 3, 1, 0, length + 4, 1, 0, 0, length],
        hello.as_slice(),
    ]
    .concat();

    let answer = answer_to(&board, &record).await;

    // A fatal alert, protocol_version (RFC 8446, section 6).
    assert_eq!(answer.get(5..), Some([2, 70].as_slice()), "{answer:?}");
    assert_eq!(failures(&board, "old_tls"), 1);
}

#[tokio::test]
async fn other_protocols_behind_tls_are_refused() {
    let board = board(|_| ());

    assert!(board.dial(b"h2", None).await.is_err());

    until("the count", || failures(&board, "wrong_purpose") == 1).await;
}

#[tokio::test]
async fn a_link_without_a_host_key_is_refused() {
    let board = board(|_| ());

    // The client has finished its own part before the board says no.
    if let Ok(mut link) = board.dial(protocol::ALPN_LINK, None).await {
        assert_eq!(link.next().await, None);
    }

    until("the count", || failures(&board, "host_key") == 1).await;
}

#[tokio::test]
async fn a_slow_handshake_is_cut_at_its_deadline() {
    let deadline = Duration::from_millis(300);
    let board = board(|settings| settings.timing.handshake = deadline);
    let began = Instant::now();
    let mut socket = TcpStream::connect(board.address).await.unwrap();

    // A byte now and then keeps nobody waiting longer.
    let dripping = async {
        for byte in [22, 3, 1, 1].into_iter().cycle() {
            if socket.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("the cut", dripping).await;

    assert!(began.elapsed() >= deadline);
    assert_eq!(failures(&board, "deadline"), 1);
    assert_eq!(board.control.status().unproven, 0);
}

#[tokio::test]
async fn an_agent_that_says_nothing_after_its_handshake_is_cut() {
    let board = board(|settings| settings.timing.first_frame = Duration::from_millis(100));
    let mut leg = board.leg().await;

    assert_eq!(leg.next().await, None);

    assert_eq!(failures(&board, "deadline"), 1);
}

#[tokio::test]
async fn a_frame_that_is_too_large_or_is_none_gets_a_refusal() {
    let board = board(|_| ());
    let connect = protocol::outer::Frame::from(connect("pc-1"))
        .encode()
        .unwrap();
    let two_frames = [connect.as_slice(), connect.as_slice()].concat();
    let half = &connect[..connect.len() / 2];

    let cases: [&[u8]; 6] = [
        &[0xff; 3],
        &[0; FRAME_MAX + 1],
        &[7; 1_400],
        &[7; 4_000],
        &two_frames,
        half,
    ];
    for bytes in cases {
        let mut leg = board.leg().await;
        leg.send_bytes(bytes).await;

        assert_eq!(
            leg.refused().await,
            RefusalCode::BadFrame,
            "{} bytes",
            bytes.len()
        );
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_from_the_next_handshake_on() {
    let (before, after) = (Deployment::new(), Deployment::new());
    let mut board = before.board(|_| ());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = board.registered(&host).await;

    board
        .tls
        .renew(&after.node.certificate, &after.node.key)
        .unwrap();
    assert!(
        board.dial(protocol::ALPN_LEG, None).await.is_err(),
        "signed by another CA"
    );
    let other_key = &before.node.key;
    board
        .tls
        .renew(&after.node.certificate, other_key)
        .unwrap_err();

    board.place.roots = std::sync::Arc::clone(&after.roots);
    let _leg = board.leg().await;
    link.send(Ping { number: 1 }).await;
    assert!(
        link.next().await.is_some(),
        "connections that stand are kept"
    );
}

#[tokio::test]
async fn slow_strangers_make_room_for_whoever_comes_after_them() {
    let board = board(|settings| settings.unproven_per_address = 4);
    let mut strangers = Vec::new();
    for _ in 0..4 {
        strangers.push(TcpStream::connect(board.address).await.unwrap());
    }
    until("the strangers", || board.control.status().unproven == 4).await;
    tokio::time::sleep(2 * tasuki_relay::limits::UNPROVEN_GRACE).await;

    let host = Host::new(1, "pc-1");
    let _link = board.registered(&host).await;

    assert_eq!(board.control.counters().evicted(), 1);
    let mut oldest = strangers.remove(0);
    assert!(matches!(
        soon("the eviction", oldest.read(&mut [0])).await,
        Ok(0) | Err(_)
    ));
}
