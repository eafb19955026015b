//! Taking over a changed configuration while everything runs: SIGHUP, `systemctl reload`.
//!
//! All or nothing: a file with one mistake changes nothing at all. What cannot change at run time
//! is named in the log and in the status, and waits for a restart. No link and no session notices,
//! but those that are barred.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use sd_notify::NotifyState;
use tracing::{error, info, warn};

use crate::admin::status::Configuration;
use crate::board::{Board, date, date_of};
use crate::config::change::Change;
use crate::config::{Config, ConfigError};
use crate::control;
use crate::watch::summary;

/// What came of reading the configuration, the last time.
#[derive(Debug)]
pub(crate) struct Reading {
    at: Instant,
    mistakes: Vec<String>,
    waiting: Vec<&'static str>,
}

impl Reading {
    /// The first one, which was fine.
    pub(crate) fn first(at: Instant) -> Self {
        Self {
            at,
            mistakes: Vec::new(),
            waiting: Vec::new(),
        }
    }

    pub(crate) fn status(&self) -> Configuration {
        Configuration {
            read: date_of(self.at),
            mistakes: self.mistakes.clone(),
            needs_restart: self.waiting.iter().map(ToString::to_string).collect(),
        }
    }

    /// What the operator should do about it.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(first) = self.mistakes.first() {
            let others = match self.mistakes.len() - 1 {
                0 => String::new(),
                others => format!(" (and {others} more mistakes)"),
            };
            warnings.push(format!(
                "the changed configuration was refused and the old one stays in use: \
                 {first}{others}; correct it, then reload"
            ));
        }
        if !self.waiting.is_empty() {
            warnings.push(format!(
                "changes of {} wait for a restart",
                self.waiting.join(", ")
            ));
        }
        warnings
    }
}

impl Board {
    /// Reads the configuration and the node file again and goes on with them.
    pub async fn reload(self: &Arc<Self>) {
        let mut states = vec![NotifyState::Reloading];
        // systemd takes the answer for this reload, and for no earlier one, by the time in it.
        states.extend(NotifyState::monotonic_usec_now());
        self.systemd.tell(&states);

        let board = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || board.take_files(SystemTime::now())).await;
        let mut reading = Reading::first(Instant::now());
        match read {
            Ok(Ok(change)) => {
                reading.waiting.clone_from(&change.waiting);
                self.take(change).await;
            }
            Ok(Err(ConfigError(mistakes))) => reading.mistakes = mistakes,
            Err(error) => reading.mistakes = vec![error.to_string()],
        }
        for mistake in &reading.mistakes {
            error!(
                mistake,
                "The configuration was not taken; the old one stays in use"
            );
        }
        self.set_reading(reading);

        let summary = summary(self, &self.warnings());
        self.systemd
            .tell(&[NotifyState::Ready, NotifyState::Status(&summary)]);
    }

    /// Everything that can fail, and what only the node file decides. Waits for the disk.
    fn take_files(&self, now: SystemTime) -> Result<Change, ConfigError> {
        let change = self.config().reread(now)?;
        let Config { node, limits, .. } = &change.config;
        self.tls
            .renew(&node.certificate, &node.key)
            .map_err(|error| ConfigError(vec![format!("the node file: {error}")]))?;
        self.registrar.set_node(node, now);
        self.registrar.set_claims_per_range(limits.claims_per_range);
        Ok(change)
    }

    async fn take(&self, change: Change) {
        let Change {
            config,
            taken,
            waiting,
        } = change;
        info!(
            changed = taken.join(", "),
            certificate_until = date(config.identity.not_after),
            "Read the configuration again"
        );
        if !waiting.is_empty() {
            warn!(keys = waiting.join(", "), "These changes need a restart");
        }
        self.control.bound(control::Bounds {
            links_max: config.limits.hosts,
            parked_max: config.limits.parked_legs,
            unproven_per_address: config.limits.unproven_per_address,
            ping_interval: config.ping_interval,
        });
        let bars = config.bars.clone();
        let bars_changed = bars != self.config().bars;
        self.set_config(config);
        if bars_changed {
            self.control.bar(bars).await;
        }
    }
}
