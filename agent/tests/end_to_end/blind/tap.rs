//! Stands in front of the relay: notes what agents send there, and can speak in a client's place.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use memchr::memmem::Finder;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::harness::Target;

/// Of each connection the last bytes are kept, more than all buffers between here and its end.
const KEPT: usize = 1 << 20;
/// Bytes that are looked for together, and how far apart such pieces lie.
pub(super) const PIECE: usize = 32;
const DISTANCE: usize = 4 << 10;
/// Small, so that what waits waits in the relay.
const BUFFER: usize = 16 << 10;
/// TLS record types and the handshake message that begins a tunnel (RFC 8446, 4 and 5.1).
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const CLIENT_HELLO: u8 = 1;
/// Nothing more is taken: everything on the way is full.
const FULL: Duration = Duration::from_millis(500);

pub(super) struct Tap {
    lines: Arc<Mutex<Vec<Arc<Line>>>>,
    plant: Arc<Mutex<Option<Plant>>>,
}

/// A connection between an agent and the relay.
#[derive(Default)]
struct Line {
    /// The last bytes from the agent.
    sent: Mutex<Vec<u8>>,
    /// How many more pieces from the relay are taken, and lost, while it is held; none before that.
    held: Mutex<Option<usize>>,
    changed: Condvar,
}

/// How the next client's tunnel is replaced.
struct Plant {
    begun: SyncSender<()>,
    say: Receiver<Vec<u8>>,
    said: SyncSender<()>,
}

/// The test's end of a tunnel that is replaced.
pub(super) struct Planting {
    /// Heard when the client begins its tunnel.
    pub(super) begun: Receiver<()>,
    /// Bytes that go into the session in its place, again and again until nothing more is taken.
    pub(super) say: SyncSender<Vec<u8>>,
    /// Heard when nothing more is taken.
    pub(super) said: Receiver<()>,
}

impl Tap {
    /// Passes everything between agents that dial `front` and the relay.
    pub(super) fn new(front: SocketAddr, relay: SocketAddr) -> Self {
        let lines: Arc<Mutex<Vec<Arc<Line>>>> = Arc::default();
        let plant: Arc<Mutex<Option<Plant>>> = Arc::default();
        let (all, next) = (Arc::clone(&lines), Arc::clone(&plant));
        Target::at(front, move |agent| {
            agent.set_read_timeout(None).expect("is open");
            agent.set_write_timeout(None).expect("is open");
            let Some(onward) = dial(relay) else {
                return;
            };
            let small = socket2::SockRef::from(&agent).set_send_buffer_size(BUFFER);
            small.expect("is open");
            let line = Arc::new(Line::default());
            all.lock().expect("no panic").push(Arc::clone(&line));
            std::thread::scope(|scope| {
                scope.spawn(|| pass(&onward, &agent, |_| line.is_open()));
                let plant = next.lock().expect("no panic").take();
                match plant {
                    None => pass(&agent, &onward, |bytes| line.keep(bytes)),
                    Some(plant) => replace_tunnel(&agent, &onward, &plant),
                }
            });
        });
        Self { lines, plant }
    }

    /// From now on nothing of what the relay sends is taken, on the connections that there are.
    pub(super) fn hold(&self) {
        for line in self.lines.lock().expect("no panic").iter() {
            line.held.lock().expect("no panic").get_or_insert(0);
        }
    }

    /// Takes a little more on each connection that is held, and loses it: what waits in the relay
    /// moves on by that.
    pub(super) fn lose_some(&self) {
        for line in self.lines.lock().expect("no panic").iter() {
            if let Some(pieces) = line.held.lock().expect("no panic").as_mut() {
                *pieces += 1;
                line.changed.notify_one();
            }
        }
    }

    /// Pieces of what agents have sent, spread over the last of it.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Vec<u8>> {
        let pieces = |sent: Vec<u8>| {
            let pieces = sent.chunks_exact(DISTANCE).map(|it| it[..PIECE].to_vec());
            pieces.collect::<Vec<_>>()
        };
        self.sent().into_iter().flat_map(pieces)
    }

    /// Whether an agent has sent this lately.
    pub(super) fn has_seen(&self, piece: &[u8]) -> bool {
        let finder = Finder::new(piece);
        !piece.is_empty() && self.sent().iter().any(|sent| finder.find(sent).is_some())
    }

    /// The last that was sent on each connection.
    fn sent(&self) -> Vec<Vec<u8>> {
        let lines = self.lines.lock().expect("no panic");
        let copy = |line: &Arc<Line>| line.sent.lock().expect("no panic").clone();
        lines.iter().map(copy).collect()
    }

    /// Lets the next client have no tunnel.
    pub(super) fn plant(&self) -> Planting {
        let ((begun, hear_begun), (say, hear), (said, hear_said)) =
            (sync_channel(1), sync_channel(1), sync_channel(1));
        *self.plant.lock().expect("no panic") = Some(Plant {
            begun,
            say: hear,
            said,
        });
        Planting {
            begun: hear_begun,
            say,
            said: hear_said,
        }
    }
}

fn dial(relay: SocketAddr) -> Option<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(BUFFER).expect("is open");
    socket.set_send_buffer_size(BUFFER).expect("is open");
    socket.connect(&SockAddr::from(relay)).ok()?;
    Some(socket.into())
}

/// Passes those bytes on that `look` lets through, until an end or a break, which is the agents' to
/// notice.
fn pass(mut source: &TcpStream, mut sink: &TcpStream, look: impl Fn(&[u8]) -> bool) {
    let mut bytes = [0; BUFFER];
    while let Ok(length @ 1..) = source.read(&mut bytes) {
        if look(&bytes[..length]) && sink.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = sink.shutdown(Shutdown::Write);
}

impl Line {
    /// Notes what goes through.
    fn keep(&self, bytes: &[u8]) -> bool {
        let mut sent = self.sent.lock().expect("no panic");
        sent.extend_from_slice(bytes);
        let beyond = sent.len().saturating_sub(KEPT);
        // Seldom, because it moves all the rest.
        if beyond > KEPT {
            sent.drain(..beyond);
        }
        true
    }

    /// Whether bytes from the relay go through. Where it is held the thread stands here until some
    /// are to be lost, or until the test's process ends.
    fn is_open(&self) -> bool {
        let held = self.held.lock().expect("no panic");
        let mut held = self
            .changed
            .wait_while(held, |held| *held == Some(0))
            .expect("no panic");
        held.as_mut().map(|pieces| *pieces -= 1).is_none()
    }
}

/// Passes the outer connection on; where the tunnel begins, something else goes instead.
fn replace_tunnel(agent: &TcpStream, mut onward: &TcpStream, plant: &Plant) {
    let mut outer_stands = false;
    while let Some(record) = read_record(agent) {
        outer_stands |= record[0] == APPLICATION_DATA;
        if outer_stands && record[0] == HANDSHAKE && record[5] == CLIENT_HELLO {
            plant.begun.send(()).expect("the test waits");
            let Ok(bytes) = plant.say.recv() else {
                return;
            };
            onward.set_write_timeout(Some(FULL)).expect("is open");
            while onward.write_all(&bytes).is_ok() {}
            plant.said.send(()).expect("the test waits");
            // The test ends the session by dropping its end.
            let _ = plant.say.recv();
            let _ = onward.shutdown(Shutdown::Both);
            let _ = agent.shutdown(Shutdown::Both);
            return;
        }
        if onward.write_all(&record).is_err() {
            return;
        }
    }
}

fn read_record(mut stream: &TcpStream) -> Option<Vec<u8>> {
    let mut record = vec![0; 5];
    stream.read_exact(&mut record).ok()?;
    let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
    record.resize(5 + length, 0);
    stream.read_exact(&mut record[5..]).ok()?;
    Some(record)
}
