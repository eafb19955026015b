use std::sync::Arc;
use std::task::Waker;

use protocol::ALPN_LINK;
use protocol::file::node::PrivateKeyPem;
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedCipherSuite};
use rustls_pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio_rustls::{TlsConnector, client};

use super::*;
use crate::tls::{OuterTls, Purpose, handshake};

type Client = client::TlsStream<DuplexStream>;

/// A host's side and a board's, which trust each other.
fn configs(suite: SupportedCipherSuite) -> (Arc<ClientConfig>, OuterTls) {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let params = CertificateParams::new(vec!["board.tasuki".into()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let pem = PrivateKeyPem(key.serialize_pem());
    let tls = OuterTls::new(&certificate.pem(), &pem).unwrap();
    let mut provider = default_provider();
    provider.cipher_suites = vec![suite];
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![ALPN_LINK.to_vec()];
    config.enable_secret_extraction = true;
    (Arc::new(config), tls)
}

/// A host and its board, whose socket takes so many bytes at a time.
async fn pair(suite: SupportedCipherSuite, room: usize) -> (Client, Sealed<DuplexStream>) {
    let (near, far) = duplex(room);
    let (config, tls) = configs(suite);
    let name = ServerName::try_from("board.tasuki").unwrap();
    let client = TlsConnector::from(config).connect(name, near);
    let board = handshake::accept(far, |_| tls.config(Purpose::Link));
    let (client, board) = tokio::join!(client, board);
    let (tls, records) = board.unwrap();
    (client.unwrap(), Sealed::new(*tls, records).unwrap())
}

async fn next(board: &mut Sealed<DuplexStream>) -> io::Result<Option<Content>> {
    poll_fn(|context| board.poll_next(context)).await
}

async fn send(board: &mut Sealed<DuplexStream>, content: &[u8]) {
    board.queue(content).unwrap();
    poll_fn(|context| board.poll_flush(context)).await.unwrap();
}

async fn fault(board: &mut Sealed<DuplexStream>) -> String {
    let error = next(board).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    error.to_string()
}

/// A host's socket and key, without a TLS library that would keep it to the rules.
fn bare(client: Client) -> (DuplexStream, Key) {
    let (socket, tls): (_, ClientConnection) = client.into_inner();
    let secrets = tls.dangerous_extract_secrets().unwrap();
    (socket, Key::new(secrets.tx).unwrap())
}

fn record(key: &mut Key, inner: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(inner.len() + 16).unwrap().to_be_bytes();
    let header = [APPLICATION_DATA, 3, 3, high, low];
    let mut body = inner.to_vec();
    let tag = key.seal(&header, &mut body).unwrap();
    [&header, body.as_slice(), tag.as_ref()].concat()
}

const SUITES: [SupportedCipherSuite; 3] = [
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
];

#[tokio::test]
async fn rustls_and_we_understand_each_other_in_every_suite() {
    for suite in SUITES {
        let (mut client, mut board) = pair(suite, 1 << 16).await;
        for round in 1..5_u8 {
            let frame = vec![round; 200 * usize::from(round)];
            client.write_all(&frame).await.unwrap();
            client.flush().await.unwrap();
            assert_eq!(next(&mut board).await.unwrap().unwrap(), frame[..]);

            send(&mut board, &frame).await;
            let mut read = vec![0; frame.len()];
            client.read_exact(&mut read).await.unwrap();
            assert_eq!(read, frame);
        }

        client.shutdown().await.unwrap();
        assert!(next(&mut board).await.unwrap().is_none());
        board.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }
}

/// The host is done with its handshake before the board, and may go on at once.
#[tokio::test]
async fn a_frame_right_behind_the_handshake_is_left_for_afterwards() {
    for first_part in [3, 12, 27] {
        let (near, far) = duplex(1 << 16);
        let (config, tls) = configs(SUITES[1]);
        let name = ServerName::try_from("board.tasuki").unwrap();
        let (half, halfway) = tokio::sync::oneshot::channel();
        let host = async move {
            let mut client = TlsConnector::from(config)
                .connect(name, near)
                .await
                .unwrap();
            let (socket, tls) = client.get_mut();
            io::Write::write_all(&mut tls.writer(), b"frame").unwrap();
            let mut bytes = Vec::new();
            tls.write_tls(&mut bytes).unwrap();
            socket.write_all(&bytes[..first_part]).await.unwrap();
            halfway.await.unwrap();
            socket.write_all(&bytes[first_part..]).await.unwrap();
            client
        };
        let board = async {
            let accepted = handshake::accept(far, |_| tls.config(Purpose::Link)).await;
            half.send(()).unwrap();
            let (tls, records) = accepted.unwrap();
            let mut board = Sealed::new(*tls, records).unwrap();
            next(&mut board).await.unwrap()
        };

        let (_client, frame) = tokio::join!(host, board);
        assert_eq!(frame.unwrap(), b"frame");
    }
}

#[tokio::test]
async fn a_record_in_pieces_is_put_together_and_what_follows_stays_in_the_socket() {
    let (client, mut board) = pair(SUITES[0], 1 << 16).await;
    let (mut socket, mut key) = bare(client);
    let bytes = record(&mut key, b"\x01frame\x17");
    for byte in &bytes {
        let mut context = Context::from_waker(Waker::noop());
        assert!(board.poll_next(&mut context).is_pending());
        socket.write_all(&[*byte]).await.unwrap();
    }
    socket.write_all(b"tunnel").await.unwrap();

    assert_eq!(next(&mut board).await.unwrap().unwrap(), b"\x01frame");
    let mut below = board.into_inner().unwrap();
    let mut rest = [0; 6];
    below.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b"tunnel");
}

#[tokio::test]
async fn padding_is_taken_off_and_a_record_of_nothing_else_is_none() {
    let (client, mut board) = pair(SUITES[1], 1 << 16).await;
    let (mut socket, mut key) = bare(client);
    let padded = record(&mut key, b"frame\x17\0\0\0");
    socket.write_all(&padded).await.unwrap();
    assert_eq!(next(&mut board).await.unwrap().unwrap(), b"frame");

    let empty = record(&mut key, b"\0\0\0");
    socket.write_all(&empty).await.unwrap();
    assert!(fault(&mut board).await.contains("type 0"));
}

#[tokio::test]
async fn a_byte_that_changed_on_the_way_is_noticed() {
    for suite in SUITES {
        let (client, mut board) = pair(suite, 1 << 16).await;
        let (mut socket, mut key) = bare(client);
        let mut bytes = record(&mut key, b"frame\x17");
        bytes[HEADER + 2] ^= 1;
        socket.write_all(&bytes).await.unwrap();

        assert!(fault(&mut board).await.contains("nobody with the key"));
    }
}

#[tokio::test]
async fn a_record_that_comes_twice_is_noticed() {
    let (client, mut board) = pair(SUITES[1], 1 << 16).await;
    let (mut socket, mut key) = bare(client);
    let bytes = record(&mut key, b"frame\x17");
    socket.write_all(&bytes).await.unwrap();
    socket.write_all(&bytes).await.unwrap();

    assert!(next(&mut board).await.is_ok());
    assert!(fault(&mut board).await.contains("nobody with the key"));
}

#[tokio::test]
async fn a_key_update_and_a_fatal_alert_end_the_connection() {
    let (mut client, mut board) = pair(SUITES[1], 1 << 16).await;
    client.get_mut().1.refresh_traffic_keys().unwrap();
    client.write_all(b"frame").await.unwrap();
    client.flush().await.unwrap();
    assert!(fault(&mut board).await.contains("type 22"));

    let (client, mut board) = pair(SUITES[1], 1 << 16).await;
    let (mut socket, mut key) = bare(client);
    let alert = record(&mut key, b"\x02\x28\x15");
    socket.write_all(&alert).await.unwrap();
    assert!(fault(&mut board).await.contains("alert 40"));
}

#[tokio::test]
async fn the_end_of_the_connection_is_told_from_its_loss() {
    let (client, mut board) = pair(SUITES[1], 1 << 16).await;
    drop(bare(client));
    assert!(next(&mut board).await.unwrap().is_none());

    let (client, mut board) = pair(SUITES[1], 1 << 16).await;
    let (mut socket, mut key) = bare(client);
    let bytes = record(&mut key, b"frame\x17");
    socket.write_all(&bytes[..9]).await.unwrap();
    drop(socket);
    let error = next(&mut board).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_send_that_nobody_waits_for_goes_on_with_the_next() {
    // Room for the TLS ticket, which nobody reads at first, and for little more.
    let (mut client, mut board) = pair(SUITES[1], 1_024).await;
    board.queue(&[1; 1_000]).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    assert!(board.poll_flush(&mut context).is_pending());
    board.queue(&[2; 1_000]).unwrap();

    let mut read = [0; 2_000];
    let flush = poll_fn(|context| board.poll_flush(context));
    let (flushed, read_all) = tokio::join!(flush, client.read_exact(&mut read));

    flushed.unwrap();
    read_all.unwrap();
    assert_eq!(read, [[1; 1_000], [2; 1_000]].concat().as_slice());
    assert!(board.into_inner().is_some());
}

#[tokio::test]
async fn a_key_wears_out() {
    let (client, mut board) = pair(SUITES[1], 1 << 16).await;
    board.sealing.next = RECORDS_MAX - 1;
    board.queue(b"last").unwrap();
    let error = board.queue(b"one more").unwrap_err();

    assert!(matches!(error, SealedError::WornOut), "{error}");
    let (mut socket, mut key) = bare(client);
    (board.opening.next, key.next) = (RECORDS_MAX, RECORDS_MAX - 1);
    socket
        .write_all(&record(&mut key, b"late\x17"))
        .await
        .unwrap();
    assert!(fault(&mut board).await.contains("too often"));
}
