//! The loopback door to the tunnel: every connection from the viewer becomes one stream.
//!
//! Whoever else knocks is dropped and logged. The door is open as long as the tunnel lives.

use std::sync::Arc;
use std::time::Duration;

use protocol::refusal::RefusalCode;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::junction;
use crate::platform::{Allowed, is_peer_allowed};
use crate::tunnel::{Ended, Stream, StreamError, Tunnel};

/// Knocks that are looked at at once; finding the owner of a connection takes a moment.
const KNOCKS_MAX: usize = 16;
/// Reasons that wait to be told.
const REASONS_MAX: usize = 8;
/// How long streams get to notice that their tunnel has gone.
const STREAMS_WAIT: Duration = Duration::from_secs(1);
/// Pause after a failed accept, which mostly means that descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What there is to tell while the door is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Somebody whom `allowed` names has connected.
    Admitted,
    /// What the host said about a single stream.
    Reason(RefusalCode),
}

/// Lends `tunnel` to whoever `allowed` names until the tunnel ends.
pub async fn serve(
    listener: &TcpListener,
    tunnel: &Tunnel,
    allowed: Allowed,
    mut news: impl FnMut(News),
) -> Ended {
    let (checked, mut admitted) = mpsc::channel(KNOCKS_MAX);
    let (told, mut tell) = mpsc::channel(REASONS_MAX);
    let mut streams = JoinSet::new();
    let knocks = Arc::new(Semaphore::new(KNOCKS_MAX));
    loop {
        tokio::select! {
            ended = tunnel.ended() => {
                // What the host said last explains the end, so it is told first. With the
                // tunnel gone every stream ends by itself.
                let _ = timeout(STREAMS_WAIT, async { while streams.join_next().await.is_some() {} }).await;
                while let Ok(code) = tell.try_recv() {
                    news(News::Reason(code));
                }
                return ended;
            }
            accepted = listener.accept() => match accepted {
                Ok((local, _)) => check(local, allowed, &knocks, &checked),
                Err(error) => {
                    tracing::warn!(%error, "Cannot accept a local connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(local) = admitted.recv() => {
                news(News::Admitted);
                match tunnel.open() {
                    Ok(stream) => {
                        streams.spawn(carry(stream, local, told.clone()));
                    }
                    Err(StreamError::PathDied) => {}
                    Err(error) => tracing::warn!(%error, "Local connection dropped"),
                }
            }
            Some(code) = tell.recv() => news(News::Reason(code)),
            Some(_) = streams.join_next() => {}
        }
    }
}

/// Looks up, off the runtime's threads, who holds the other end.
fn check(
    local: TcpStream,
    allowed: Allowed,
    knocks: &Arc<Semaphore>,
    checked: &mpsc::Sender<TcpStream>,
) {
    let Ok(permit) = Arc::clone(knocks).try_acquire_owned() else {
        tracing::warn!("Too many local connections at once; one was dropped");
        return;
    };
    let checked = checked.clone();
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        match is_peer_allowed(&local, allowed) {
            // The queue holds as many as there are permits, so it is never full.
            Ok(true) => drop(checked.try_send(local)),
            Ok(false) => tracing::warn!("Another program knocked at the viewer's door; dropped"),
            Err(error) => {
                tracing::warn!(%error, "Cannot tell whose local connection it is; dropped")
            }
        }
    });
}

async fn carry(mut stream: Stream, mut local: TcpStream, told: mpsc::Sender<RefusalCode>) {
    if let Err(error) = local.set_nodelay(true) {
        tracing::debug!(%error, "Local connection delays small writes");
    }
    let carried = junction::join(&mut stream, &mut local).await;
    tracing::debug!(
        to_viewer = carried.to_local,
        to_host = carried.to_tunnel,
        error = carried.error.as_ref().map(tracing::field::display),
        "Stream ended"
    );
    if let Some(StreamError::Reset(code)) = carried.error.as_ref().and_then(StreamError::of) {
        // A full queue already holds reasons enough.
        let _ = told.try_send(code);
    }
}
