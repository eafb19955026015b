//! The office side: stays linked to a relay, answers invites, serves streams to the desktop.
//!
//! `keeper` holds the link for life, `station` registers, `link` is one link, `call` one
//! invite, `session` one tunnel. `status` and `control` tell the commands how it stands.
//! Must never let a caller past the gate, log content, or end a session because a link ended.

mod call;
pub mod control;
mod error;
mod gate;
mod keeper;
mod link;
pub mod log;
mod pace;
mod session;
mod station;
pub mod status;
mod syslog;
mod target;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};

pub use error::LinkError;

use crate::config::HostConfig;
use crate::state::HostState;
use control::Control;
use gate::Doorkeeper;
use pace::Pace;
use status::Live;

/// Program and version, as the relay hears it.
const SOFTWARE: &str = concat!("tasuki-host ", env!("CARGO_PKG_VERSION"));
/// Callers that may be in the password check at once: those known by a return tag, and
/// strangers. Each costs an Argon2 computation's memory.
const CALLS_MAX: usize = 8;
/// How long sessions get to say good-bye when the host stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// What all tasks of a running host share.
struct Host {
    state: HostState,
    config: HostConfig,
    live: Arc<Live>,
    reload: Arc<Notify>,
    /// Epoch of the newest link; invites on older ones are stale.
    newest: watch::Sender<u64>,
    doorkeeper: Doorkeeper,
    /// How often calls that came to nothing are logged.
    pace: Pace,
    known_calls: Arc<Semaphore>,
    strange_calls: Arc<Semaphore>,
    sessions: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
}

/// Runs the host until `stop` ends. `folder` is the host's part of the state directory.
pub async fn run(
    state: HostState,
    folder: &Path,
    config: HostConfig,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let _lock = state.lock()?;
    let mut control = Control::bind(folder)?;
    let host = Arc::new(Host {
        doorkeeper: Doorkeeper::new(state.clone(), config.address_rules.clone()),
        pace: Pace::default(),
        live: Arc::default(),
        reload: Arc::default(),
        newest: watch::Sender::new(0),
        known_calls: Arc::new(Semaphore::new(CALLS_MAX)),
        strange_calls: Arc::new(Semaphore::new(CALLS_MAX)),
        sessions: Arc::new(Semaphore::new(config.max_sessions.into())),
        stopping: watch::Sender::new(false),
        state,
        config,
    });
    tracing::info!(target = %host.config.target, "Host starts");
    tokio::select! {
        () = stop => {}
        () = keeper::keep(&host) => {}
        () = control.serve(&host.live, &host.reload, || host.refresh_status()) => {}
    }
    host.say_good_bye().await;
    tracing::info!("Host stops");
    Ok(())
}

impl Host {
    /// What the status shows but no event tells: files that commands change.
    fn refresh_status(&self) {
        let password_set = self
            .state
            .password_record()
            .is_ok_and(|record| record.is_some());
        let wish = self.state.wish().ok().flatten();
        self.live.change(|status| {
            status.running = true;
            status.password_set = password_set;
            status.wish = wish.map(|wish| wish.to_string());
        });
    }

    /// Tells every session that the host stops, and waits until they have passed it on.
    async fn say_good_bye(&self) {
        self.stopping.send_replace(true);
        let all = u32::from(self.config.max_sessions);
        let gone = self.sessions.acquire_many(all);
        if tokio::time::timeout(FAREWELL, gone).await.is_err() {
            tracing::warn!("Sessions did not end in time");
        }
    }
}
