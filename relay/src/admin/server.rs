//! The relay's end of the admin socket.
//!
//! Every connection is one request; how many there are, how long they take and how much they say
//! is bounded, so that a stuck operator's program takes nothing from the relay.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{debug, error, info};

use super::{Answer, Request};
use crate::board::Board;
use crate::limits;
use crate::sys::spare::Spare;

/// The bound socket; its file goes away with it.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    file: SocketFile,
}

#[derive(Debug)]
struct SocketFile(PathBuf);

impl AdminSocket {
    /// Binds the socket for this user only. A file that a dead relay left behind is replaced.
    ///
    /// # Errors
    /// A running relay has the socket, or the folder cannot be written.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        // Under another name until its permissions are right, so that nobody comes in between.
        let mut unready = path.as_os_str().to_owned();
        unready.push(".new");
        let unready = PathBuf::from(unready);
        match std::fs::remove_file(&unready) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&unready)?;
        listener.set_nonblocking(true)?;
        std::fs::set_permissions(&unready, Permissions::from_mode(0o600))?;
        std::fs::rename(&unready, path)?;
        Ok(Self {
            listener,
            file: SocketFile(path.to_owned()),
        })
    }

    /// Answers until it is dropped.
    pub async fn serve(self, board: Arc<Board>) {
        let Self {
            listener,
            file: _file,
        } = self;
        let listener = match tokio::net::UnixListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                error!(%error, "No operator can be heard");
                return;
            }
        };
        let listener = Arc::new(listener);
        let spare = Arc::new(Spare::default());
        spare.refill(&*listener);
        let places = Arc::new(Semaphore::new(limits::OPERATOR_CONNECTIONS));
        loop {
            // INVARIANT: nobody closes the semaphore.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    debug!(%error, "Cannot accept an operator's connection");
                    spare.release();
                    tokio::time::sleep(limits::OPERATOR_PAUSE).await;
                    continue;
                }
            };
            let board = Arc::clone(&board);
            let (listener, spare) = (Arc::clone(&listener), Arc::clone(&spare));
            tokio::spawn(async move {
                if let Err(error) = converse(stream, &board).await {
                    debug!(%error, "Operator's connection ended early");
                }
                spare.refill(&*listener);
                drop(place);
            });
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A newer relay may have put its own file there; it only makes that one unreachable, and
        // two relays on one socket do not happen: the second refuses to start.
        if let Err(error) = std::fs::remove_file(&self.0) {
            debug!(%error, "Admin socket was gone already");
        }
    }
}

async fn converse(stream: UnixStream, board: &Arc<Board>) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut line = Vec::new();
    let mut reader = BufReader::new(reading.take(limits::ADMIN_REQUEST_MAX));
    timeout(
        limits::OPERATOR_TIMEOUT,
        reader.read_until(b'\n', &mut line),
    )
    .await??;
    let request = line.strip_suffix(b"\n").map(serde_json::from_slice);
    let (answer, body) = match request {
        Some(Ok(request)) => answer(request, board).await,
        Some(Err(error)) => (
            Answer::Error {
                message: format!("not a request: {error}"),
            },
            Vec::new(),
        ),
        None => (
            Answer::Error {
                message: "the request is cut off or too long".into(),
            },
            Vec::new(),
        ),
    };
    let mut bytes = serde_json::to_vec(&answer)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(&body);
    for part in bytes.chunks(64 * 1024) {
        timeout(limits::OPERATOR_TIMEOUT, writing.write_all(part)).await??;
    }
    timeout(limits::OPERATOR_TIMEOUT, writing.shutdown()).await?
}

async fn answer(request: Request, board: &Arc<Board>) -> (Answer, Vec<u8>) {
    match request {
        Request::Status => (Answer::Status(Box::new(board.status())), Vec::new()),
        Request::Drain { deadline_s } => {
            let deadline = Duration::from_secs(deadline_s);
            if !limits::DRAIN_DEADLINES.contains(&deadline) {
                let message = format!("a deadline is at most {:?}", limits::DRAIN_DEADLINES.end());
                return (Answer::Error { message }, Vec::new());
            }
            info!(deadline_s, "Operator asks to drain");
            board.drain(deadline).await;
            (
                Answer::Draining {
                    sessions: board.status().sessions.now,
                },
                Vec::new(),
            )
        }
        Request::Export => {
            let mut claims = Vec::new();
            match board.registrar.export(&mut claims) {
                Ok(()) => (Answer::Export, claims),
                Err(error) => (
                    Answer::Error {
                        message: error.to_string(),
                    },
                    Vec::new(),
                ),
            }
        }
    }
}
