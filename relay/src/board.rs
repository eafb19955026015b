//! The running board: every part of it in one place, for whoever looks at it or stops it.
//!
//! Owns nothing but the parts and the phase; [`crate::startup`] makes it, [`crate::shutdown`] ends
//! it, the admin socket and the metrics look at it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use tracing::{error, info, warn};

use crate::admin::status::{
    Bytes, Certificate, Hosts, Legs, Phase, Process, Sandbox, Sessions, Status,
};
use crate::config::{Config, Identity};
use crate::control::Control;
use crate::data::{DataPlane, EndReason};
use crate::registrar::Registrar;
use crate::sys;
use crate::tls::OuterTls;

/// All parts of a relay that runs.
#[derive(Debug)]
pub struct Board {
    pub(crate) config: Config,
    pub(crate) registrar: Arc<Registrar>,
    pub(crate) data: Arc<DataPlane>,
    pub(crate) control: Control,
    pub(crate) tls: OuterTls,
    /// Descriptors that this process may have open.
    pub(crate) descriptors: u64,
    pub(crate) identity: RwLock<Identity>,
    pub(crate) phase: Mutex<Phase>,
    /// What holds this process.
    pub(crate) sandbox: Sandbox,
    /// Where metrics are, if anywhere.
    pub(crate) metrics_address: Option<SocketAddr>,
    pub(crate) started: SystemTime,
    pub(crate) started_at: Instant,
}

impl Board {
    /// How everything stands.
    pub fn status(&self) -> Status {
        let control = self.control.status();
        let counters = self.control.counters();
        let registrar = self.registrar.status();
        let stats = self.data.stats();
        let limits = &self.config.limits;
        let count = |(label, count): (&str, u64)| (label.to_owned(), count);
        Status {
            name: self.config.node.name.to_string(),
            deployment: self.config.node.deployment.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            phase: self.phase(),
            started: date(self.started),
            uptime_s: self.started_at.elapsed().as_secs(),
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
                accept_paused: control.accept_paused,
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
            warnings: self.warnings(registrar.trouble.as_deref(), control.accept_paused),
            registrar,
            process: self.process(),
            sandbox: self.sandbox.clone(),
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

    /// Shows a renewed certificate from now on, and refuses what the node file newly revokes.
    pub async fn reload(self: &Arc<Self>) {
        let board = Arc::clone(self);
        self.off_the_runtime(move || board.reread_node(SystemTime::now()))
            .await;
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
        self.identity().not_after
    }

    fn reread_node(&self, now: SystemTime) {
        let (node, identity) = match self.config.reread_node(now) {
            Ok(read) => read,
            Err(mistakes) => {
                error!(%mistakes, "The node file was not taken; the old one stays in use");
                return;
            }
        };
        if let Err(error) = self.tls.renew(&node.certificate, &node.key) {
            error!(%error, "The renewed certificate was not taken; the old one stays in use");
            return;
        }
        self.registrar.set_node(&node, now);
        info!(
            expires = date(identity.not_after),
            "Took the node file anew"
        );
        *self
            .identity
            .write()
            .unwrap_or_else(PoisonError::into_inner) = identity;
    }

    /// Runs what waits for a disk where it holds up nobody.
    async fn off_the_runtime(&self, work: impl FnOnce() + Send + 'static) {
        if let Err(error) = tokio::task::spawn_blocking(work).await {
            warn!(%error, "Work on the disk was abandoned");
        }
    }

    fn identity(&self) -> Identity {
        self.identity
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn certificate(&self, now: SystemTime) -> Certificate {
        let end = self.certificate_end();
        let left = end.duration_since(now).unwrap_or_default();
        Certificate {
            expires: date(end),
            days_left: left.as_secs() / (24 * 3_600),
        }
    }

    fn warnings(&self, trouble: Option<&str>, accept_paused: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        warnings.extend(self.identity().warning(SystemTime::now()));
        warnings.extend(trouble.map(|trouble| {
            format!("no new computer IDs: {trouble}; known hosts are not affected")
        }));
        if !self.sandbox.enabled {
            warnings.push("the sandbox is off: take sandbox = false out of relay.toml".to_owned());
        }
        if accept_paused {
            warnings
                .push("no new connections: descriptors are short; raise LimitNOFILE".to_owned());
        }
        warnings
    }

    fn process(&self) -> Process {
        Process {
            workers: self.config.workers,
            memory_bytes: sys::process::resident_bytes().ok(),
            descriptors: sys::process::open_descriptors().ok(),
            descriptors_limit: self.descriptors,
        }
    }
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
