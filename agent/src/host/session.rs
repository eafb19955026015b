//! One tunnel: each stream of it is led to the desktop.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use protocol::refusal::RefusalCode;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Host;
use super::status::{self, seconds};
use super::target::Desktop;
use crate::config::Target;
use crate::junction::Carried;
use crate::tunnel::{Ended, Stream, Tunnel};

/// How long the desktop service on this PC may take to accept.
const TARGET_WAIT: Duration = Duration::from_secs(5);
/// How long the last words to a client may take.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// Whose session it is.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) number: u64,
    pub(super) client: SocketAddr,
    pub(super) user: String,
}

/// Serves `tunnel` until it ends or the host stops.
pub(super) async fn serve(host: &Arc<Host>, tunnel: Tunnel, who: Who) {
    let Ok(_place) = host.sessions.try_acquire() else {
        turn_away(host, &tunnel, &who).await;
        return;
    };
    let Who {
        number,
        client,
        user,
    } = who;
    host.live.change(|status| {
        status.sessions.push(status::Session {
            number,
            client: client.to_string(),
            user,
            since: seconds(SystemTime::now()),
            streams: 0,
        });
    });
    let reason = serve_streams(host, &tunnel, number).await;
    // What was said last has to leave before the place counts as free.
    let _ = timeout(CLOSE_WAIT, tunnel.close()).await;
    host.live.change(|status| {
        status.sessions.retain(|session| session.number != number);
    });
    tracing::info!(session = number, %client, reason, "Session ended");
}

/// Says no through the tunnel: the places were taken while the password was checked.
async fn turn_away(host: &Host, tunnel: &Tunnel, who: &Who) {
    let (session, client) = (who.number, who.client);
    if let Some(untold) = host.pace.tell(tokio::time::Instant::now()) {
        let reason = "too_many_sessions";
        tracing::info!(session, %client, reason, untold, "Call refused");
    }
    if let Ok(Some(stream)) = timeout(TARGET_WAIT, tunnel.accept()).await {
        stream.reset(RefusalCode::TooManySessions);
    }
}

async fn serve_streams(host: &Host, tunnel: &Tunnel, session: u64) -> String {
    let mut stopping = host.stopping.subscribe();
    let mut streams = JoinSet::new();
    let wishes = Arc::new(Notify::new());
    loop {
        tokio::select! {
            stream = tunnel.accept() => match stream {
                Some(stream) => {
                    let stopping = host.stopping.subscribe();
                    let target = host.settings.now().target.clone();
                    let wishes = Arc::downgrade(&wishes);
                    streams.spawn(serve_stream(stream, target, session, wishes, stopping));
                }
                None => break,
            },
            // Finished streams are reaped here, so that the set holds the open ones only.
            Some(_) = streams.join_next() => {}
            () = wishes.notified() => tunnel.leave_full_screen(),
            () = stopped(&mut stopping) => {
                streams.join_all().await;
                return "host_stopping".to_owned();
            }
        }
        let open = streams.len();
        host.live
            .change_session(session, |session| session.streams = open);
    }
    // With the tunnel gone its streams end by themselves, and say what they have carried.
    let rest = async { while streams.join_next().await.is_some() {} };
    let _ = timeout(CLOSE_WAIT, rest).await;
    match tunnel.ended().await {
        Ended::Closed => "closed".to_owned(),
        Ended::PathDied(cause) => format!("path_died: {cause}"),
        Ended::Violation(cause) => format!("violation: {cause}"),
    }
}

async fn serve_stream(
    mut stream: Stream,
    target: Target,
    session: u64,
    wishes: Weak<Notify>,
    mut stopping: watch::Receiver<bool>,
) {
    let opening = Desktop::open(&target, session, wishes);
    let mut desktop = match timeout(TARGET_WAIT, opening).await {
        Ok(Ok(desktop)) => desktop,
        Ok(Err(error)) => return unreachable_target(stream, &target, session, &error.to_string()),
        Err(_) => return unreachable_target(stream, &target, session, "no answer in time"),
    };
    let joined = tokio::select! {
        carried = desktop.join(&mut stream) => Some(carried),
        () = stopped(&mut stopping) => None,
    };
    desktop.end().await;
    match joined {
        Some(carried) => ended(session, &carried),
        None => stream.reset(RefusalCode::HostStopping),
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // The sender lives as long as the host, and a host that is gone has stopped.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

fn unreachable_target(stream: Stream, target: &Target, session: u64, error: &str) {
    tracing::warn!(session, %target, error, "Desktop service does not answer");
    stream.reset(RefusalCode::TargetUnreachable);
}

fn ended(session: u64, carried: &Carried) {
    let Carried {
        to_local,
        to_tunnel,
        error,
    } = carried;
    match error {
        Some(error) => {
            tracing::info!(session, to_local, to_tunnel, %error, "Stream broke");
        }
        None => tracing::info!(session, to_local, to_tunnel, "Stream ended"),
    }
}
