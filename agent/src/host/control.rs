//! The running host's local socket: how `status`, `rename` and `reset-identity` reach it.
//!
//! One line of JSON asks, one answers. The socket lies in the host's folder, which only its
//! owner may enter; whoever opens it holds the state's run lock, so that it is never stolen.

use std::fs::Permissions;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore};

use super::status::{Live, Status};

const SOCKET: &str = "control.sock";
/// Longest line either way.
const LINE_MAX: u64 = 64 * 1024;
/// How long either side waits for the other's line.
const PATIENCE: Duration = Duration::from_secs(5);
/// Askers at once; more wait in the kernel's queue.
const ASKERS_MAX: usize = 8;

/// What can be asked of a running host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// How do you stand?
    Status,
    /// Identity or wish have changed on disk: take them up.
    Reload,
}

/// The socket, open as long as the host runs.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
}

impl Control {
    /// Opens the socket in `folder`, the host's part of the state directory. The caller
    /// holds the run lock, so a socket that lies there is what a killed host left behind.
    pub fn bind(folder: &Path) -> io::Result<Self> {
        let path = folder.join(SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Self { listener })
    }

    /// Answers until dropped; `refresh` brings `live` up to date, a `Reload` wakes `reload`.
    pub async fn serve(&self, live: &Arc<Live>, reload: &Arc<Notify>, refresh: impl Fn()) {
        let askers = Arc::new(Semaphore::new(ASKERS_MAX));
        loop {
            let Ok(permit) = Arc::clone(&askers).acquire_owned().await else {
                return;
            };
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "Control socket cannot accept");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            refresh();
            let (live, reload) = (Arc::clone(live), Arc::clone(reload));
            tokio::spawn(async move {
                let answered = answer(stream, &live, &reload);
                // An asker that went away or stays silent is dropped.
                let _ = tokio::time::timeout(PATIENCE, answered).await;
                drop(permit);
            });
        }
    }
}

async fn answer(mut stream: UnixStream, live: &Live, reload: &Notify) -> io::Result<()> {
    let (source, mut sink) = stream.split();
    let mut line = String::new();
    let mut source = tokio::io::BufReader::new(source.take(LINE_MAX));
    source.read_line(&mut line).await?;
    match serde_json::from_str(&line)? {
        Request::Status => {}
        Request::Reload => reload.notify_one(),
    }
    let mut answer = serde_json::to_vec(&live.now())?;
    answer.push(b'\n');
    sink.write_all(&answer).await
}

/// Asks the host that runs on `folder`; `None` if there is none.
pub fn ask(folder: &Path, request: Request) -> io::Result<Option<Status>> {
    let mut stream = match StdUnixStream::connect(folder.join(SOCKET)) {
        Ok(stream) => stream,
        Err(error) if nobody_listens(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE_MAX)).read_line(&mut answer)?;
    Ok(Some(serde_json::from_str(&answer)?))
}

fn nobody_listens(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::NotFound || kind == io::ErrorKind::ConnectionRefused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_with_the_status_and_passes_a_reload_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let control = Control::bind(folder.path()).expect("bind");
        let live = Arc::new(Live::default());
        let reload = Arc::new(Notify::new());
        live.change(|status| status.computer_id = Some("pc-1".into()));
        let path = folder.path().to_owned();

        let asked = tokio::task::spawn_blocking(move || ask(&path, Request::Reload));
        let answer = tokio::select! {
            () = control.serve(&live, &reload, || {}) => unreachable!("serves for ever"),
            answer = asked => answer.expect("no panic").expect("an answer"),
        };

        assert_eq!(answer, Some(live.now()));
        let reloaded = tokio::time::timeout(PATIENCE, reload.notified()).await;
        assert!(reloaded.is_ok());
    }

    #[tokio::test]
    async fn what_a_killed_host_left_behind_is_no_host() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(Control::bind(folder.path()).expect("bind"));

        let answer = ask(folder.path(), Request::Status).expect("is no error");

        assert_eq!(answer, None);
        Control::bind(folder.path()).expect("the place is free again");
    }

    #[test]
    fn asking_where_no_host_runs_finds_nobody() {
        let folder = tempfile::tempdir().expect("a folder");

        let answer = ask(folder.path(), Request::Status).expect("is no error");

        assert_eq!(answer, None);
    }
}
