//! One link: keeps it alive and hears what the board says on it.

use std::sync::Arc;
use std::time::Duration;

use protocol::id::BoardName;
use protocol::outer::{Decline, Frame, Invite, Ping, Pong};
use protocol::refusal::Refusal;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use super::station::Link;
use super::{Host, LinkError, call};

/// Silent intervals after which a link is given up.
const SILENT_INTERVALS: u32 = 3;
/// How long a doubtful link gets to answer a ping.
const DOUBT_WAIT: Duration = Duration::from_secs(5);
/// How long one frame may take to leave.
const SEND_WAIT: Duration = Duration::from_secs(10);
/// Refusals of calls that wait for the link.
const DECLINES_MAX: usize = 16;

/// How a link ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) epoch: u64,
    /// `None`: a newer link has taken over.
    pub(super) error: Option<LinkError>,
}

/// What the keeper and its links tell each other.
#[derive(Debug, Clone)]
pub(super) struct Wires {
    /// The board wants this host elsewhere.
    pub(super) moves: mpsc::Sender<Vec<BoardName>>,
    /// The network has changed.
    pub(super) doubt: Arc<Notify>,
}

/// Serves the link until it ends. Calls that have begun go on without it.
pub(super) async fn hold(host: Arc<Host>, link: Link, wires: Wires) -> Ended {
    let epoch = link.epoch;
    let mut newest = host.newest.subscribe();
    let (declines, declined) = mpsc::channel(DECLINES_MAX);
    let mut holder = Holder {
        host: &host,
        link,
        declines,
        last_heard: Instant::now(),
        pings: 0,
    };
    let error = tokio::select! {
        error = holder.serve(declined, &wires) => error.err(),
        // The sender lives in the host, so this waits for a newer link and for nothing else.
        _ = newest.wait_for(|newest| *newest > epoch) => None,
    };
    Ended { epoch, error }
}

struct Holder<'h> {
    host: &'h Arc<Host>,
    link: Link,
    declines: mpsc::Sender<Decline>,
    last_heard: Instant,
    pings: u32,
}

impl Holder<'_> {
    async fn serve(
        &mut self,
        mut declined: mpsc::Receiver<Decline>,
        wires: &Wires,
    ) -> Result<(), LinkError> {
        let interval = self.link.ping_interval;
        let mut ticks = interval_at(Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut doubted = None;
        loop {
            let silent = self.last_heard + interval * SILENT_INTERVALS;
            let deadline = doubted.map_or(silent, |doubted: Instant| doubted.min(silent));
            tokio::select! {
                frame = self.link.connection.receive() => {
                    self.last_heard = Instant::now();
                    doubted = None;
                    self.handle(frame?, wires).await?;
                }
                _ = ticks.tick() => self.ping().await?,
                Some(decline) = declined.recv() => self.send(decline.into()).await?,
                () = wires.doubt.notified() => {
                    self.ping().await?;
                    doubted = Some(Instant::now() + DOUBT_WAIT);
                }
                () = sleep_until(deadline) => return Err(LinkError::Silent),
            }
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever else a board may send has no place on a link"
    )]
    async fn handle(&mut self, frame: Frame, wires: &Wires) -> Result<(), LinkError> {
        match frame {
            Frame::Ping(Ping { number }) => self.send(Pong { number }.into()).await,
            Frame::Pong(_) => Ok(()),
            Frame::Invite(invite) => match call::screen(self.host, &invite, self.link.epoch) {
                Ok(place) => {
                    self.answer(invite, place);
                    Ok(())
                }
                Err(refusal) => self.decline(&invite, *refusal).await,
            },
            Frame::Move(moved) => {
                tracing::info!(boards = ?moved.boards, deadline_s = moved.deadline_s, "Asked to move");
                // A full queue holds an earlier move that is not done yet; it will do.
                let _ = wires.moves.try_send(moved.boards.to_vec());
                Ok(())
            }
            other => Err(LinkError::Unexpected(other.name())),
        }
    }

    fn answer(&self, invite: Invite, place: OwnedSemaphorePermit) {
        let call = call::Call {
            host: Arc::clone(self.host),
            outer: Arc::clone(&self.link.outer),
            board: self.link.board.clone(),
            side: Arc::clone(&self.link.side),
            invite,
            declines: self.declines.clone(),
        };
        tokio::spawn(call.answer(place));
    }

    async fn decline(&mut self, invite: &Invite, refusal: Refusal) -> Result<(), LinkError> {
        let (client, reason) = (invite.client, refusal.code.label());
        if let Some(untold) = self.host.pace.tell(Instant::now()) {
            tracing::info!(%client, reason, untold, "Call refused");
        }
        let ticket = invite.ticket.clone();
        self.send(Decline { ticket, refusal }.into()).await
    }

    async fn ping(&mut self) -> Result<(), LinkError> {
        self.pings = self.pings.wrapping_add(1);
        self.send(Ping { number: self.pings }.into()).await
    }

    async fn send(&mut self, frame: Frame) -> Result<(), LinkError> {
        timeout(SEND_WAIT, self.link.connection.send(&frame))
            .await
            .map_err(|_| LinkError::Silent)?
            .map_err(LinkError::from)
    }
}
