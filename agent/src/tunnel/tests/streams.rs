//! Streams over real I/O: all at once, slow ones, broken ones, and the end of the path.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use protocol::refusal::RefusalCode;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::tunnel::{Ended, StreamError};

const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn eight_streams_run_both_ways_with_half_closes_over_memory() {
    let (near, far) = duplex(32 * 1024);
    let (client, host) = tunnels(near, far).await;
    timeout(DEADLINE, run_eight(client, host)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_streams_run_both_ways_with_half_closes_over_tcp() {
    let (near, far) = tcp_pair().await;
    let (client, host) = tunnels(near, far).await;
    timeout(DEADLINE, run_eight(client, host)).await.unwrap();
}

/// Each stream: the client sends and half-closes, then the host answers and closes.
async fn run_eight(client: Tunnel, host: Tunnel) {
    let serving = tokio::spawn(async move {
        let mut answers = Vec::new();
        while let Some(mut stream) = host.accept().await {
            answers.push(tokio::spawn(async move {
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).await.unwrap();
                bytes.reverse();
                stream.write_all(&bytes).await.unwrap();
                stream.shutdown().await.unwrap();
                // Its end is known to be passed on when the client closes the tunnel.
                bytes.len()
            }));
        }
        for answer in answers {
            assert!(answer.await.unwrap() > 0);
        }
        host.ended().await
    });
    let mut askers = Vec::new();
    for number in 0..8_u8 {
        let mut stream = client.open().unwrap();
        askers.push(tokio::spawn(async move {
            let mut bytes = pattern(number, 700_000 + usize::from(number));
            stream.write_all(&bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            bytes.reverse();
            assert!(answer == bytes);
        }));
    }
    assert_eq!(client.open().unwrap_err(), StreamError::TooManyStreams);
    for asker in askers {
        asker.await.unwrap();
    }

    drop(client);

    assert_eq!(serving.await.unwrap(), Ended::Closed);
}

#[tokio::test]
async fn a_client_hears_the_wish_to_leave_full_screen_without_any_stream() {
    let (near, far) = duplex(32 * 1024);
    let (client, host) = tunnels(near, far).await;

    for _ in 0..3 {
        for _ in 0..100 {
            host.leave_full_screen();
        }
        let heard = timeout(DEADLINE, client.shall_leave_full_screen()).await;
        heard.expect("is heard");
    }

    assert_eq!(host.close().await, Ended::Closed);
}

#[tokio::test]
async fn stream_numbers_come_back_for_a_thousand_streams() {
    let (near, far) = duplex(32 * 1024);
    let (client, host) = tunnels(near, far).await;
    let echo = tokio::spawn(async move {
        while let Some(mut stream) = host.accept().await {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });

    for number in 0..1_000_u16 {
        let mut stream = client.open().unwrap();
        stream.write_all(&number.to_be_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, number.to_be_bytes());
        // An end counts when acknowledged, which takes a moment after it is read.
        drop(stream);
        tokio::task::yield_now().await;
    }

    drop(client);
    timeout(DEADLINE, echo).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_slow_reader_of_one_stream_does_not_block_another() {
    let (near, far) = duplex(32 * 1024);
    let (client, host) = tunnels(near, far).await;
    let mut stalled = client.open().unwrap();
    let filling = tokio::spawn(async move {
        let bytes = vec![0; 4 << 20];
        stalled.write_all(&bytes).await
    });
    let unread = host.accept().await.unwrap();

    let mut stream = client.open().unwrap();
    let writing = tokio::spawn(async move {
        let bytes = pattern(1, 8 << 20);
        stream.write_all(&bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        stream
    });
    let mut quick = host.accept().await.unwrap();
    let mut bytes = Vec::new();
    let read = timeout(DEADLINE, quick.read_to_end(&mut bytes)).await;

    assert_eq!(read.unwrap().unwrap(), 8 << 20);
    assert!(bytes == pattern(1, 8 << 20));
    assert!(!filling.is_finished());
    drop(unread);
    let refused = timeout(DEADLINE, filling).await.unwrap().unwrap();
    let code = StreamError::of(&refused.unwrap_err());
    assert!(matches!(code, Some(StreamError::Reset(_))), "{code:?}");
    drop(writing.await);
}

#[tokio::test]
async fn a_reset_ends_one_stream_and_no_other() {
    let (near, far) = duplex(32 * 1024);
    let (client, host) = tunnels(near, far).await;
    let mut doomed = client.open().unwrap();
    let far_doomed = host.accept().await.unwrap();
    let mut other = client.open().unwrap();
    let mut far_other = host.accept().await.unwrap();

    far_doomed.reset(RefusalCode::TargetUnreachable);

    let error = doomed.read_u8().await.unwrap_err();
    let expected = StreamError::Reset(RefusalCode::TargetUnreachable);
    assert_eq!(StreamError::of(&error), Some(expected));
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    other.write_u8(7).await.unwrap();
    assert_eq!(far_other.read_u8().await.unwrap(), 7);
    drop(doomed);
    // The number's slot is free again.
    let seven: Vec<_> = (0..7).map(|_| client.open().unwrap()).collect();
    assert_eq!(seven.len(), 7);
}

#[tokio::test]
async fn the_end_of_the_path_is_an_error_to_streams_that_have_not_ended() {
    let (near, far) = duplex(32 * 1024);
    let (client, host) = tls_pair(near, far).await;
    let client = Tunnel::start(client, Role::Client);
    let mut stream = client.open().unwrap();
    stream.write_u8(1).await.unwrap();

    drop(host);

    let error = stream.read_u8().await.unwrap_err();
    assert_eq!(StreamError::of(&error), Some(StreamError::PathDied));
    let error = stream.write_u8(1).await.unwrap_err();
    assert_eq!(StreamError::of(&error), Some(StreamError::PathDied));
    assert_eq!(client.open().unwrap_err(), StreamError::PathDied);
    assert!(client.accept().await.is_none());
    assert!(matches!(client.ended().await, Ended::PathDied(_)));
}

#[tokio::test]
async fn bytes_that_arrived_before_the_path_died_are_still_read() {
    let (near, mut near_cable) = duplex(32 * 1024);
    let (mut far_cable, far) = duplex(32 * 1024);
    let cable = tokio::spawn(async move {
        tokio::io::copy_bidirectional(&mut near_cable, &mut far_cable).await
    });
    let (client, host) = tunnels(near, far).await;
    let mut stream = client.open().unwrap();
    let mut far_stream = host.accept().await.unwrap();
    stream.write_all(b"last words").await.unwrap();
    far_stream.read_exact(&mut [0]).await.unwrap();

    cable.abort();

    let mut rest = Vec::new();
    let error = far_stream.read_to_end(&mut rest).await.unwrap_err();
    assert_eq!(StreamError::of(&error), Some(StreamError::PathDied));
    assert_eq!(rest, b"ast words");
}

#[tokio::test]
async fn what_was_written_before_a_shutdown_arrives_though_the_tunnel_is_dropped() {
    let (near, far) = duplex(1024);
    let (client, host) = tunnels(near, far).await;
    let mut stream = client.open().unwrap();
    let mut far_stream = host.accept().await.unwrap();
    far_stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);

    stream.write_all(&pattern(1, 100_000)).await.unwrap();
    stream.shutdown().await.unwrap();
    drop(stream);
    drop(client);

    let mut bytes = Vec::new();
    far_stream.read_to_end(&mut bytes).await.unwrap();
    assert!(bytes == pattern(1, 100_000));
    drop(far_stream);
    assert_eq!(host.ended().await, Ended::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_lone_acknowledgement_comes_after_a_quarter_second() {
    let (near, far) = duplex(64 * 1024);
    let (client, host) = tunnels(near, far).await;
    let mut stream = client.open().unwrap();
    let mut far_stream = host.accept().await.unwrap();
    let start = tokio::time::Instant::now();
    stream.write_all(&[1; 100]).await.unwrap();
    far_stream.read_exact(&mut [0; 100]).await.unwrap();

    let acknowledged = client.until(|mux| mux.kept() == 0);
    timeout(DEADLINE, acknowledged).await.unwrap();

    let waited = start.elapsed();
    let around = Duration::from_millis(240)..Duration::from_millis(300);
    assert!(around.contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_path_dies_at_the_client() {
    let (near, far) = duplex(64 * 1024);
    let (client, host) = tls_pair(near, far).await;
    let client = Tunnel::start(client, Role::Client);
    let start = tokio::time::Instant::now();

    let ended = client.ended().await;

    assert_eq!(ended, Ended::PathDied("silent".to_owned()));
    assert_eq!(start.elapsed().as_secs(), 16);
    drop(host);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_session_lives_on_probes() {
    let (near, far) = duplex(64 * 1024);
    let (client, host) = tunnels(near, far).await;
    let mut stream = client.open().unwrap();
    let mut far_stream = host.accept().await.unwrap();

    tokio::time::sleep(Duration::from_secs(24 * 60 * 60)).await;

    stream.write_u8(5).await.unwrap();
    assert_eq!(far_stream.read_u8().await.unwrap(), 5);
}

/// Screen updates down and keys up, each at times of its own, for a minute: what the tunnel adds
/// (acknowledgements, heartbeats) has to ride along with them.
#[tokio::test(start_paused = true)]
async fn a_working_desktop_makes_hardly_more_records_than_messages() {
    let (near, far) = duplex(64 * 1024);
    let records = Arc::new(AtomicUsize::new(0));
    let counted = |inner| Counting {
        inner,
        writes: Arc::clone(&records),
    };
    let (client, host) = tunnels(counted(near), counted(far)).await;
    let client_stream = client.open().unwrap();
    let host_stream = host.accept().await.unwrap();
    let (mut client_reader, client_writer) = tokio::io::split(client_stream);
    let (mut host_reader, host_writer) = tokio::io::split(host_stream);
    let before = records.load(Ordering::Relaxed);

    let reading = tokio::spawn(async move {
        let (mut screens, mut keys) = (Vec::new(), Vec::new());
        let both = tokio::join!(
            client_reader.read_to_end(&mut screens),
            host_reader.read_to_end(&mut keys)
        );
        both.0.unwrap() + both.1.unwrap()
    });
    let sent = tokio::join!(talk(host_writer, 20, 700, 1), talk(client_writer, 5, 20, 2));

    assert_eq!(reading.await.unwrap(), sent.0 * 700 + sent.1 * 20);
    let messages = sent.0 + sent.1;
    let records = records.load(Ordering::Relaxed) - before;
    assert!((1_300..1_700).contains(&messages), "{messages}");
    assert!(records >= messages, "{records} for {messages}");
    println!("{records} records for {messages} messages");
    assert!(records * 10 <= messages * 11, "{records} for {messages}");
}

/// Sends messages for a minute, so many a second on average, in gaps like those of a Poisson
/// process; gives their number.
async fn talk(
    mut writer: impl AsyncWrite + Unpin,
    per_second: u32,
    bytes: usize,
    seed: u64,
) -> usize {
    let mut random = StdRng::seed_from_u64(seed);
    let until = tokio::time::Instant::now() + Duration::from_secs(60);
    let mut messages = 0;
    while tokio::time::Instant::now() < until {
        writer.write_all(&vec![7; bytes]).await.unwrap();
        messages += 1;
        let gap = -random.gen_range(f64::EPSILON..1.0).ln() / f64::from(per_second);
        tokio::time::sleep(Duration::from_secs_f64(gap)).await;
    }
    writer.shutdown().await.unwrap();
    messages
}

/// Counts what goes out: the tunnel writes one record at a time.
struct Counting {
    inner: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        if written.is_ready() {
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

pub(super) fn pattern(salt: u8, count: usize) -> Vec<u8> {
    let block: Vec<u8> = (0..=250_u8).map(|byte| byte ^ salt).collect();
    block.into_iter().cycle().take(count).collect()
}

pub(super) async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (near, far) = (near.unwrap(), far.unwrap().0);
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    (near, far)
}
