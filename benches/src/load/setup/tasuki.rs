//! Sessions by the outer protocol: office PCs with their links, and clients that call them.
//!
//! What speaks to the board is the agents' own code. An office PC's key and computer ID come from
//! the scenario's seed, so that a second run on the same board finds its claims again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::file::entry::Entry;
use protocol::id::ComputerId;
use protocol::outer::{Connect, Frame, Invite, Join, Joined, Ping, Pong, Register, Software};
use protocol::secret::Secret;
use protocol::version::VERSIONS;
use rand::RngCore;
use sha2::{Digest, Sha256};
use tasuki_agent::config::Proxy;
use tasuki_agent::outer::{Boards, Connection, Options, Outer, Target};
use tasuki_agent::state::Identity;
use tokio::net::TcpStream;
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::SetupError;

const SOFTWARE: &str = "tasuki-bench";

/// Legs of one office PC that wait to be taken.
const LEGS: usize = 4;

type Legs = Arc<AsyncMutex<mpsc::Receiver<Result<HostLeg, SetupError>>>>;

/// A host's end of a session.
struct HostLeg {
    /// The board's number for it.
    session: u64,
    socket: TcpStream,
}

/// All office PCs, and the clients' way to them.
pub(in crate::load) struct Offices {
    entry: Entry,
    seed: u64,
    boards: Boards,
    clients: Outer,
    /// Of this process, as a host that reconnects has one.
    nonce: [u8; 16],
    linked: Mutex<HashMap<u32, Legs>>,
    links: Mutex<JoinSet<()>>,
}

impl Offices {
    pub(in crate::load) fn new(entry: Entry, seed: u64) -> Result<Self, SetupError> {
        let boards = Boards::forgetful(entry.registrar.clone());
        let clients = Outer::new(&entry, options(&boards, None))?;
        let mut nonce = [0; 16];
        rand::thread_rng().fill_bytes(&mut nonce);
        Ok(Self {
            entry,
            seed,
            boards,
            clients,
            nonce,
            linked: Mutex::default(),
            links: Mutex::default(),
        })
    }

    /// Links an office PC, if it is not.
    pub(in crate::load) async fn link(&self, number: u32) -> Result<(), SetupError> {
        self.legs(number).await.map(drop)
    }

    /// The sockets of client and host of a new session.
    pub(in crate::load) async fn session(
        &self,
        number: u32,
    ) -> Result<(std::net::TcpStream, std::net::TcpStream), SetupError> {
        let legs = self.legs(number).await?;
        let mut legs = legs.lock().await;
        let call = self.call(number);
        let (client, joined) = call.await?;
        loop {
            let leg = legs.recv().await.ok_or(SetupError::LinkEnded)??;
            // What an earlier call left behind that was given up.
            if leg.session == joined.session {
                return Ok((client.into_std()?, leg.socket.into_std()?));
            }
        }
    }

    /// A client's leg, joined.
    async fn call(&self, number: u32) -> Result<(TcpStream, Joined), SetupError> {
        let mut leg = self.clients.leg(&Target::Entry).await?;
        let connect = Connect {
            versions: VERSIONS,
            software: Software::lossy(SOFTWARE),
            capabilities: 0,
            board_list_serial: self.boards.serial(),
            computer_id: self.computer_id(number)?,
            tag: None,
        };
        leg.send(&connect.into()).await?;
        joined(leg).await
    }

    /// Where the legs of this office PC come out; it is linked if it was not.
    async fn legs(&self, number: u32) -> Result<Legs, SetupError> {
        let known = self.linked().get(&number).cloned();
        if let Some(legs) = known {
            // A link that has ended leaves nobody who could send.
            if !legs.lock().await.is_closed() {
                return Ok(legs);
            }
        }
        let office = self.office(number)?;
        let Link {
            connection: link,
            ping,
        } = office.link().await?;
        let outer = office.outer;
        let (sender, receiver) = mpsc::channel(LEGS);
        let links = &mut self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.spawn(hold(link, outer, ping, sender));
        let legs = Arc::new(AsyncMutex::new(receiver));
        self.linked().insert(number, Arc::clone(&legs));
        Ok(legs)
    }

    fn linked(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Legs>> {
        self.linked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An office PC that can link, again and again.
    pub(in crate::load) fn office(&self, number: u32) -> Result<Office, SetupError> {
        let identity = self.identity(number)?;
        Ok(Office {
            outer: Outer::new(&self.entry, options(&self.boards, Some(identity.clone())))?,
            identity,
            computer_id: self.computer_id(number)?,
            nonce: self.nonce,
            slot_key: Secret::new(self.secret("slot", number)),
            boards: self.boards.clone(),
        })
    }

    fn computer_id(&self, number: u32) -> Result<ComputerId, SetupError> {
        let id = format!("bench-{:x}-{number}", self.seed);
        id.parse()
            .map_err(|_| SetupError::Unusable(format!("{id} is too long; take a smaller seed")))
    }

    fn identity(&self, number: u32) -> Result<Identity, SetupError> {
        let seed = Secret::new(self.secret("host", number));
        Identity::from_seed(seed).map_err(|error| SetupError::Unusable(error.to_string()))
    }

    /// The same in each run; worth nothing to anybody.
    fn secret(&self, purpose: &str, number: u32) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(format!("tasuki-bench {purpose} {} {number}", self.seed));
        hash.finalize().into()
    }
}

/// One office PC.
pub(in crate::load) struct Office {
    outer: Outer,
    identity: Identity,
    computer_id: ComputerId,
    nonce: [u8; 16],
    slot_key: Secret<32>,
    boards: Boards,
}

/// A link that the board has accepted.
pub(in crate::load) struct Link {
    pub(in crate::load) connection: Connection,
    /// How often the board wants to hear from it.
    pub(in crate::load) ping: Duration,
}

impl Office {
    /// Registers once more.
    pub(in crate::load) async fn link(&self) -> Result<Link, SetupError> {
        let mut connection = self.outer.link(&Target::Entry).await?;
        connection.send(&self.register().into()).await?;
        let answer = connection.receive().await?;
        if let Frame::Refused(refusal) = answer {
            let seconds = refusal.retry_after_s;
            return Err(SetupError::Refused {
                code: refusal.code.label(),
                retry_after: (seconds > 0).then(|| Duration::from_secs(seconds.into())),
            });
        }
        let Frame::Registered(registered) = answer else {
            return Err(unexpected("Registered", &answer));
        };
        Ok(Link {
            connection,
            ping: Duration::from_secs(registered.ping_interval_s.max(1).into()),
        })
    }

    fn register(&self) -> Register {
        // Rises from link to link; a second one has its time for it.
        let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        let epoch = u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX);
        let signing_key = self.identity.signing_key();
        Register {
            versions: VERSIONS,
            software: Software::lossy(SOFTWARE),
            capabilities: 0,
            nonce: self.nonce,
            epoch,
            epoch_signature: signing_key.sign_epoch(self.nonce, epoch),
            slot_key: self.slot_key.clone(),
            board_list_serial: self.boards.serial(),
            claim: None,
            wish: Some(self.computer_id.clone()),
        }
    }
}

fn options(boards: &Boards, identity: Option<Identity>) -> Options {
    Options {
        proxy: Proxy::None,
        user_agent: SOFTWARE.to_owned(),
        identity,
        boards: boards.clone(),
    }
}

/// Serves an office PC's link until it ends, or nobody takes its legs any more.
async fn hold(
    mut link: Connection,
    outer: Outer,
    ping: Duration,
    legs: mpsc::Sender<Result<HostLeg, SetupError>>,
) {
    let outer = Arc::new(outer);
    let mut joins = JoinSet::new();
    let mut ticks = interval(ping);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0;
    loop {
        let sent = tokio::select! {
            frame = link.receive() => match frame {
                Ok(Frame::Invite(invite)) => {
                    let (outer, legs) = (Arc::clone(&outer), legs.clone());
                    joins.spawn(async move {
                        let leg = join(&outer, invite).await;
                        // Nobody wants it when the run is over.
                        let _ = legs.send(leg).await;
                    });
                    Ok(())
                }
                Ok(Frame::Ping(Ping { number })) => link.send(&Pong { number }.into()).await,
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            },
            _ = ticks.tick() => {
                number += 1;
                link.send(&Ping { number }.into()).await
            }
            Some(_) = joins.join_next() => Ok(()),
        };
        if let Err(error) = sent {
            // Told to whoever waits for a leg; nobody may.
            let _ = legs.try_send(Err(error.into()));
            return;
        }
    }
}

async fn join(outer: &Outer, invite: Invite) -> Result<HostLeg, SetupError> {
    let mut leg = outer.leg(&Target::Entry).await?;
    let join = Join {
        versions: VERSIONS,
        ticket: invite.ticket,
    };
    leg.send(&join.into()).await?;
    let (socket, joined) = joined(leg).await?;
    Ok(HostLeg {
        session: joined.session,
        socket,
    })
}

/// Waits until the board has joined this leg, and gives its bare socket.
async fn joined(mut leg: Connection) -> Result<(TcpStream, Joined), SetupError> {
    let answer = leg.receive().await?;
    let Frame::Joined(joined) = answer else {
        return Err(unexpected("Joined", &answer));
    };
    let socket = leg.into_raw();
    socket.set_nodelay(true)?;
    Ok((socket, joined))
}

fn unexpected(expected: &'static str, found: &Frame) -> SetupError {
    SetupError::Frame {
        expected,
        found: found.name(),
    }
}
