//! The running board: every part of it in one place, for whoever looks at it or stops it.
//!
//! Owns nothing but the parts and the phase; [`crate::startup`] makes it, [`crate::shutdown`] ends
//! it, the admin socket and the metrics look at it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use tracing::{info, warn};

use crate::admin::status::{
    Bytes, Certificate, Hosts, Legs, Phase, Process, Sandbox, Sessions, Status,
};
use crate::config::Config;
use crate::control::{Control, Shortage};
use crate::data::{DataPlane, EndReason};
use crate::registrar::Registrar;
use crate::reload::Reading;
use crate::sys;
use crate::systemd::Systemd;
use crate::tls::OuterTls;

/// All parts of a relay that runs.
#[derive(Debug)]
pub struct Board {
    /// What it goes by now.
    pub(crate) config: RwLock<Arc<Config>>,
    pub(crate) reading: Mutex<Reading>,
    pub(crate) registrar: Arc<Registrar>,
    pub(crate) data: Arc<DataPlane>,
    pub(crate) control: Control,
    pub(crate) tls: OuterTls,
    pub(crate) systemd: Systemd,
    pub(crate) phase: Mutex<Phase>,
    /// What holds this process.
    pub(crate) sandbox: Sandbox,
    /// Where metrics are, if anywhere.
    pub(crate) metrics_address: Option<SocketAddr>,
    pub(crate) started: Instant,
}

impl Board {
    /// How everything stands.
    pub fn status(&self) -> Status {
        let control = self.control.status();
        let counters = self.control.counters();
        let registrar = self.registrar.status();
        let stats = self.data.stats();
        let config = self.config();
        let limits = &config.limits;
        let count = |(label, count): (&str, u64)| (label.to_owned(), count);
        Status {
            name: config.node.name.to_string(),
            deployment: config.node.deployment.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            phase: self.phase(),
            started: date_of(self.started),
            uptime_s: self.started.elapsed().as_secs(),
            drain_rest_s: control.drain_rest_s,
            listen: self.control.addresses().to_vec(),
            metrics: self.metrics_address,
            hosts: Hosts {
                online: control.links,
                limit: limits.hosts,
                known: registrar.known,
            },
            sessions: Sessions {
                now: control.sessions,
                limit: limits.sessions,
                joined: stats.sessions_joined,
                ended: EndReason::ALL
                    .iter()
                    .map(|reason| (reason.as_str().to_owned(), stats.ended_for(*reason)))
                    .collect(),
            },
            legs: Legs {
                parked: control.parked,
                limit: limits.parked_legs,
                unproven: control.unproven,
                accept_paused: control.shortage.is_some(),
            },
            bytes: Bytes {
                to_host: stats.bytes.to_host,
                to_client: stats.bytes.to_client,
                spliced: stats.bytes_spliced,
                copied: stats.bytes_copied,
            },
            refused: counters.refused().map(count).collect(),
            handshakes_failed: counters.handshakes_failed().map(count).collect(),
            certificate: self.certificate(SystemTime::now()),
            // What is said elsewhere in this status, and no later reading of it.
            warnings: self.warnings_at(control.shortage),
            registrar,
            process: self.process(),
            sandbox: self.sandbox.clone(),
            configuration: self.reading().status(),
        }
    }

    /// Takes no new hosts and sessions, and ends what is left after `deadline`.
    /// Returns at once; a second call changes the deadline.
    pub async fn drain(self: &Arc<Self>, deadline: Duration) {
        self.control.drain(deadline);
        let first = {
            let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
            let first = *phase == Phase::Serving;
            if first {
                *phase = Phase::Draining;
            }
            first
        };
        if !first {
            return;
        }
        let registrar = Arc::clone(&self.registrar);
        self.off_the_runtime(move || registrar.set_draining(true, SystemTime::now()))
            .await;
        let board = Arc::clone(self);
        tokio::spawn(async move {
            board.control.drained().await;
            info!("Drained");
        });
    }

    /// What the relay is doing.
    pub fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    /// When the board's certificate ends.
    pub(crate) fn certificate_end(&self) -> SystemTime {
        self.config().identity.not_after
    }

    /// What needs somebody's attention, and what to do about it.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings_at(self.control.counters().shortage())
    }

    fn warnings_at(&self, shortage: Option<Shortage>) -> Vec<String> {
        let mut warnings = Vec::new();
        warnings.extend(self.config().identity.warning(SystemTime::now()));
        warnings.extend(self.registrar.trouble().map(|trouble| {
            format!("no new computer IDs: {trouble}; known hosts are not affected")
        }));
        if !self.sandbox.enabled {
            warnings.push("the sandbox is off: take sandbox = false out of relay.toml".to_owned());
        }
        warnings.extend(shortage.map(|shortage| shortage.text().to_owned()));
        warnings.extend(self.data.stuck().iter().map(|worker| {
            format!(
                "data worker {worker} is stuck, and a share of the sessions with it; systemd \
                 restarts the relay unless it moves soon; report it, with the log"
            )
        }));
        warnings.extend(self.reading().warnings());
        warnings
    }

    /// The configuration in use.
    pub(crate) fn config(&self) -> Arc<Config> {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&config)
    }

    pub(crate) fn set_config(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    pub(crate) fn set_reading(&self, reading: Reading) {
        *self.reading() = reading;
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs what waits for a disk where it holds up nobody.
    async fn off_the_runtime(&self, work: impl FnOnce() + Send + 'static) {
        if let Err(error) = tokio::task::spawn_blocking(work).await {
            warn!(%error, "Work on the disk was abandoned");
        }
    }

    fn certificate(&self, now: SystemTime) -> Certificate {
        let end = self.certificate_end();
        let left = end.duration_since(now).unwrap_or_default();
        Certificate {
            expires: date(end),
            days_left: left.as_secs() / (24 * 3_600),
        }
    }

    fn process(&self) -> Process {
        Process {
            workers: self.config().workers,
            stuck: self.data.stuck(),
            memory_bytes: sys::process::resident_bytes().ok(),
            descriptors: sys::process::open_descriptors().ok(),
            descriptors_limit: sys::process::descriptor_limit().unwrap_or(0),
        }
    }
}

/// When it was, by the clock as it is now: a board's clock begins wrong and is put right later.
pub(crate) fn date_of(moment: Instant) -> String {
    let now = SystemTime::now();
    date(now.checked_sub(moment.elapsed()).unwrap_or(UNIX_EPOCH))
}

/// A time as people and programs read it, to the second.
pub(crate) fn date(time: SystemTime) -> String {
    let since = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let timestamp = i64::try_from(since)
        .ok()
        .and_then(|since| Timestamp::from_second(since).ok());
    timestamp.map_or_else(
        || "out of range".to_owned(),
        |timestamp| timestamp.to_string(),
    )
}
