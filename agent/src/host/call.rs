//! One invite: screened on the link, answered on a leg of its own, let in by the gate.

use std::sync::Arc;
use std::time::Duration;

use protocol::id::BoardName;
use protocol::outer::{Decline, Frame, Invite, Join};
use protocol::refusal::{Refusal, RefusalCode};
use protocol::version::VERSIONS;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout};

use super::gate::CallGate;
use super::{Host, LinkError, session};
use crate::outer::{Outer, Target};
use crate::tunnel::host::{Caller, HostSide, accept};
use crate::tunnel::{Tunnel, TunnelError};

/// How long a leg may take from the invite to `Joined`.
const LEG_WAIT: Duration = Duration::from_secs(10);
/// What a caller is told to wait when all places in the password check are taken.
const BUSY_WAIT: Duration = Duration::from_secs(2);

/// Decides on the link whether to answer at all. The permit is a place in the password check.
pub(super) fn screen(
    host: &Host,
    invite: &Invite,
    epoch: u64,
) -> Result<OwnedSemaphorePermit, Box<Refusal>> {
    if *host.newest.borrow() != epoch {
        return Err(no(RefusalCode::StaleLink));
    }
    if *host.stopping.borrow() {
        return Err(no(RefusalCode::HostStopping));
    }
    host.doorkeeper.screen(invite.client.ip()).map_err(no)?;
    if host.sessions.available_permits() == 0 {
        return Err(no(RefusalCode::TooManySessions));
    }
    let places = if is_known(host, invite) {
        &host.known_calls
    } else {
        &host.strange_calls
    };
    Arc::clone(places)
        .try_acquire_owned()
        .map_err(|_| Box::new(Refusal::new(RefusalCode::HostBusy).retry_after(BUSY_WAIT)))
}

fn no(code: RefusalCode) -> Box<Refusal> {
    Box::new(code.into())
}

/// Callers that were let in before have places of their own: strangers cannot take them.
fn is_known(host: &Host, invite: &Invite) -> bool {
    let keys = host.state.tag_keys().ok();
    invite
        .tag
        .as_ref()
        .zip(keys)
        .is_some_and(|(tag, keys)| tag.is_from(&keys.tag_key))
}

/// An invite that passed the screening.
pub(super) struct Call {
    pub(super) host: Arc<Host>,
    pub(super) outer: Arc<Outer>,
    pub(super) board: BoardName,
    pub(super) side: Arc<HostSide>,
    pub(super) invite: Invite,
    pub(super) declines: mpsc::Sender<Decline>,
}

impl Call {
    /// Meets the client and serves it to the end.
    pub(super) async fn answer(self, place: OwnedSemaphorePermit) {
        let client = self.invite.client;
        let (socket, number) = match self.join().await {
            Ok(joined) => joined,
            Err(error) => {
                tracing::warn!(%client, %error, "Client could not be met");
                self.decline();
                return;
            }
        };
        let Some((tunnel, user)) = self.check(socket, number).await else {
            return;
        };
        drop(place);
        session::serve(
            &self.host,
            tunnel,
            session::Who {
                number,
                client,
                user,
            },
        )
        .await;
    }

    /// Opens the leg that the invite asks for.
    async fn join(&self) -> Result<(TcpStream, u64), LinkError> {
        let boards = self.outer.boards();
        let target = match boards.newest() {
            Some(_) => Target::Board(self.board.clone()),
            None => Target::Entry,
        };
        let join = Join {
            versions: VERSIONS,
            ticket: self.invite.ticket.clone(),
        };
        let leg = timeout(LEG_WAIT, async {
            let mut connection = self.outer.leg(&target).await?;
            connection.send(&join.into()).await?;
            let frame = connection.receive().await?;
            Ok((connection, frame))
        });
        let (connection, frame) = leg.await.unwrap_or(Err(LinkError::Silent))?;
        let Frame::Joined(joined) = frame else {
            return Err(LinkError::Unexpected(frame.name()));
        };
        Ok((connection.into_raw(), joined.session))
    }

    /// Tells the board not to wait for the leg any longer.
    fn decline(self) {
        let decline = Decline {
            ticket: self.invite.ticket,
            refusal: RefusalCode::HostDidNotCome.into(),
        };
        // A link that is gone or busy leaves the board to find out by itself.
        let _ = self.declines.try_send(decline);
    }

    async fn check(&self, socket: TcpStream, number: u64) -> Option<(Tunnel, String)> {
        let client = self.invite.client;
        let caller = Caller {
            address: client.ip(),
            tag: self.invite.tag.clone(),
        };
        let gate = CallGate::new(&self.host.doorkeeper);
        let outcome = accept(socket, &self.side, &caller, &gate).await;
        let user = gate.into_user();
        match outcome {
            Ok(tunnel) => {
                tracing::info!(session = number, %client, user, "Client let in");
                Some((tunnel, user))
            }
            Err(error) => {
                self.tell(number, &user, &error);
                None
            }
        }
    }

    /// Logs why a call came to nothing: what somebody has to know always, the rest at its pace.
    fn tell(&self, session: u64, user: &str, error: &TunnelError) {
        let client = self.invite.client;
        if matches!(error, TunnelError::WrongPassword) {
            return tracing::warn!(session, %client, user, "Password was wrong");
        }
        if matches!(error, TunnelError::ManInTheMiddle) {
            return tracing::error!(session, %client, user, "Somebody sits between client and host; caller refused");
        }
        let Some(untold) = self.host.pace.tell(Instant::now()) else {
            return;
        };
        if let TunnelError::Refused(refusal) = error {
            let (reason, wait_s) = (refusal.code.label(), refusal.retry_after_s);
            tracing::warn!(session, %client, user, reason, wait_s, untold, "Caller refused");
        } else {
            tracing::info!(session, %client, %error, untold, "Call came to nothing");
        }
    }
}
