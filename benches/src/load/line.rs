//! Distance: a line between the agents and the subject on which everything takes its time.
//!
//! Each connection has a distance of its own, drawn from the scenario's seed. What goes in at one
//! end comes out at the other in its order and half a round trip later, the end of a direction too.
//! What TCP itself does over a long way does not show: both of a line's connections are short.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::setup::SEGMENT;
use crate::scenario::Range;
use crate::sys;

/// What one read takes, and how many of them are under way in one direction: what does not fit
/// waits in the sender's socket.
const CHUNK: usize = 4_096;
const CHUNKS: usize = 256;

/// Pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(2);

/// A line to one address; it ends when dropped.
pub(crate) struct Line {
    address: SocketAddr,
    end: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Line {
    /// # Errors
    /// No descriptor or thread is left.
    pub(crate) fn to(
        target: SocketAddr,
        round_trip_ms: Range<f64>,
        seed: u64,
        cpus: &[usize],
    ) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        SockRef::from(&listener).set_tcp_mss(SEGMENT)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (end, ended) = oneshot::channel();
        let cpus = cpus.to_vec();
        let thread = std::thread::Builder::new().name("line".into());
        let thread = thread.spawn(move || {
            let _pinned = sys::pin(&cpus)?;
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener)?;
                tokio::select! {
                    _ = ended => {}
                    () = accept(&listener, target, round_trip_ms, seed) => {}
                }
                Ok(())
            })
        })?;
        Ok(Self {
            address,
            end: Some(end),
            thread: Some(thread),
        })
    }

    /// Where to dial instead.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // Whatever went wrong with it went wrong with sessions, and was counted there.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: &TcpListener, target: SocketAddr, round_trip_ms: Range<f64>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((near, _)) = accepted else {
                    sleep(PAUSE).await;
                    continue;
                };
                let round_trip = Duration::from_secs_f64(round_trip_ms.draw(&mut random) / 1e3);
                connections.spawn(carry(near, target, round_trip));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection to its end. If that fails, its client sees a reset, and so does who was
/// dialled.
async fn carry(mut near: TcpStream, target: SocketAddr, round_trip: Duration) {
    // What a connection takes before it is one.
    sleep(round_trip).await;
    let carried = async {
        let mut far = dial(target).await?;
        near.set_nodelay(true)?;
        let (near_out, near_in) = near.split();
        let (far_out, far_in) = far.split();
        let delay = round_trip / 2;
        let ways = tokio::try_join!(way(near_out, far_in, delay), way(far_out, near_in, delay));
        ways.inspect_err(|_| reset(&far))
    };
    if carried.await.is_err() {
        reset(&near);
    }
}

fn reset(socket: &TcpStream) {
    // Closed in good form, if it cannot be had.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

async fn dial(target: SocketAddr) -> io::Result<TcpStream> {
    let socket = if target.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    SockRef::from(&socket).set_tcp_mss(SEGMENT)?;
    let stream = socket.connect(target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One direction, to its end.
async fn way(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, delay: Duration) -> io::Result<()> {
    let (sender, mut receiver) = mpsc::channel(CHUNKS);
    let take = async move {
        let mut buffer = [0; CHUNK];
        loop {
            let length = from.read(&mut buffer).await?;
            let due = Instant::now() + delay;
            let chunk = buffer[..length].to_vec();
            // Nobody takes it when the other end has failed, which is told there.
            if sender.send((due, chunk)).await.is_err() || length == 0 {
                return Ok(());
            }
        }
    };
    let give = async {
        while let Some((due, chunk)) = receiver.recv().await {
            sleep_until(due).await;
            if chunk.is_empty() {
                to.shutdown().await?;
            } else {
                to.write_all(&chunk).await?;
            }
        }
        Ok(())
    };
    tokio::try_join!(take, give).map(|((), ())| ())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn bytes_and_their_end_come_in_order_and_take_their_time() {
        let office = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let line = Line::to(office.local_addr().unwrap(), Range::One(40.0), 1, &[]).unwrap();
        let echo = std::thread::spawn(move || {
            let mut socket = office.accept().unwrap().0;
            let mut bytes = Vec::new();
            socket.read_to_end(&mut bytes).unwrap();
            socket.write_all(&bytes).unwrap();
        });
        let began = std::time::Instant::now();
        let mut home = TcpStream::connect(line.address()).unwrap();
        let sent: Vec<u8> = (0..=250).cycle().take(100_000).collect();
        home.write_all(&sent).unwrap();
        home.shutdown(Shutdown::Write).unwrap();
        let mut received = Vec::new();
        home.read_to_end(&mut received).unwrap();

        assert!(received == sent);
        // To connect, and there and back.
        assert!(began.elapsed() >= Duration::from_millis(80));
        echo.join().unwrap();
    }

    #[test]
    fn a_reset_is_one_at_the_other_end() {
        let office = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let line = Line::to(office.local_addr().unwrap(), Range::One(1.0), 1, &[]).unwrap();
        let mut home = TcpStream::connect(line.address()).unwrap();
        let far = office.accept().unwrap().0;
        SockRef::from(&far)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(far);
        let error = home.read(&mut [0]).unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
