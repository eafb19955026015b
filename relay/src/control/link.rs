//! A host's link, from its registration to its end.
//!
//! The link's task is the only one that reads and writes its connection. What others want of it
//! comes through a bounded queue; why it must end comes beside that queue, so it always arrives.

use std::io;
use std::sync::Arc;

use heapless::Vec;
use protocol::id::{ComputerId, HostKey};
use protocol::outer::{Decline, Frame, Move, Ping, Pong, Register, Registered};
use protocol::refusal::{Refusal, RefusalCode};
use tokio::sync::{oneshot, watch};
use tokio::time::{Duration, Instant, sleep_until};
use tracing::{debug, info};

use super::arrival::refuse;
use super::board_list;
use super::connection::{Connection, ReceiveError};
use super::counters::LinkEnd;
use super::leg::Reply;
use super::presence::{Order, Orders};
use super::refusal;
use super::register::{Registration, register};
use super::shared::{Drain, Shared, Unproven, stopped};
use crate::limits;
use crate::registrar::SignedList;

/// Serves a link. The room that its registration takes is given back before it idles.
pub(super) fn serve(
    connection: Connection,
    request: Box<Register>,
    unproven: Unproven,
    shared: Arc<Shared>,
) -> impl Future<Output = ()> + Send {
    let entered = Box::pin(enter(connection, request, unproven, shared));
    async move {
        if let Some((link, welcomed)) = entered.await {
            link.serve(welcomed).await;
        }
    }
}

/// Lets the host in, and says whether it has been told; `None` when it was refused.
async fn enter(
    connection: Connection,
    request: Box<Register>,
    unproven: Unproven,
    shared: Arc<Shared>,
) -> Option<(Box<Link>, io::Result<()>)> {
    let mut unproven = Some(unproven);
    let registered = register(&connection, &request, &mut unproven, &shared).await;
    let registration = match registered {
        Ok(registration) => registration,
        Err(refusal) => {
            refuse(connection, refusal, &shared).await;
            return None;
        }
    };
    let Registration {
        version,
        claim,
        orders,
    } = registration;
    let present = Present {
        number: orders.number,
        host_key: claim.claim.host_key,
        shared: Arc::clone(&shared),
    };
    // A proven host leaves the count of its address.
    if unproven.is_some_and(|unproven| !unproven.prove()) {
        drop(present);
        refuse(connection, refusal::soon(RefusalCode::BoardFull), &shared).await;
        return None;
    }
    shared.counters.count_registered();
    let id = claim.claim.computer_id.clone();
    let peer = connection.peer;
    info!(computer_id = %id, %peer, software = %request.software, "Host linked");
    let mut link = Box::new(Link::new(connection, id, orders, present, &shared));
    let registered = Registered {
        version,
        claim,
        ping_interval_s: u16::try_from(link.ping_interval.as_secs()).unwrap_or(u16::MAX),
    };
    let known_serial = request.board_list_serial;
    let welcomed = link.welcome(registered, known_serial).await;
    Some((link, welcomed))
}

/// The host's place in the presence table; dropping it gives the place up.
struct Present {
    number: u64,
    host_key: HostKey,
    shared: Arc<Shared>,
}

impl Drop for Present {
    fn drop(&mut self) {
        self.shared.presence.leave(&self.host_key, self.number);
    }
}

struct Link {
    connection: Connection,
    id: ComputerId,
    orders: Orders,
    present: Present,
    began: Instant,
    shared: Arc<Shared>,
    board_list: watch::Receiver<Arc<SignedList>>,
    drain: watch::Receiver<Option<Drain>>,
    bars: watch::Receiver<Arc<[crate::config::Bar]>>,
    stop: watch::Receiver<bool>,
    /// Pings whose answers somebody waits for.
    probes: Vec<(u32, oneshot::Sender<()>), { limits::PROBES_PER_LINK }>,
    next_ping: u32,
    ping_interval: Duration,
    silent_at: Instant,
    /// The host was silent, and has been asked once more.
    asked: bool,
    pace: Pace,
}

/// Why a link is over.
#[derive(Debug)]
enum End {
    /// The host hung up.
    Closed,
    Silent,
    Flood,
    BadFrame,
    /// The rest of the board wants it to end.
    Told(RefusalCode),
    Barred(Box<Refusal>),
    Stopping,
    Broken(io::Error),
}

impl Link {
    fn new(
        connection: Connection,
        id: ComputerId,
        orders: Orders,
        present: Present,
        shared: &Arc<Shared>,
    ) -> Self {
        let now = Instant::now();
        let ping_interval = *shared.ping_interval.borrow();
        Self {
            connection,
            id,
            orders,
            present,
            began: now,
            board_list: shared.board_list.subscribe(),
            drain: shared.drain.subscribe(),
            bars: shared.bars.subscribe(),
            stop: shared.stop.subscribe(),
            probes: Vec::new(),
            next_ping: 0,
            ping_interval,
            silent_at: now + silence(ping_interval),
            asked: false,
            pace: Pace::new(now),
            shared: Arc::clone(shared),
        }
    }

    async fn welcome(&mut self, registered: Registered, known_serial: u64) -> io::Result<()> {
        self.connection.send(&registered.into()).await?;
        self.send_board_list(known_serial).await
    }

    async fn serve(mut self: Box<Self>, welcomed: io::Result<()>) {
        let end = match welcomed {
            Ok(()) => self.run().await,
            Err(error) => End::Broken(error),
        };
        Box::pin(self.leave(end)).await;
    }

    /// Works until the link is over. What a step has to say is queued, and sent before the next.
    async fn run(&mut self) -> End {
        // What changed between the registration and here is looked at as well.
        self.drain.mark_changed();
        self.bars.mark_changed();
        loop {
            // Always in this order, so that a simulated board does the same again. The host's
            // frames are paced, so they keep nobody from being heard.
            let step = tokio::select! {
                biased;
                () = stopped(&mut self.stop) => Err(End::Stopping),
                reason = &mut self.orders.ended => {
                    Err(End::Told(reason.unwrap_or(RefusalCode::LinkReplaced)))
                }
                frame = self.connection.receive() => self.handle_frame(frame),
                () = sleep_until(self.silent_at) => self.ask_once_more(),
                Some(order) = self.orders.orders.recv() => self.handle_order(order),
                Ok(()) = self.board_list.changed() => {
                    self.send_board_list(0).await.map_err(End::Broken)
                }
                Ok(()) = self.drain.changed() => self.tell_to_move(),
                Ok(()) = self.bars.changed() => self.check_bars(),
            };
            if let Err(end) = step {
                return end;
            }
            if let Err(error) = self.connection.flush().await {
                return End::Broken(error);
            }
        }
    }

    fn handle_frame(&mut self, frame: Result<Frame, ReceiveError>) -> Result<(), End> {
        let frame = frame.map_err(End::of_receive)?;
        let now = Instant::now();
        self.silent_at = now + silence(self.ping_interval);
        self.asked = false;
        let is_answer = matches!(frame, Frame::Pong(_) | Frame::Decline(_));
        if !self.pace.allows(is_answer, now) {
            return Err(End::Flood);
        }
        match frame {
            Frame::Ping(Ping { number }) => self.say(Pong { number }),
            Frame::Pong(Pong { number }) => {
                self.handle_pong(number);
                Ok(())
            }
            Frame::Decline(decline) => {
                self.handle_decline(decline);
                Ok(())
            }
            Frame::Register(_)
            | Frame::Registered(_)
            | Frame::Connect(_)
            | Frame::Join(_)
            | Frame::Joined(_)
            | Frame::Invite(_)
            | Frame::Redirect(_)
            | Frame::Refused(_)
            | Frame::Move(_)
            | Frame::BoardListPart(_) => Err(End::BadFrame),
        }
    }

    /// A board that stood still has not read what its hosts said meanwhile, and must not take that
    /// for silence: a host that lives answers this, if nothing else of it is here yet.
    fn ask_once_more(&mut self) -> Result<(), End> {
        if self.asked {
            return Err(End::Silent);
        }
        self.asked = true;
        self.silent_at = Instant::now() + self.shared.settings.timing.probe;
        self.pace.expect_answer();
        let number = self.next_ping;
        self.next_ping = number.wrapping_add(1);
        self.say(Ping { number })
    }

    fn handle_pong(&mut self, number: u32) {
        if let Some(index) = self.probes.iter().position(|(asked, _)| *asked == number) {
            let (_, answer) = self.probes.swap_remove(index);
            // Whoever asked may have lost patience.
            let _ = answer.send(());
        }
    }

    fn handle_decline(&mut self, decline: Decline) {
        let Decline { ticket, refusal } = decline;
        let Some(answer) = self
            .shared
            .invites()
            .decline(&ticket, &self.present.host_key)
        else {
            return;
        };
        // A client that has just left needs no answer.
        let _ = answer.send(Reply::Declined(Box::new(refusal)));
    }

    fn handle_order(&mut self, order: Order) -> Result<(), End> {
        let frame = match order {
            // A caller that has hung up would only cost the others behind it time.
            Order::Invite(invite) if !self.shared.invites().is_waiting(&invite.ticket) => {
                return Ok(());
            }
            Order::Invite(invite) => {
                self.shared.counters.count_invited();
                Frame::from(*invite)
            }
            Order::Probe(answer) => {
                let number = self.next_ping;
                self.next_ping = number.wrapping_add(1);
                self.probes.retain(|(_, answer)| !answer.is_closed());
                if self.probes.push((number, answer)).is_err() {
                    return Ok(());
                }
                Ping { number }.into()
            }
        };
        self.pace.expect_answer();
        self.say(frame)
    }

    fn say(&mut self, frame: impl Into<Frame>) -> Result<(), End> {
        self.connection.queue(&frame.into()).map_err(End::Broken)
    }

    async fn send_board_list(&mut self, known_serial: u64) -> io::Result<()> {
        let list = Arc::clone(&self.board_list.borrow_and_update());
        Box::pin(board_list::send(&mut self.connection, &list, known_serial)).await
    }

    fn tell_to_move(&mut self) -> Result<(), End> {
        let Some(drain) = *self.drain.borrow_and_update() else {
            return Ok(());
        };
        let rest = drain.rest(Instant::now()).as_secs();
        // Naming no board means any other: a lone board knows of none.
        let deadline_s = u32::try_from(rest).unwrap_or(u32::MAX);
        self.say(Move {
            boards: Vec::new(),
            deadline_s,
        })
    }

    fn check_bars(&mut self) -> Result<(), End> {
        self.bars.mark_unchanged();
        match self.shared.bar(self.connection.peer.ip()) {
            Some(refusal) => Err(End::Barred(refusal)),
            None => Ok(()),
        }
    }

    /// Gives the host's place up, then ends the connection, with a word to the host where it can
    /// still hear one.
    async fn leave(self: Box<Self>, end: End) {
        let Self {
            connection,
            id,
            present,
            began,
            shared,
            ..
        } = *self;
        drop(present);
        let (lasted_s, peer) = (began.elapsed().as_secs(), connection.peer);
        let reason = end.reason();
        shared.counters.count_link_ended(reason);
        info!(computer_id = %id, %peer, lasted_s, reason = reason.label(), "Link ended");
        let refusal = match end {
            End::Closed | End::Silent => return connection.close().await,
            End::Broken(error) => {
                debug!(computer_id = %id, %error, "Link broke");
                return;
            }
            End::Flood => refusal::soon(RefusalCode::TooManyAttempts),
            End::BadFrame => refusal::plain(RefusalCode::BadFrame),
            End::Told(code) => refusal::plain(code),
            End::Barred(refusal) => refusal,
            End::Stopping => refusal::soon(RefusalCode::Draining),
        };
        refuse(connection, refusal, &shared).await;
    }
}

impl End {
    fn of_receive(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Closed => Self::Closed,
            ReceiveError::Broken(error) => Self::Broken(error),
            ReceiveError::Frame(_) | ReceiveError::Record(_) => Self::BadFrame,
        }
    }

    /// As metrics and the log call it.
    fn reason(&self) -> LinkEnd {
        match self {
            Self::Closed => LinkEnd::Closed,
            Self::Silent => LinkEnd::Silent,
            Self::Flood => LinkEnd::Flood,
            Self::BadFrame => LinkEnd::BadFrame,
            Self::Told(RefusalCode::ClaimSuperseded) => LinkEnd::Superseded,
            // The presence table gives no third one.
            Self::Told(_) => LinkEnd::Replaced,
            Self::Barred(_) => LinkEnd::Barred,
            Self::Stopping => LinkEnd::Stopping,
            Self::Broken(_) => LinkEnd::Broken,
        }
    }
}

fn silence(ping_interval: Duration) -> Duration {
    ping_interval * limits::SILENT_INTERVALS
}

/// How many frames a host may send of its own accord.
///
/// What answers an invite or a probe is free: else strangers who call a host faster than
/// [`limits::LINK_FRAMES`] would make its honest answers look like a flood, and so cut it off.
#[derive(Debug)]
struct Pace {
    /// When the frames so far are forgiven.
    forgiven_at: Instant,
    /// Answers that the board has asked for, and that have not come.
    owed: u32,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self {
            forgiven_at: now,
            owed: 0,
        }
    }

    fn expect_answer(&mut self) {
        self.owed = self.owed.saturating_add(1);
    }

    /// Whether one more frame is fine.
    fn allows(&mut self, is_answer: bool, now: Instant) -> bool {
        if is_answer && let Some(owed) = self.owed.checked_sub(1) {
            self.owed = owed;
            return true;
        }
        let (per_second, at_once) = limits::LINK_FRAMES;
        let each = Duration::from_secs(1) / per_second;
        self.forgiven_at = self.forgiven_at.max(now) + each;
        self.forgiven_at <= now + each * at_once
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_beyond_the_pace_end_a_link() {
        let now = Instant::now();
        let (per_second, at_once) = limits::LINK_FRAMES;
        let mut pace = Pace::new(now);

        assert!((0..at_once).all(|_| pace.allows(false, now)));
        assert!(!pace.allows(false, now));

        let mut pace = Pace::new(now);
        let mut steadily =
            (0..10_000).map(|frame| now + Duration::from_secs(1) / per_second * frame);
        assert!(steadily.all(|at| pace.allows(false, at)));
    }

    #[test]
    fn answers_are_free_as_often_as_the_board_asked() {
        let now = Instant::now();
        let (_, at_once) = limits::LINK_FRAMES;
        let mut pace = Pace::new(now);
        (0..10_000).for_each(|_| pace.expect_answer());

        assert!((0..10_000).all(|_| pace.allows(true, now)));
        assert!((0..at_once).all(|_| pace.allows(true, now)));
        assert!(!pace.allows(true, now), "nobody asked for these answers");
    }
}
