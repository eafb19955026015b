//! Which boards are believed, and how it is told why not.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::outer::Pong;
use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::board::{Board, Ca, Certificate, agent, entry, options, registrar, send};
use super::board_list::{list, signed};
use super::soon;
use crate::outer::{CertificateRefusal, Connection, Outer, OuterError, Target};
use crate::state::Identity;

/// Offers a board's certificate to an agent that trusts `trusted`.
async fn refusal(trusted: &Ca, signer: &Ca, certificate: Certificate) -> CertificateRefusal {
    let board = Board::start(signer, certificate).await;
    let agent = agent(trusted, board.address());
    let (refused, ()) =
        soon(async { tokio::join!(agent.leg(&Target::Entry), board.accept_in_vain()) }).await;
    let error = refused.expect_err("the board is not believed");
    let OuterError::Certificate { source, .. } = error else {
        panic!("a refusal of the certificate, not {error:?}");
    };
    source
}

/// Answers the first bytes of a connection with `answer`, then closes it.
async fn impostor(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("is bound");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accepts");
        stream
            .read_exact(&mut [0; 5])
            .await
            .expect("hears something");
        stream.write_all(&answer).await.expect("answers");
        stream.shutdown().await.expect("closes");
        // Reading to the end keeps the answer from being thrown away by a reset.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    address
}

async fn failure_with(answer: Vec<u8>) -> OuterError {
    let address = impostor(answer).await;
    let agent = agent(&Ca::new("Tasuki CA of test"), address);
    soon(agent.leg(&Target::Entry))
        .await
        .expect_err("is no board")
}

#[tokio::test]
async fn board_of_the_deployment_is_known_by_its_own_name() {
    let ca = Ca::new("Tasuki CA of test");
    let board = Board::start(&ca, Certificate::of("tokyo-1")).await;
    let agent = agent(&ca, board.address());

    let (connection, accepted) =
        soon(async { tokio::join!(agent.leg(&Target::Entry), board.accept()) }).await;

    assert_eq!(connection.expect("connects").board().as_str(), "tokyo-1");
    let (_, session) = accepted.get_ref();
    assert_eq!(session.alpn_protocol(), Some(protocol::ALPN_LEG));
    assert_eq!(session.server_name(), Some("board.tasuki"));
    assert!(
        session.peer_certificates().is_none(),
        "a client stays nameless"
    );
    let group = session
        .negotiated_key_exchange_group()
        .expect("is agreed")
        .name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
}

#[tokio::test]
async fn host_shows_its_key() {
    let ca = Ca::new("Tasuki CA of test");
    let board = Board::start(&ca, Certificate::of("tokyo-1")).await;
    let identity = Identity::generate().expect("is made");
    let key = identity.public_key();
    let mut options = options();
    options.identity = Some(identity);
    let agent = Outer::new(&entry(&[&ca], &[board.address()]), options).expect("is prepared");

    let (connection, accepted) =
        soon(async { tokio::join!(agent.link(&Target::Entry), board.accept()) }).await;

    connection.expect("connects");
    let (_, session) = accepted.get_ref();
    assert_eq!(session.alpn_protocol(), Some(protocol::ALPN_LINK));
    let shown = session.peer_certificates().expect("is shown");
    let (_, shown) = x509_parser::parse_x509_certificate(&shown[0]).expect("is a certificate");
    assert!(shown.public_key().raw.ends_with(&key.0));
}

/// What became of a connection, and how hands were shaken.
type Greeting = (Result<Connection, OuterError>, Option<HandshakeKind>);

/// Connects, hears one word, and tells how hands were shaken.
fn greeting<'a>(
    board: &'a Board,
    connecting: impl Future<Output = Result<Connection, OuterError>> + 'a,
) -> Pin<Box<dyn Future<Output = Greeting> + 'a>> {
    Box::pin(async move {
        let both = async { tokio::join!(connecting, board.accept()) };
        let (connected, mut accepted) = soon(both).await;
        let kind = accepted.get_ref().1.handshake_kind();
        let heard = match connected {
            Ok(mut connection) => {
                send(&mut accepted, Pong { number: 1 }).await;
                soon(connection.receive()).await.map(|_| connection)
            }
            Err(error) => Err(error),
        };
        (heard, kind)
    })
}

#[tokio::test]
async fn links_are_resumed_and_legs_are_not() {
    let ca = Ca::new("Tasuki CA of test");
    let board = Board::start_with_tickets(&ca, Certificate::of("tokyo-1")).await;
    let agent = agent(&ca, board.address());

    let mut kinds = Vec::new();
    for _ in 0..2 {
        let (link, kind) = greeting(&board, agent.link(&Target::Entry)).await;
        assert_eq!(link.expect("connects").board().as_str(), "tokyo-1");
        kinds.push(kind);
    }
    for _ in 0..2 {
        let (leg, kind) = greeting(&board, agent.leg(&Target::Entry)).await;
        leg.expect("connects");
        kinds.push(kind);
    }

    let (whole, resumed) = (Some(HandshakeKind::Full), Some(HandshakeKind::Resumed));
    assert_eq!(kinds, [whole, resumed, whole, whole]);
}

#[tokio::test]
async fn board_that_was_revoked_since_is_not_resumed() {
    let ca = Ca::new("Tasuki CA of test");
    let board = Board::start_with_tickets(&ca, Certificate::of("tokyo-1")).await;
    let agent = agent(&ca, board.address());
    let (link, _) = greeting(&board, agent.link(&Target::Entry)).await;
    link.expect("connects");
    let list = signed(list(5, &[], &[&[0x9a, 0x01]]), &registrar());
    let accepted = agent.boards().accept(&list, SystemTime::now());
    accepted.expect("is good");

    let (link, kind) = greeting(&board, agent.link(&Target::Entry)).await;

    assert_eq!(kind, Some(HandshakeKind::Resumed));
    let refused = link.expect_err("is revoked");
    assert!(
        matches!(
            refused,
            OuterError::Certificate {
                source: CertificateRefusal::Revoked { .. },
                ..
            }
        ),
        "{refused:?}"
    );
}

#[tokio::test]
async fn either_of_two_cas_is_trusted() {
    let (old, new) = (
        Ca::new("Tasuki CA of test"),
        Ca::new("Tasuki CA of test, 2"),
    );
    for signer in [&old, &new] {
        let board = Board::start(signer, Certificate::of("tokyo-1")).await;
        let entry = entry(&[&old, &new], &[board.address()]);
        let agent = Outer::new(&entry, options()).expect("is prepared");

        let (connection, _) =
            soon(async { tokio::join!(agent.leg(&Target::Entry), board.accept()) }).await;

        connection.expect("connects");
    }
}

#[tokio::test]
async fn foreign_certificate_is_refused_with_a_printable_issuer() {
    let (ours, theirs) = (
        Ca::new("Tasuki CA of test"),
        Ca::new("Inspection\x1b[31m CA"),
    );

    let refusal = refusal(&ours, &theirs, Certificate::of("tokyo-1")).await;

    let issuer = "Inspection[31m CA".to_owned();
    assert_eq!(refusal, CertificateRefusal::Foreign { issuer });
}

#[tokio::test]
async fn foreign_certificate_that_has_expired_is_foreign_first() {
    let (ours, theirs) = (Ca::new("Tasuki CA of test"), Ca::new("Inspection CA"));
    let certificate = Certificate {
        years: (2000, 2001),
        ..Certificate::of("tokyo-1")
    };

    let refusal = refusal(&ours, &theirs, certificate).await;

    assert!(
        matches!(refusal, CertificateRefusal::Foreign { .. }),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn certificate_of_a_ca_that_only_borrows_our_name_is_foreign() {
    let (ours, theirs) = (Ca::new("Tasuki CA of test"), Ca::new("Tasuki CA of test"));

    let refusal = refusal(&ours, &theirs, Certificate::of("tokyo-1")).await;

    assert!(
        matches!(refusal, CertificateRefusal::Foreign { .. }),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn expired_certificate_tells_since_when() {
    let ca = Ca::new("Tasuki CA of test");
    let certificate = Certificate {
        years: (2000, 2001),
        ..Certificate::of("tokyo-1")
    };

    let refusal = refusal(&ca, &ca, certificate).await;

    // 2001-01-01.
    let since = UNIX_EPOCH + Duration::from_secs(978_307_200);
    assert_eq!(refusal, CertificateRefusal::Expired { since });
}

#[tokio::test]
async fn certificate_from_the_future_tells_from_when() {
    let ca = Ca::new("Tasuki CA of test");
    let certificate = Certificate {
        years: (2090, 2091),
        ..Certificate::of("tokyo-1")
    };

    let refusal = refusal(&ca, &ca, certificate).await;

    // 2090-01-01.
    let from = UNIX_EPOCH + Duration::from_secs(3_786_912_000);
    assert_eq!(refusal, CertificateRefusal::NotYetValid { from });
}

#[tokio::test]
async fn certificate_of_ours_for_something_else_is_not_a_board() {
    let ca = Ca::new("Tasuki CA of test");
    for names in [
        vec!["board.tasuki".to_owned()],
        vec!["www.example".to_owned()],
    ] {
        let certificate = Certificate {
            names,
            ..Certificate::of("tokyo-1")
        };

        let refusal = refusal(&ca, &ca, certificate).await;

        assert!(
            matches!(refusal, CertificateRefusal::NotABoard { .. }),
            "{refusal:?}"
        );
    }
}

#[tokio::test]
async fn side_without_tls_13_is_told_by_its_alert_and_by_its_hello() {
    let alert = vec![21, 3, 3, 0, 2, 2, 70];
    // A ServerHello of TLS 1.2 (RFC 5246, 7.4.1.3): no supported_versions in it.
    let mut hello = vec![22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3];
    hello.extend([0x42; 32]);
    hello.extend([0, 0xc0, 0x2f, 0]);

    for answer in [alert, hello] {
        let failure = failure_with(answer).await;

        assert!(matches!(failure, OuterError::OldTls { .. }), "{failure:?}");
    }
}

#[tokio::test]
async fn web_server_is_told_by_its_words() {
    let answer = b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n";

    let failure = failure_with(answer.to_vec()).await;

    assert!(
        matches!(&failure, OuterError::NotTls { beginning, .. } if beginning == "HTTP/"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn connection_cut_in_the_handshake_is_told_as_such() {
    let failure = failure_with(Vec::new()).await;

    assert!(
        matches!(failure, OuterError::HandshakeCut { .. }),
        "{failure:?}"
    );
}

#[tokio::test]
async fn next_address_is_tried_when_one_fails() {
    let ca = Ca::new("Tasuki CA of test");
    let stranger = impostor(b"SSH-2.0-stranger\r\n".to_vec()).await;
    let board = Board::start(&ca, Certificate::of("tokyo-1")).await;
    let entry = entry(&[&ca], &[stranger, board.address()]);
    let agent = Outer::new(&entry, options()).expect("is prepared");

    let (connection, _) =
        soon(async { tokio::join!(agent.leg(&Target::Entry), board.accept()) }).await;

    connection.expect("connects to the second");
}

#[tokio::test]
async fn most_telling_failure_of_all_addresses_is_reported() {
    let ca = Ca::new("Tasuki CA of test");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let nobody = listener.local_addr().expect("is bound");
    drop(listener);
    let stranger = impostor(b"SSH-2.0-stranger\r\n".to_vec()).await;
    let entry = entry(&[&ca], &[nobody, stranger, nobody]);
    let agent = Outer::new(&entry, options()).expect("is prepared");

    let failure = soon(agent.leg(&Target::Entry))
        .await
        .expect_err("no board anywhere");

    assert!(matches!(failure, OuterError::NotTls { .. }), "{failure:?}");
}

#[tokio::test]
async fn broken_entry_file_is_told_before_anything_is_dialled() {
    let ca = Ca::new("Tasuki CA of test");
    let address = "127.0.0.1:443".parse().expect("is an address");
    let mut no_ca = entry(&[&ca], &[address]);
    no_ca.ca = vec!["no PEM".into()];
    let mut no_port = entry(&[&ca], &[address]);
    no_port.addresses = vec!["relay.example".into()];

    for entry in [no_ca, no_port] {
        let failure = Outer::new(&entry, options()).expect_err("is broken");

        assert!(
            matches!(failure, OuterError::EntryUnusable(_)),
            "{failure:?}"
        );
    }
}
