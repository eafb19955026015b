//! How a host becomes present: version, bar, epoch, claim, and the question whether it is a clone.

use std::sync::Arc;
use std::time::SystemTime;

use protocol::claim::SignedClaim;
use protocol::id::HostKey;
use protocol::outer::Register;
use protocol::refusal::{Refusal, RefusalCode};
use protocol::sign::verify_epoch;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, timeout};
use tracing::warn;

use super::admission::Attempt;
use super::arrival::greet;
use super::connection::Connection;
use super::presence::{Newcomer, Obstacle, Order, Orders};
use super::refusal;
use super::shared::{Shared, Unproven};
use crate::limits;
use crate::registrar::{AdmitRequest, Admitted};

/// A host that is present from now on.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) version: u16,
    pub(super) claim: SignedClaim,
    pub(super) orders: Orders,
}

/// Lets the host in, or says why not.
pub(super) async fn register(
    connection: &Connection,
    register: &Register,
    unproven: &mut Option<Unproven>,
    shared: &Arc<Shared>,
) -> Result<Registration, Box<Refusal>> {
    let peer = connection.peer;
    let version = greet(peer, register.versions, shared)?;
    if let Some(refusal) = shared.draining() {
        return Err(refusal);
    }
    let host_key = connection
        .host_key
        .ok_or_else(|| refusal::plain(RefusalCode::HostKeyMissing))?;
    let Register {
        nonce,
        epoch,
        epoch_signature,
        ..
    } = register;
    if verify_epoch(&host_key, *nonce, *epoch, epoch_signature).is_err() {
        let refusal = refusal::plain(RefusalCode::BadFrame);
        return Err(shared.failed(peer.ip(), Attempt::Handshake, refusal));
    }
    let admitted = admit(connection, host_key, register, unproven, shared)
        .await
        .map_err(|code| {
            // A board that cannot write, or has no room, is no fault of the host.
            let ours = [RefusalCode::RegistrarUnavailable, RefusalCode::BoardFull];
            if ours.contains(&code) {
                refusal::soon(code)
            } else {
                shared.failed(peer.ip(), Attempt::Lookup, refusal::plain(code))
            }
        })?;
    if let Some(former) = admitted.superseded {
        shared.presence.end(&former, RefusalCode::ClaimSuperseded);
    }
    let newcomer = Box::new(Newcomer {
        host_key,
        id: admitted.claim.claim.computer_id.clone(),
        nonce: *nonce,
        epoch: *epoch,
        slot_key: register.slot_key.clone(),
    });
    let orders = enter(newcomer, shared).await?;
    Ok(Registration {
        version,
        claim: admitted.claim,
        orders,
    })
}

/// Asks the registrar: at once where it knows the answer, else on a thread that may block. So new
/// hosts, each of which costs a write to the disk, never hold up known ones.
async fn admit(
    connection: &Connection,
    host_key: HostKey,
    register: &Register,
    unproven: &mut Option<Unproven>,
    shared: &Arc<Shared>,
) -> Result<Admitted, RefusalCode> {
    let (claim, wish) = (register.claim.clone(), register.wish.clone());
    let from = connection.peer.ip();
    let request = AdmitRequest {
        host_key,
        claim: claim.as_ref(),
        wish: wish.as_ref(),
        from,
        now: SystemTime::now(),
    };
    if let Some(decided) = shared.registrar.recognise(&request) {
        return decided;
    }
    let full = |_| RefusalCode::RegistrarUnavailable;
    let _place = shared.registrations_waiting.try_acquire().map_err(full)?;
    // What takes its time from here on is our disk: nobody may lose its place for that.
    if unproven.take().is_some_and(|unproven| !unproven.prove()) {
        return Err(RefusalCode::BoardFull);
    }
    let _permit = shared
        .registrations
        .acquire()
        .await
        .map_err(|_| RefusalCode::RegistrarUnavailable)?;
    let registrar = Arc::clone(&shared.registrar);
    let decide = move || {
        registrar.admit(&AdmitRequest {
            host_key,
            claim: claim.as_ref(),
            wish: wish.as_ref(),
            from,
            now: SystemTime::now(),
        })
    };
    // A simulated board has one thread, so that it does the same again.
    if cfg!(test) {
        return decide();
    }
    tokio::task::spawn_blocking(decide)
        .await
        .unwrap_or(Err(RefusalCode::RegistrarUnavailable))
}

/// Makes the host present. Where another process holds its place, that one is probed: if it lives,
/// the newcomer is a clone.
async fn enter(mut newcomer: Box<Newcomer>, shared: &Shared) -> Result<Orders, Box<Refusal>> {
    let mut silent = None;
    // The incumbent may change while it is probed, but not more often than somebody registers.
    for _ in 0..=limits::PROBES_PER_LINK {
        let (obstacle, again) = match shared.presence.enter(newcomer, silent) {
            Ok(orders) => return Ok(orders),
            Err(refused) => refused,
        };
        newcomer = again;
        match obstacle {
            Obstacle::Stale => return Err(refusal::plain(RefusalCode::LinkReplaced)),
            Obstacle::Full => {
                return Err(refusal::soon(RefusalCode::BoardFull));
            }
            Obstacle::Occupied { number, orders } => {
                match probe(&orders, shared.settings.timing.probe).await {
                    Probe::Silent => silent = Some(number),
                    Probe::Gone => {}
                    Probe::Alive => {
                        warn!(computer_id = %newcomer.id, "Two machines show the same host key");
                        return Err(refusal::plain(RefusalCode::Clone));
                    }
                }
            }
        }
    }
    Err(refusal::soon(RefusalCode::TooManyAttempts))
}

enum Probe {
    Alive,
    Silent,
    /// The link is over, or too many ask it.
    Gone,
}

async fn probe(orders: &mpsc::Sender<Order>, deadline: Duration) -> Probe {
    let (answer, answered) = oneshot::channel();
    let ask = async {
        orders.send(Order::Probe(answer)).await.ok()?;
        answered.await.ok()
    };
    match timeout(deadline, ask).await {
        Ok(Some(())) => Probe::Alive,
        Ok(None) => Probe::Gone,
        Err(_) => Probe::Silent,
    }
}
