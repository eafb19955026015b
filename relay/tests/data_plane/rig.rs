//! A running data plane, its sessions' far ends, and bytes that can be recognised.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};
use tasuki_relay::data::{DataPath, DataPlane, NewSession, SessionEnd, Settings, Stats};
use tasuki_relay::limits;
use tasuki_relay::sys::listener;

/// No wait in these tests is longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Held for writing by a test that counts the descriptors of the whole process.
pub(crate) static DESCRIPTORS: RwLock<()> = RwLock::new(());

pub(crate) const ALL_PATHS: [DataPath; 3] = [DataPath::Auto, DataPath::Splice, DataPath::Copy];

pub(crate) struct Rig {
    pub(crate) plane: DataPlane,
    ends: Receiver<SessionEnd>,
    next_id: u64,
    _shared: Option<RwLockReadGuard<'static, ()>>,
}

/// One session's far ends.
pub(crate) struct Peers {
    pub(crate) id: u64,
    pub(crate) client: TcpStream,
    pub(crate) host: TcpStream,
}

impl Rig {
    pub(crate) fn start(settings: Settings) -> Self {
        let shared = DESCRIPTORS.read().unwrap_or_else(PoisonError::into_inner);
        Self {
            _shared: Some(shared),
            ..Self::start_alone(settings)
        }
    }

    /// For the holder of [`DESCRIPTORS`].
    pub(crate) fn start_alone(settings: Settings) -> Self {
        let (sender, ends) = sync_channel(4_096);
        let ended = move |end| sender.try_send(end).expect("the test takes the ends");
        let plane = DataPlane::start(settings, ended).expect("the data plane starts");
        Self {
            plane,
            ends,
            next_id: 1,
            _shared: None,
        }
    }

    pub(crate) fn session(&mut self) -> Peers {
        let (client, near_client) = parked_pair();
        let (host, near_host) = parked_pair();
        self.join(client, near_client, host, near_host)
    }

    pub(crate) fn join(
        &mut self,
        client: TcpStream,
        near_client: TcpStream,
        host: TcpStream,
        near_host: TcpStream,
    ) -> Peers {
        let id = self.next_id;
        self.next_id += 1;
        let session = NewSession {
            id,
            client: near_client.into(),
            host: near_host.into(),
        };
        self.plane
            .join(session)
            .expect("there is room for a session");
        Peers { id, client, host }
    }

    /// The next end of a session.
    pub(crate) fn end(&self) -> SessionEnd {
        self.ends.recv_timeout(DEADLINE).expect("a session ends")
    }

    pub(crate) fn no_end(&self) {
        assert_eq!(self.ends.try_recv().ok(), None);
    }

    /// Waits until the figures are as expected.
    pub(crate) fn wait_for(&self, what: &str, expected: impl Fn(&Stats) -> bool) -> Stats {
        let start = Instant::now();
        loop {
            let stats = self.plane.stats();
            if expected(&stats) {
                return stats;
            }
            assert!(start.elapsed() < DEADLINE, "never saw {what}: {stats:?}");
            std::thread::yield_now();
        }
    }
}

/// A connection: the far end, and the relay's end as it comes out of parking.
pub(crate) fn parked_pair() -> (TcpStream, TcpStream) {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = listener::listen(any_port).expect("a port");
    listener.set_nonblocking(false).expect("a live socket");
    connect(listener, None)
}

/// The same with segments as long as on Ethernet. Loopback's are 64 KiB, and a sender waits on a
/// timer before it sends less than a segment into a window that is smaller still.
pub(crate) fn parked_pair_like_ethernet() -> (TcpStream, TcpStream) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    listener.set_tcp_mss(1_448).expect("a fresh socket");
    listener
        .set_recv_buffer_size(limits::PARKED_RECEIVE_BUFFER)
        .expect("a fresh socket");
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    listener.bind(&any_port.into()).expect("a port");
    listener.listen(1).expect("a bound socket");
    connect(listener.into(), Some(1_448))
}

fn connect(listener: TcpListener, mss: Option<u32>) -> (TcpStream, TcpStream) {
    let far = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    if let Some(mss) = mss {
        far.set_tcp_mss(mss).expect("a fresh socket");
    }
    far.connect(&listener.local_addr().expect("an address").into())
        .expect("connect");
    let far = TcpStream::from(far);
    let (near, _) = listener.accept().expect("accept");
    for stream in [&far, &near] {
        stream
            .set_read_timeout(Some(DEADLINE))
            .expect("a live socket");
        stream
            .set_write_timeout(Some(DEADLINE))
            .expect("a live socket");
    }
    far.set_nodelay(true).expect("a live socket");
    (far, near)
}

pub(crate) fn settings(data_path: DataPath) -> Settings {
    Settings {
        data_path,
        ..Settings::default()
    }
}

/// Bytes without a short period: a lost, repeated or moved chunk does not go unseen.
pub(crate) fn block(seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    // A prime length, so that the period fits no buffer.
    (0..1_048_573).map(|_| byte()).collect()
}

/// Writes `total` bytes of the repeated block, and the FIN.
pub(crate) fn write_all(mut stream: &TcpStream, block: &[u8], total: usize) {
    let mut sent = 0;
    while sent < total {
        let from = sent % block.len();
        let until = block.len().min(from + total - sent);
        sent += stream
            .write(&block[from..until])
            .expect("the session takes bytes");
    }
    stream.shutdown(Shutdown::Write).expect("a live socket");
}

/// Reads until the FIN; every byte must be the next of the repeated block.
pub(crate) fn read_all(mut stream: &TcpStream, block: &[u8], total: usize) {
    let mut buffer = vec![0; 256 * 1024];
    let mut received = 0;
    loop {
        let bytes = stream.read(&mut buffer).expect("the session gives bytes");
        if bytes == 0 {
            break;
        }
        let mut chunk = &buffer[..bytes];
        while !chunk.is_empty() {
            let from = received % block.len();
            let length = chunk.len().min(block.len() - from);
            assert!(
                chunk[..length] == block[from..from + length],
                "wrong byte after {received}"
            );
            received += length;
            chunk = &chunk[length..];
        }
    }
    assert_eq!(received, total);
}

/// Sends a few bytes one way and sees them arrive.
pub(crate) fn ping(mut from: &TcpStream, mut to: &TcpStream) {
    from.write_all(b"ping").expect("the session takes bytes");
    let mut answer = [0; 4];
    to.read_exact(&mut answer).expect("the session gives bytes");
    assert_eq!(&answer, b"ping");
}

/// Writes until the session takes nothing more for a while, and returns how much it took.
pub(crate) fn stuff(mut stream: &TcpStream) -> usize {
    let chunk = vec![7; 64 * 1024];
    stream
        .set_write_timeout(Some(Duration::from_millis(300)))
        .expect("a live socket");
    let mut taken = 0;
    while let Ok(bytes) = stream.write(&chunk) {
        taken += bytes;
    }
    taken
}

/// Closes a far end in the hard way.
pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .expect("a live socket");
    drop(stream);
}
