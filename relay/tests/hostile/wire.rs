//! TCP at its edges: segments of one byte, windows of none, and handshakes that are never finished.

use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use protocol::outer::{Frame, Ping};
use relay_testkit::{Host, Place, Relay, connect, join, session, shake_hands, soon, until};
use rustls::ClientConfig;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tasuki_relay::limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;

use crate::attack::{Hello, abandon, gained};
use crate::fault::{carries, is_root};
use crate::witness::Witness;
use crate::{site, start};

/// The least that Linux takes for `TCP_MAXSEG` (`TCP_MIN_MSS`).
const LEAST_SEGMENT: u32 = 88;

/// Bytes that are wrong as soon as one is missing or out of its place.
fn pattern(length: usize) -> Vec<u8> {
    let byte = |at: usize| u8::try_from(at % 251).unwrap();
    (0..length).map(byte).collect()
}

/// Each byte in a segment of its own, and so few at a time that the kernel puts none together.
async fn drip(socket: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) {
    for few in bytes.chunks(4) {
        for byte in few {
            socket.write_all(&[*byte]).await.unwrap();
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// TLS and the first frame, byte by byte; gives the board's answer.
async fn log_on(place: &Place, config: Arc<ClientConfig>, frame: impl Into<Frame>) -> TcpStream {
    let mut socket = place.tcp().await.unwrap();
    let mut hello = Hello::new(config);
    let bytes = hello.bytes.clone();
    drip(&mut socket, &bytes).await;
    hello.hear(&mut socket).await.unwrap();
    let frame = frame.into().encode().unwrap();
    std::io::Write::write_all(&mut hello.tls.writer(), &frame).unwrap();
    let records = hello.records();
    drip(&mut socket, &records).await;
    let mut answer = Vec::new();
    while answer.is_empty() {
        let mut received = [0; 4_096];
        let length = soon("an answer", socket.read(&mut received)).await.unwrap();
        assert!(length > 0, "the board has hung up");
        hello.tls.read_tls(&mut &received[..length]).unwrap();
        let state = hello.tls.process_new_packets().unwrap();
        answer.resize(state.plaintext_bytes_to_read(), 0);
        std::io::Read::read_exact(&mut hello.tls.reader(), &mut answer).unwrap();
    }
    let answer = Frame::decode(&answer).unwrap();
    assert!(matches!(answer, Frame::Joined(_)), "{answer:?}");
    socket
}

/// Segments with bytes in them that this end has sent (`tcpi_data_segs_out`).
fn segments(socket: &TcpStream) -> usize {
    let port = format!(":{}", socket.local_addr().unwrap().port());
    let output = Command::new("ss")
        .args(["-tinHO", "state", "established", "sport", "=", &port])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, rest) = text.split_once("data_segs_out:").unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_come_one_by_one_are_whole_and_in_order() {
    let (_site, relay) = start("");
    let witness = Witness::start(&relay);
    for (last, segment) in [(1, None), (2, Some(LEAST_SEGMENT))] {
        let place = Place {
            segment,
            ..relay.place().from([127, 0, 9, last].into())
        };
        let host = Host::new(last.into(), &format!("pc-{last}"));
        let (mut link, _) = place.registered(&host).await;
        let client = tokio::spawn({
            let (place, id) = (place.clone(), format!("pc-{last}"));
            async move {
                let config = place.tls_client(protocol::ALPN_LEG, None);
                log_on(&place, config, connect(&id)).await
            }
        });
        let ticket = link.invite().await.ticket;
        let config = place.tls_client(protocol::ALPN_LEG, Some(&host));
        let mut at_host = log_on(&place, config, join(&ticket)).await;
        let mut client = client.await.unwrap();

        let bytes = pattern(1_000);
        let sent = segments(&client) + segments(&at_host);
        let (mut to_client, mut to_host) = (vec![0; bytes.len()], vec![0; bytes.len()]);
        let (mut client_reads, mut client_writes) = client.split();
        let (mut host_reads, mut host_writes) = at_host.split();
        let all = async {
            tokio::join!(
                drip(&mut client_writes, &bytes),
                drip(&mut host_writes, &bytes),
                client_reads.read_exact(&mut to_client),
                host_reads.read_exact(&mut to_host)
            )
        };
        let ((), (), one, other) = soon("all bytes", all).await;
        one.unwrap();
        other.unwrap();
        assert!(to_client == bytes && to_host == bytes, "other bytes came");
        let joined = segments(&client) + segments(&at_host) - sent;
        eprintln!(
            "logons in {sent} segments, {} bytes in {joined}",
            2 * bytes.len()
        );
        // A busy machine's kernel puts some together all the same.
        assert!(sent > 500 && joined > 500, "{sent}, {joined} segments");
        client.shutdown().await.unwrap();
        let end = soon("the end", at_host.read(&mut [0])).await;
        assert_eq!(end.unwrap(), 0, "a byte too many");
    }
    witness.finish();
}

/// A connection with a receive buffer that a few packets fill.
async fn narrow(place: &Place) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    socket
        .bind(SocketAddr::new(place.source.unwrap(), 0))
        .unwrap();
    let stream = socket.connect(place.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_window_was_shut_goes_on_where_it_stood() {
    let (_site, relay) = start("");
    let witness = Witness::start(&relay);
    let quiet = witness.watch(Duration::from_secs(1));
    let place = relay.place().from([127, 0, 9, 3].into());
    let host = Host::new(1, "pc-1");
    let (mut link, _) = place.registered(&host).await;
    let (sockets, memory) = (relay.socket_memory(), relay.anonymous_memory());
    let socket = narrow(&place).await;
    let leg = shake_hands(socket, place.tls_client(protocol::ALPN_LEG, None));
    let mut client = leg.await.unwrap();
    client.send(connect("pc-1")).await;
    let ticket = link.invite().await.ticket;
    let mut at_host = place.dial(protocol::ALPN_LEG, Some(&host)).await.unwrap();
    at_host.send(join(&ticket)).await;
    tokio::join!(client.joined(), at_host.joined());
    let (mut client, mut at_host) = (client.into_raw(), at_host.into_raw());

    let bytes = pattern(4 << 20);
    let writing = tokio::spawn({
        let bytes = bytes.clone();
        async move {
            at_host.write_all(&bytes).await.unwrap();
            at_host.shutdown().await.unwrap();
            at_host
        }
    });
    let busy = tokio::task::block_in_place(|| witness.watch(Duration::from_secs(4)));
    assert!(!writing.is_finished(), "4 MiB do not stall a session");
    let held = relay.socket_memory() - sockets + relay.anonymous_memory().saturating_sub(memory);
    assert!(held > 50_000, "{held} bytes do not stall a session");
    eprintln!("{held} bytes held for a window that is shut");
    assert!(held <= 512 << 10, "{held} bytes");
    busy.assert_like(quiet, "a shut window");

    socket2::SockRef::from(&client)
        .set_recv_buffer_size(1 << 20)
        .unwrap();
    let mut arrived = Vec::new();
    let read = soon("the rest", client.read_to_end(&mut arrived)).await;
    read.unwrap();
    assert!(arrived == bytes, "other bytes came: {}", arrived.len());
    writing.await.unwrap();
    witness.finish();
}

/// Handshakes whose answers are not read, and links that call and do not listen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_shuts_its_window_before_the_join_is_ended() {
    const EACH: u16 = 8;
    let (_site, relay) = start("");
    let witness = Witness::start(&relay);
    let quiet = witness.watch(Duration::from_secs(1));
    let place = relay.place().from([127, 0, 9, 4].into());
    let (before, descriptors) = (relay.metrics(), relay.descriptors());
    let memory = relay.socket_memory();

    let mut deaf = Vec::new();
    for number in 0..EACH {
        let mut socket = narrow(&place).await;
        let hello = Hello::of_leg(&place).bytes;
        socket.write_all(&hello).await.unwrap();
        deaf.push(socket);

        let host = Host::new(number, &format!("deaf-{number}"));
        let socket = narrow(&place).await;
        let config = place.tls_client(protocol::ALPN_LINK, Some(&host));
        let link = shake_hands(socket, config);
        let mut link = link.await.unwrap();
        link.send(host.register(1)).await;
        link.registered().await;
        for number in 0..limits::LINK_FRAMES.1 / 2 {
            link.send(Ping { number }).await;
        }
        deaf.push(abandon(link));
    }
    let busy = tokio::task::block_in_place(|| witness.watch(Duration::from_secs(2)));
    let held = relay.socket_memory().saturating_sub(memory);
    eprintln!("{held} bytes held for {} that are deaf", deaf.len());
    let each = limits::PARKED_LEG_BYTES + 2 * limits::CONTROL_SEND_BUFFER;
    assert!(
        held <= u64::try_from(deaf.len() * each).unwrap(),
        "{held} bytes"
    );
    // A socket is closed a moment before its host is struck off.
    until("the end of them all", || {
        let online = gained(&before, &relay.metrics())("tasuki_hosts_online");
        relay.descriptors() <= descriptors && online <= 0.0
    })
    .await;

    busy.assert_like(quiet, "shut windows");
    let after = relay.metrics();
    let gained = gained(&before, &after);
    let late = gained("tasuki_handshakes_failed_total{cause=\"deadline\"}");
    assert_eq!(late, f64::from(EACH));
    assert_eq!(gained("tasuki_hosts_online"), 0.0);
    assert_eq!(after.get("tasuki_connections_unproven"), 0.0);
    witness.finish();
}

/// The relay's end of a cable, ours, and whom nobody has: the relay's answers to it come to us,
/// who are somebody else, and so to nothing.
const BOARD: [u8; 4] = [10, 214, 1, 1];
const NOBODY: [u8; 4] = [10, 215, 0, 1];
const SCRIPT: &str = r#"
ip link set lo up
ip link add inner type veth peer name tsksyn netns $TEST
ip addr add 10.214.1.1/24 dev inner
ip link set inner up
ip route add 10.215.0.0/16 via 10.214.1.2
nsenter --net --target $TEST ip addr add 10.214.1.2/24 dev tsksyn
nsenter --net --target $TEST ip link set tsksyn up
exec "$0" "$@"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_of_tcp_that_nobody_finishes_keep_nobody_out() {
    if !is_root() {
        return;
    }
    let site = site("");
    let config = std::fs::read_to_string(site.path("relay.toml")).unwrap();
    let open = config.replace("127.0.0.1:0\"]", "0.0.0.0:0\"]");
    std::fs::write(site.path("relay.toml"), open).unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["--net", "sh", "-ec", SCRIPT])
        .arg(site.program())
        .args(site.run().get_args())
        .env("TEST", std::process::id().to_string())
        .stdin(Stdio::null());
    let relay = Relay::start(&site, command);
    let board = SocketAddr::new(IpAddr::from(BOARD), relay.place().address.port());
    let place = Place::new(board, Arc::clone(&relay.place().roots));
    let host = Host::new(1, "pc-1");
    let (mut link, _) = place.registered(&host).await;
    let mut going = session(&place, &host, &mut link, "pc-1").await;
    let descriptors = relay.descriptors();

    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP)).unwrap();
    raw.set_header_included_v4(true).unwrap();
    let to = SockAddr::from(SocketAddr::new(board.ip(), 0));
    let syns = u16::try_from(4 * limits::BACKLOG).unwrap();
    for number in 0..syns {
        raw.send_to(&syn(10_000 + number, board.port()), &to)
            .unwrap();
        if number % 512 == 0 {
            carries(&mut going, 10_000).await;
        }
    }
    let half_open = in_network(&relay, &["ss", "-tnHO", "state", "syn-recv"]);
    let half_open = half_open.lines().count();
    let cookies = in_network(&relay, &["nstat", "-asz", "TcpExtSyncookiesSent"]);
    eprintln!("{syns} SYNs leave {half_open} half open; {cookies}");
    assert!(half_open >= limits::BACKLOG / 2, "{half_open} half open");
    assert!(half_open <= 2 * limits::BACKLOG, "{half_open} half open");

    // None of them has become a connection of the relay's, and honest ones have.
    assert_eq!(relay.descriptors(), descriptors);
    assert_eq!(site.status().legs.unproven, 0);
    for _ in 0..5 {
        let mut more = session(&place, &host, &mut link, "pc-1").await;
        carries(&mut more, 10_000).await;
    }
    carries(&mut going, 100_000).await;
}

/// What a program says in the relay's network.
fn in_network(relay: &Relay, command: &[&str]) -> String {
    let output = Command::new("nsenter")
        .args(["--net", "--target", &relay.pid().to_string()])
        .args(command)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// An IPv4 packet with the first segment of a handshake (RFC 791, RFC 9293), from nobody.
fn syn(from_port: u16, to_port: u16) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(from_port.to_be_bytes());
    segment.extend(to_port.to_be_bytes());
    // Sequence number, none acknowledged, five words, SYN, window; no checksum yet, not urgent.
    segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 5 << 4, 0x02, 0x20, 0, 0, 0, 0, 0]);
    let mut summed = [NOBODY, BOARD].concat();
    summed.extend([0, 6, 0, 20]);
    summed.extend(&segment);
    let mut sum: u32 = summed
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [.., high, low] = (!sum).to_be_bytes();
    segment[16..18].copy_from_slice(&[high, low]);
    // The kernel fills length, identification and checksum in (`raw(7)`).
    let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0];
    packet.extend([NOBODY, BOARD].concat());
    packet.extend(segment);
    packet
}
