//! Looks after a relay that runs: that everything moves, that the certificate lasts, that nothing
//! is short. What needs attention goes to the log once, to systemd, and into the status.
//!
//! That these tasks run is the sign of life of the control plane: all of it shares one runtime.

use std::sync::Arc;
use std::time::SystemTime;

use sd_notify::NotifyState;
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use crate::board::Board;
use crate::limits;

/// Keeps the registrar's papers fresh.
pub(crate) async fn keep_papers(board: Arc<Board>) {
    let mut interval = tokio::time::interval(limits::REGISTRAR_TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let registrar = Arc::clone(&board.registrar);
        let ticked = tokio::task::spawn_blocking(move || registrar.tick(SystemTime::now())).await;
        if let Err(error) = ticked {
            warn!(%error, "The registrar's upkeep was abandoned");
        }
    }
}

/// Tells systemd that the relay lives, as long as every data worker moves; and tells everybody
/// what needs attention.
pub(crate) async fn watch(board: Arc<Board>) {
    let mut told = Vec::new();
    loop {
        let warnings = board.warnings();
        if warnings != told {
            tell_changes(&told, &warnings);
            board
                .systemd
                .tell(&[NotifyState::Status(&summary(&board, &warnings))]);
            told = warnings;
        }
        tokio::time::sleep(limits::WATCH_INTERVAL).await;
        board.data.look();
        if board.data.stuck().is_empty() {
            board.systemd.tell(&[NotifyState::Watchdog]);
        }
    }
}

fn tell_changes(before: &[String], now: &[String]) {
    for warning in now.iter().filter(|warning| !before.contains(warning)) {
        warn!(warning, "Needs attention");
    }
    for warning in before.iter().filter(|warning| !now.contains(warning)) {
        info!(warning, "No longer so");
    }
}

/// What `systemctl status` shows.
pub(crate) fn summary(board: &Board, warnings: &[String]) -> String {
    let phase = board.phase().title();
    match warnings {
        [] => phase.to_owned(),
        warnings => format!("{phase}; {}", warnings.join("; ")),
    }
}
