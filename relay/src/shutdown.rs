//! How a relay ends: by signal, after a drain, or at once.
//!
//! SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reads the configuration again.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::admin::status::Phase;
use crate::limits;
use crate::startup::Running;

/// The signals that a relay minds, from this call on.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals over from the kernel's defaults.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn take() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next of them.
    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
            _ = self.hangup.recv() => Told::Reload,
        }
    }

    async fn end(&mut self) {
        while self.next().await != Told::End {}
    }
}

/// What a signal asks for.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    End,
    Reload,
}

/// Lets the relay run until it is told to end, and ends it.
pub async fn serve_until_signal(running: Running, mut signals: Signals) {
    while signals.next().await == Told::Reload {
        running.board.reload().await;
    }
    let deadline = running.board.config().drain_deadline;
    info!(
        deadline_s = deadline.as_secs(),
        "Told to end; waiting for the sessions"
    );
    let draining = [NotifyState::Stopping, NotifyState::Status("Draining")];
    running.board.systemd.tell(&draining);
    running.board.drain(deadline).await;
    tokio::select! {
        () = running.board.control.drained() => {}
        () = signals.end() => info!("Told again; ending at once"),
    }
    running.stop().await;
}

impl Running {
    /// Ends everything now; sessions are cut.
    pub async fn stop(self) {
        let Self { board, tasks, .. } = self;
        board.set_phase(Phase::Stopping);
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            // It was told to end in the middle of things.
            let _ = task.await;
        }
        let last = Arc::clone(&board);
        let data = tokio::task::spawn_blocking(move || {
            last.registrar.tick(SystemTime::now());
            last.data.shutdown();
        });
        // Side by side: control logs the sessions that the data plane ends.
        let control = timeout(limits::STOP_DEADLINE, board.control.shutdown());
        let (data, control) = tokio::join!(data, control);
        if let Err(error) = data {
            warn!(%error, "The data plane did not end properly");
        }
        if control.is_err() {
            warn!("The control plane did not end in time");
        }
        info!("Stopped");
    }
}
