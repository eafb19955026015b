//! Legs: a client's, from its call to the session; and a host's, from its ticket to there.
//!
//! The client's task does all the work. The host's task brings its leg along with the ticket
//! and is done.

use std::io;
use std::sync::Arc;

use protocol::outer::{Connect, Invite, Join, Joined};
use protocol::refusal::{Refusal, RefusalCode};
use protocol::secret::Ticket;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{debug, info, warn};

use super::admission::{Attempt, Group};
use super::arrival::{greet, refuse};
use super::board_list;
use super::connection::Connection;
use super::invite::Caller;
use super::presence::Present;
use super::refusal;
use super::session::Record;
use super::shared::{Shared, Unproven};
use crate::data::NewSession;
use crate::limits;

/// The way to a waiting client.
pub(super) type Answer = oneshot::Sender<Reply>;

/// What a waiting client is told.
#[derive(Debug)]
pub(super) enum Reply {
    /// The host has come with its ticket.
    Came(Box<Leg>),
    Declined(Box<Refusal>),
    /// Others need its place more.
    MadeRoom,
}

/// An agent's connection that is ready to be joined.
#[derive(Debug)]
pub(super) struct Leg {
    connection: Connection,
    version: u16,
}

/// What became of a client's call.
enum Outcome {
    Met(Box<Leg>),
    Refused(Box<Refusal>),
    HungUp,
}

/// Serves a client's leg.
pub(super) async fn connect(
    mut connection: Connection,
    request: Connect,
    unproven: Unproven,
    shared: Arc<Shared>,
) {
    let peer = connection.peer;
    let version = match greet(peer, request.versions, &shared) {
        Ok(version) => version,
        Err(refusal) => return refuse(connection, refusal, &shared).await,
    };
    // Leaves the count when the leg is parked, and else not before the refusal has been read.
    let mut unproven = Some(unproven);
    match Box::pin(call(&mut connection, &request, &mut unproven, &shared)).await {
        Outcome::Met(host) => {
            let client = Leg {
                connection,
                version,
            };
            Box::pin(meet(client, *host, &request, &shared)).await;
        }
        Outcome::Refused(refusal) => refuse(connection, refusal, &shared).await,
        Outcome::HungUp => {
            debug!(%peer, computer_id = %request.computer_id, "Client hung up while it waited");
            shared.counters.count_hung_up();
        }
    }
}

/// Serves a host's leg: brings it to the client that waits for it.
pub(super) async fn join(connection: Connection, request: Join, shared: Arc<Shared>) {
    let (connection, refusal) = match redeem(&connection, &request, &shared) {
        Err(refusal) => (connection, refusal),
        Ok((version, answer)) => {
            match answer.send(Reply::Came(Box::new(Leg {
                connection,
                version,
            }))) {
                Ok(()) | Err(Reply::Declined(_) | Reply::MadeRoom) => return,
                // The client has given up this very moment.
                Err(Reply::Came(leg)) => (leg.connection, refusal::plain(RefusalCode::TicketLate)),
            }
        }
    };
    refuse(connection, refusal, &shared).await;
}

fn redeem(
    connection: &Connection,
    request: &Join,
    shared: &Shared,
) -> Result<(u16, Answer), Box<Refusal>> {
    let version = greet(connection.peer, request.versions, shared)?;
    let host_key = connection
        .host_key
        .ok_or_else(|| refusal::plain(RefusalCode::HostKeyMissing))?;
    let redeemed = shared
        .invites()
        .redeem(&request.ticket, &host_key, Instant::now());
    let answer = redeemed.map_err(|code| {
        let refusal = refusal::plain(code);
        // Whoever shows a ticket that was good before has not guessed it: strangers who call and
        // hang up make honest hosts come too late.
        if matches!(code, RefusalCode::TicketUsed | RefusalCode::TicketLate) {
            refusal
        } else {
            shared.failed(connection.peer.ip(), Attempt::Ticket, refusal)
        }
    })?;
    Ok((version, answer))
}

/// Invites the host and waits for it.
async fn call(
    client: &mut Connection,
    request: &Connect,
    unproven: &mut Option<Unproven>,
    shared: &Arc<Shared>,
) -> Outcome {
    let (present, known_serial) = (look_up(client, request, shared), request.board_list_serial);
    let present = match present {
        Ok(present) => present,
        Err(refusal) => {
            // Whoever asked in vain may have an old list of boards. Scanners get no such gift:
            // beyond the rate of failures the refusal is another one.
            if refusal.code != RefusalCode::TooManyAttempts {
                send_board_list(client, known_serial, shared).await;
            }
            return Outcome::Refused(refusal);
        }
    };
    let (parked, answer) = match park(client, request, &present, shared) {
        Ok(parked) => parked,
        Err(code) => {
            return Outcome::Refused(refusal::soon(code));
        }
    };
    // A parked leg has a count of its own.
    *unproven = None;
    let wait = wait(client, known_serial, parked.deadline, answer, shared);
    wait.await
}

/// Finds the link of the host that the client asks for.
fn look_up(
    client: &Connection,
    request: &Connect,
    shared: &Shared,
) -> Result<Present, Box<Refusal>> {
    if let Some(refusal) = shared.draining() {
        return Err(refusal);
    }
    if shared.sessions.is_full() {
        return Err(refusal::soon(RefusalCode::BoardFull));
    }
    let id = &request.computer_id;
    shared.presence.find(id).ok_or_else(|| {
        let known = shared.registrar.holder(id).is_some();
        let code = if known {
            RefusalCode::Offline
        } else {
            RefusalCode::UnknownId
        };
        shared.failed(client.peer.ip(), Attempt::Lookup, refusal::plain(code))
    })
}

/// A client's place among those that wait; dropping it makes its ticket late.
struct Parked {
    ticket: Ticket,
    deadline: Instant,
    shared: Arc<Shared>,
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.shared.invites().give_up(&self.ticket);
    }
}

fn park(
    client: &Connection,
    request: &Connect,
    present: &Present,
    shared: &Arc<Shared>,
) -> Result<(Parked, oneshot::Receiver<Reply>), RefusalCode> {
    let tag = request
        .tag
        .as_ref()
        .filter(|tag| tag.has_slot(&present.slot_key));
    let timing = &shared.settings.timing;
    let patience = if tag.is_some() {
        timing.park_tagged
    } else {
        timing.park_untagged
    };
    let since = Instant::now();
    let deadline = since + patience;
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| RefusalCode::BoardFull)?;
    let ticket = Ticket::new(bytes);
    let (answer, answered) = oneshot::channel();
    let [_, from] = Group::of(client.peer.ip());
    let evicted = shared.invites().park(Caller {
        ticket: ticket.clone(),
        host_key: present.host_key,
        tag: tag.map(|tag| tag.id),
        from,
        since,
        deadline,
        answer,
    })?;
    if let Some(evicted) = evicted {
        // One that leaves this very moment needs no answer.
        let _ = evicted.send(Reply::MadeRoom);
    }
    let parked = Parked {
        ticket: ticket.clone(),
        deadline,
        shared: Arc::clone(shared),
    };
    let invite = Invite {
        ticket,
        client: client.peer,
        tag: request.tag.clone(),
    };
    present.invite(Box::new(invite), tag.is_some())?;
    Ok((parked, answered))
}

async fn wait(
    client: &mut Connection,
    known_serial: u64,
    deadline: Instant,
    answer: oneshot::Receiver<Reply>,
    shared: &Shared,
) -> Outcome {
    // Takes the time that the host needs anyway.
    let sent = timeout_at(deadline, send_board_list(client, known_serial, shared)).await;
    if sent.is_err() {
        return Outcome::HungUp;
    }
    tokio::select! {
        biased;
        answer = answer => match answer {
            Ok(Reply::Came(host)) => Outcome::Met(host),
            Ok(Reply::Declined(refusal)) => Outcome::Refused(passed_on(refusal)),
            Ok(Reply::MadeRoom) => Outcome::Refused(refusal::soon(RefusalCode::BoardFull)),
            Err(_) => Outcome::Refused(refusal::plain(RefusalCode::HostDidNotCome)),
        },
        () = client.hung_up() => Outcome::HungUp,
        () = sleep_until(deadline) => Outcome::Refused(refusal::plain(RefusalCode::HostDidNotCome)),
    }
}

/// A host may say what hosts can say; it does not speak for the board.
fn passed_on(refusal: Box<Refusal>) -> Box<Refusal> {
    if refusal.code.to_u16() >= FIRST_HOST_CODE {
        refusal
    } else {
        refusal::plain(RefusalCode::HostBusy)
    }
}

/// Below it the board speaks (`protocol::refusal`).
const FIRST_HOST_CODE: u16 = 100;

async fn send_board_list(client: &mut Connection, known_serial: u64, shared: &Shared) {
    let list = Arc::clone(&shared.board_list.borrow());
    if let Err(error) = Box::pin(board_list::send(client, &list, known_serial)).await {
        debug!(peer = %client.peer, %error, "Board list could not be sent");
    }
}

/// Tells both agents, and hands their sockets over.
async fn meet(client: Leg, mut host: Leg, request: &Connect, shared: &Shared) {
    let record = Record {
        computer_id: request.computer_id.clone(),
        client: client.connection.peer,
        host: host.connection.peer,
        began: Instant::now(),
    };
    let (computer_id, addresses) = (&request.computer_id, (record.client, record.host));
    let Some(session) = shared.sessions.begin(record) else {
        let refusal = refusal::soon(RefusalCode::BoardFull);
        tokio::join!(
            refuse(client.connection, refusal.clone(), shared),
            refuse(host.connection, refusal, shared),
        );
        return;
    };
    // The host first: as long as the client has not heard `Joined`, it can still be refused.
    if let Err(error) = host.tell_joined(session).await {
        shared.sessions.end(session);
        debug!(session, %computer_id, %error, "Host went away");
        return refuse(
            client.connection,
            refusal::plain(RefusalCode::HostDidNotCome),
            shared,
        )
        .await;
    }
    match hand_over(client, host, session, shared).await {
        Ok(()) => {
            shared.counters.count_joined();
            let (client, host) = addresses;
            // Whoever was barred while it waited for the host was not among the sessions then.
            if [client, host]
                .iter()
                .any(|it| shared.bar(it.ip()).is_some())
            {
                shared.end_session(session).await;
            }
            info!(session, %computer_id, %client, %host, "Session joined");
        }
        Err(error) => {
            shared.sessions.end(session);
            warn!(session, %computer_id, %error, "Session was not joined");
        }
    }
}

async fn hand_over(mut client: Leg, host: Leg, session: u64, shared: &Shared) -> io::Result<()> {
    client.tell_joined(session).await?;
    let unfinished = || io::Error::other("a record is still under way");
    let client = client.connection.into_fd().ok_or_else(unfinished)?;
    let host = host.connection.into_fd().ok_or_else(unfinished)?;
    let session = NewSession {
        id: session,
        client,
        host,
    };
    let joined = shared.data.join(session);
    joined.map_err(|_| io::Error::other("the data plane has no room"))
}

impl Leg {
    async fn tell_joined(&mut self, session: u64) -> io::Result<()> {
        let version = self.version;
        let joined = Joined { version, session }.into();
        timeout(limits::JOINED_DEADLINE, self.connection.send(&joined)).await?
    }
}
