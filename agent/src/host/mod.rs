//! The office side: stays linked to a relay, answers invites, serves streams to the desktop.
//!
//! `keeper` holds the link for life, `station` registers, `link` is one link, `call` one
//! invite, `session` one tunnel. `status` and `control` tell the commands how it stands,
//! `in_force` are its settings, `prepare` makes an office PC of this one, `rename` and `stop` are
//! what commands do that take a while.
//! Must never let a caller past the gate, log content, or end a session because a link ended.

mod call;
pub mod control;
mod error;
mod gate;
mod in_force;
mod keeper;
mod link;
pub mod log;
mod pace;
pub mod prepare;
pub mod rename;
mod session;
mod station;
pub mod status;
pub mod stop;
mod syslog;
mod target;
mod vigil;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

pub use error::LinkError;

use crate::config::{ConfigError, HostConfig};
use crate::platform;
use crate::state::HostState;
use control::{Bells, Control, Request};
use gate::Doorkeeper;
use in_force::InForce;
use pace::Pace;
use status::Live;
use vigil::{Power, Vigil};

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
    settings: Arc<InForce>,
    live: Arc<Live>,
    bells: Arc<Bells>,
    /// Epoch of the newest link; invites on older ones are stale.
    newest: watch::Sender<u64>,
    doorkeeper: Doorkeeper,
    /// How often calls that came to nothing are logged.
    pace: Pace,
    known_calls: Arc<Semaphore>,
    strange_calls: Arc<Semaphore>,
    sessions: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
    vigil: Mutex<Vigil<ThisPc>>,
}

/// The real one.
struct ThisPc;

impl Power for ThisPc {
    type Hold = platform::Awake;

    fn keep_awake(&self) -> std::io::Result<platform::Awake> {
        platform::keep_awake()
    }
}

/// Runs the host until `stop` ends, or until `tasuki-host stop`, unless `stopped_by` names another
/// command for that. `folder` is the host's part of the state directory; `load` reads the
/// settings, now and whenever they have changed.
pub async fn run(
    state: HostState,
    folder: &Path,
    load: impl Fn() -> Result<HostConfig, ConfigError> + Send + Sync + 'static,
    stopped_by: Option<String>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let _lock = state.lock()?;
    let mut control = Control::bind(folder)?;
    let settings = Arc::new(InForce::new(load)?);
    let config = settings.now();
    let host = Arc::new(Host {
        doorkeeper: Doorkeeper::new(state.clone(), Arc::clone(&settings)),
        pace: Pace::default(),
        live: Arc::default(),
        bells: Arc::default(),
        newest: watch::Sender::new(0),
        known_calls: Arc::new(Semaphore::new(CALLS_MAX)),
        strange_calls: Arc::new(Semaphore::new(CALLS_MAX)),
        sessions: Arc::new(Semaphore::new(config.max_sessions.into())),
        stopping: watch::Sender::new(false),
        vigil: Mutex::new(Vigil::new(ThisPc)),
        state,
        settings,
    });
    tracing::info!(target = %config.target, "Host starts");
    host.keep_vigil(&config);
    host.live.change(|status| status.stopped_by = stopped_by);
    let prepare = {
        let host = Arc::clone(&host);
        move |request| host.prepare_for(request)
    };
    tokio::select! {
        () = stop => {}
        () = keeper::keep(&host) => {}
        () = host.bells.stop.notified() => {}
        () = control.serve(&host.live, &host.bells, prepare) => {}
    }
    host.say_good_bye(config.max_sessions).await;
    tracing::info!("Host stops");
    Ok(())
}

impl Host {
    fn prepare_for(&self, request: Request) {
        if request == Request::Reload {
            self.take_up_settings();
        }
        self.refresh_status();
    }

    /// Settings count from the next call, stream and link on; sessions stay.
    fn take_up_settings(&self) {
        let (mut refused, mut waiting) = (None, Vec::new());
        match self.settings.reload() {
            Ok(reloaded) => {
                let names = reloaded.waiting.into_iter();
                waiting = names.map(str::to_owned).collect();
                self.keep_vigil(&self.settings.now());
            }
            Err(error) => {
                tracing::warn!(%error, "The settings were not taken; those from before hold");
                refused = Some(error.to_string());
            }
        }
        self.live.change(|status| {
            status.refused_settings = refused;
            status.waiting_settings = waiting;
        });
    }

    fn keep_vigil(&self, config: &HostConfig) {
        let mut vigil = self.vigil.lock().unwrap_or_else(PoisonError::into_inner);
        vigil.set(config.stay_awake);
    }

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
    async fn say_good_bye(&self, places: u16) {
        self.stopping.send_replace(true);
        let gone = self.sessions.acquire_many(places.into());
        if tokio::time::timeout(FAREWELL, gone).await.is_err() {
            tracing::warn!("Sessions did not end in time");
        }
    }
}
