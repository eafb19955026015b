//! The running host's local door: how commands and the settings tool reach it.
//!
//! One line of JSON asks, one answers. Who may knock is the platform's part: nobody who may
//! not open the host's folder. Whoever opens the door holds the state's run lock.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, split,
};
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

use super::status::{Live, Status};
use crate::platform::{ControlListener, reach_control};
use crate::state::StateError;

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
    /// Identity, wish or `host.toml` have changed on disk: take them up.
    Reload,
    /// End in order; where the answer says that another command stops you, go on.
    Stop,
}

/// A running host could not be asked for something.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the running tasuki-host does not answer")]
    Ask(#[from] io::Error),
}

/// What wakes the rest of the host.
#[derive(Debug, Default)]
pub struct Bells {
    /// Identity, wish or settings have changed.
    pub reload: Notify,
    /// Somebody who may has asked for the end.
    pub stop: Notify,
}

/// The door, open as long as the host runs.
#[derive(Debug)]
pub struct Control {
    listener: ControlListener,
}

impl Control {
    /// Opens the door of `folder`, the host's part of the state directory. The caller
    /// holds the run lock.
    pub fn bind(folder: &Path) -> io::Result<Self> {
        let listener = ControlListener::bind(folder)?;
        Ok(Self { listener })
    }

    /// Answers until dropped. `prepare` hears each request first, and brings `live` up to date; a
    /// `Reload` then wakes `bells.reload`, and a `Stop` that is granted `bells.stop`.
    pub async fn serve(
        &mut self,
        live: &Arc<Live>,
        bells: &Arc<Bells>,
        prepare: impl Fn(Request) + Clone + Send + 'static,
    ) {
        let askers = Arc::new(Semaphore::new(ASKERS_MAX));
        loop {
            let Ok(permit) = Arc::clone(&askers).acquire_owned().await else {
                return;
            };
            let stream = match self.listener.accept().await {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(%error, "Control socket cannot accept");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            let (live, bells) = (Arc::clone(live), Arc::clone(bells));
            let prepare = prepare.clone();
            tokio::spawn(async move {
                let answered = answer(stream, &live, &bells, prepare);
                // An asker that went away or stays silent is dropped.
                let _ = timeout(PATIENCE, answered).await;
                drop(permit);
            });
        }
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite,
    live: &Live,
    bells: &Bells,
    prepare: impl Fn(Request),
) -> io::Result<()> {
    let (source, mut sink) = split(stream);
    let mut line = String::new();
    let mut source = BufReader::new(source.take(LINE_MAX));
    source.read_line(&mut line).await?;
    let request = serde_json::from_str(&line)?;
    prepare(request);
    if request == Request::Reload {
        bells.reload.notify_one();
    }
    let status = live.now();
    let mut answer = serde_json::to_vec(&status)?;
    answer.push(b'\n');
    sink.write_all(&answer).await?;
    // The asker closes first: what it has not read yet may be lost with this end.
    let closed = source.read(&mut [0]).await.map(drop);
    if request == Request::Stop && status.stopped_by.is_none() {
        bells.stop.notify_one();
    }
    closed
}

/// Asks the host that runs on `folder`; `None` if there is none. Not for asynchronous code.
pub fn ask(folder: &Path, request: Request) -> io::Result<Option<Status>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let asked = async {
        let Some(stream) = reach_control(folder).await? else {
            return Ok(None);
        };
        let (source, mut sink) = split(stream);
        let mut line = serde_json::to_vec(&request)?;
        line.push(b'\n');
        sink.write_all(&line).await?;
        let mut answer = String::new();
        let mut source = BufReader::new(source.take(LINE_MAX));
        source.read_line(&mut answer).await?;
        Ok(Some(serde_json::from_str(&answer)?))
    };
    runtime.block_on(async { timeout(PATIENCE, asked).await })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_with_the_status_and_passes_a_reload_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut control = Control::bind(folder.path()).expect("bind");
        let (live, bells) = (Arc::new(Live::default()), Arc::new(Bells::default()));
        live.change(|status| status.computer_id = Some("pc-1".into()));
        let path = folder.path().to_owned();

        let asked = tokio::task::spawn_blocking(move || ask(&path, Request::Reload));
        let answer = tokio::select! {
            () = control.serve(&live, &bells, |_| {}) => unreachable!("serves for ever"),
            answer = asked => answer.expect("no panic").expect("an answer"),
        };

        assert_eq!(answer, Some(live.now()));
        let reloaded = timeout(PATIENCE, bells.reload.notified()).await;
        assert!(reloaded.is_ok());
    }

    #[tokio::test]
    async fn an_end_is_passed_on_unless_another_command_is_for_that() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut control = Control::bind(folder.path()).expect("bind");
        let live = Arc::new(Live::default());
        let service = Some("systemctl stop it".to_owned());
        for (command, patience) in [(service, Duration::ZERO), (None, PATIENCE)] {
            let bells = Arc::new(Bells::default());
            live.change(|status| status.stopped_by.clone_from(&command));
            let path = folder.path().to_owned();
            let asked = tokio::task::spawn_blocking(move || ask(&path, Request::Stop));

            let stopped = tokio::select! {
                () = control.serve(&live, &bells, |_| {}) => unreachable!("serves for ever"),
                stopped = async {
                    let answer = asked.await.expect("no panic").expect("an answer");
                    assert_eq!(answer, Some(live.now()));
                    // Whoever is answered next comes after it.
                    let path = folder.path().to_owned();
                    let next = tokio::task::spawn_blocking(move || ask(&path, Request::Status));
                    next.await.expect("no panic").expect("an answer");
                    timeout(patience, bells.stop.notified()).await.is_ok()
                } => stopped,
            };

            assert_eq!(stopped, command.is_none());
        }
    }

    #[tokio::test]
    async fn what_a_killed_host_left_behind_is_no_host() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(Control::bind(folder.path()).expect("bind"));

        let path = folder.path().to_owned();
        let asked = tokio::task::spawn_blocking(move || ask(&path, Request::Status));
        let answer = asked.await.expect("no panic").expect("is no error");

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
