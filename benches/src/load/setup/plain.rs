//! Sessions through a forwarder that speaks no protocol of its own: a peer, or none at all.
//!
//! The forwarder's connection to us does not say whose it is, so a client's first eight bytes do.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Passage, SEGMENT, SetupError};

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<TcpStream>>>>;

/// Dials at the front, and finds at the back what comes out.
pub(super) struct Exchange {
    front: SocketAddr,
    /// Names of sessions, none used twice.
    next: AtomicU64,
    waiting: Waiting,
    acceptor: JoinHandle<()>,
}

impl Exchange {
    pub(super) fn new(Passage { front, back }: Passage, seed: u64) -> std::io::Result<Self> {
        back.set_nonblocking(true)?;
        SockRef::from(&back).set_tcp_mss(SEGMENT)?;
        let waiting = Waiting::default();
        let acceptor = tokio::spawn(accept(TcpListener::from_std(back)?, Arc::clone(&waiting)));
        Ok(Self {
            front,
            // Far from zero, so that a stray connection that sends zeros is nobody's.
            next: AtomicU64::new(seed ^ 0x7461_7375_6b69_0000),
            waiting,
            acceptor,
        })
    }

    pub(super) async fn session(
        &self,
    ) -> Result<(std::net::TcpStream, std::net::TcpStream), SetupError> {
        let name = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.waiting().insert(name, sender);
        let session = async {
            let socket = if self.front.is_ipv4() {
                TcpSocket::new_v4()?
            } else {
                TcpSocket::new_v6()?
            };
            SockRef::from(&socket).set_tcp_mss(SEGMENT)?;
            let mut client = socket.connect(self.front).await?;
            client.set_nodelay(true)?;
            client.write_all(&name.to_be_bytes()).await?;
            let host = receiver.await.map_err(|_| SetupError::LinkEnded)?;
            Ok((client.into_std()?, host.into_std()?))
        };
        let made = session.await;
        self.waiting().remove(&name);
        made
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<TcpStream>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn accept(listener: TcpListener, waiting: Waiting) {
    loop {
        // One that failed before it was accepted is its client's loss, and counted there.
        let Ok((mut socket, _)) = listener.accept().await else {
            tokio::time::sleep(super::FULL).await;
            continue;
        };
        let waiting = Arc::clone(&waiting);
        tokio::spawn(async move {
            let mut name = [0; 8];
            // A connection that says nothing is nobody's.
            if socket.set_nodelay(true).is_ok() && socket.read_exact(&mut name).await.is_ok() {
                let name = u64::from_be_bytes(name);
                let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(sender) = waiting.remove(&name) {
                    // A client that has given up needs no host.
                    let _ = sender.send(socket);
                }
            }
        });
    }
}
