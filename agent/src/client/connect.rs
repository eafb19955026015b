//! From a computer ID to a tunnel: relay, office PC, host key, password.
//!
//! The host key is looked at before the password is asked for. What the path breaks is tried
//! again a few times; what somebody refuses is not.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use protocol::file::entry::Entry;
use protocol::id::ComputerId;
use protocol::outer::{Connect, Frame, Software};
use protocol::text::Text;
use protocol::version::VERSIONS;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use zeroize::Zeroizing;

use super::{ConnectError, oneself};
use crate::backoff::Backoff;
use crate::config::ClientConfig;
use crate::outer::{Options, Outer, Target};
use crate::state::{ClientState, StateDir, Visit};
use crate::tunnel::Tunnel;
use crate::tunnel::client::{Credentials, Greeted, greet};

/// How long relay and office PC may take to come together; the relay gives up before.
const ANSWER_WAIT: Duration = Duration::from_secs(25);
/// Tries in all when the path keeps failing.
const TRIES_MAX: u32 = 4;
/// Boards that one try asks, redirects included.
const HOPS_MAX: usize = 8;
/// A greeted office PC waits for the password; after this long it is greeted anew.
const GREETING_KEPT: Duration = Duration::from_secs(8);

/// Whom to reach, and as whom.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub computer_id: ComputerId,
    /// Empty where the host has one password and no users.
    pub user: Text<64>,
}

/// How far it has come, for the person who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    FindingRelay,
    AskingHost,
    CheckingPassword,
    /// The path failed; the next try begins after a pause.
    TryingAgain,
}

/// What a success brings.
#[derive(Debug)]
pub struct Connected {
    pub tunnel: Tunnel,
    /// From the management, for the user; may be empty.
    pub message: Text<1000>,
}

/// Makes tunnels to one office PC.
pub struct Connector<'s> {
    dir: &'s StateDir,
    state: ClientState,
    outer: Outer,
    wanted: Wanted,
    tell: &'s dyn Fn(Step),
}

impl<'s> Connector<'s> {
    /// Prepares; nothing is dialled yet. `tell` hears each step.
    pub fn new(
        dir: &'s StateDir,
        state: ClientState,
        entry: &Entry,
        config: &ClientConfig,
        wanted: Wanted,
        tell: &'s dyn Fn(Step),
    ) -> Result<Self, ConnectError> {
        let options = Options {
            proxy: config.proxy.clone(),
            user_agent: config.user_agent.clone(),
            identity: None,
            boards: state.boards(entry),
        };
        let outer = Outer::new(entry, options)?;
        Ok(Self {
            dir,
            state,
            outer,
            wanted,
            tell,
        })
    }

    /// Connects. `password` is asked once, when the office PC is there and is the right one.
    pub async fn connect(
        &self,
        password: impl AsyncFnOnce() -> anyhow::Result<Zeroizing<String>>,
    ) -> Result<Connected, ConnectError> {
        let mut tries = Tries::new();
        let mut greeted = self.greet(&mut tries).await?;
        let asked = Instant::now();
        let credentials = Credentials {
            computer_id: self.wanted.computer_id.clone(),
            user: self.wanted.user.clone(),
            password: password().await.map_err(ConnectError::Password)?,
            pin: None,
        };
        if asked.elapsed() > GREETING_KEPT {
            greeted = self.greet(&mut tries).await?;
        }
        loop {
            (self.tell)(Step::CheckingPassword);
            match greeted.log_in(&credentials).await {
                Ok((tunnel, admitted)) => {
                    self.remember(&admitted)?;
                    let message = admitted.message;
                    return Ok(Connected { tunnel, message });
                }
                Err(error) => tries.again_after(error.into(), self.tell).await?,
            }
            greeted = self.greet(&mut tries).await?;
        }
    }

    /// Reaches the office PC and looks at its host key.
    async fn greet(&self, tries: &mut Tries) -> Result<Greeted<TcpStream>, ConnectError> {
        loop {
            match self.greet_once().await {
                Ok(greeted) => return Ok(greeted),
                Err(error) => tries.again_after(error, self.tell).await?,
            }
        }
    }

    async fn greet_once(&self) -> Result<Greeted<TcpStream>, ConnectError> {
        let pin = self.state.pin(&self.wanted.computer_id)?;
        let socket = self.reach().await?;
        let greeted = greet(socket, pin).await?;
        if oneself::is_here(&greeted.host_key(), self.dir) {
            return Err(ConnectError::Oneself);
        }
        Ok(greeted)
    }

    /// Finds the board where the office PC is, and has the two legs joined.
    async fn reach(&self) -> Result<TcpStream, ConnectError> {
        (self.tell)(Step::FindingRelay);
        let mut targets = VecDeque::from([Target::Entry]);
        for _ in 0..HOPS_MAX {
            let Some(target) = targets.pop_front() else {
                break;
            };
            match self.ask(&target).await {
                Ok((connection, Frame::Joined(joined))) => {
                    tracing::debug!(session = joined.session, "Joined");
                    return Ok(connection.into_raw());
                }
                Ok((_, Frame::Redirect(redirect))) => {
                    tracing::debug!(boards = ?redirect.boards, "Redirected");
                    targets = redirect.boards.iter().cloned().map(Target::Board).collect();
                }
                Ok((_, other)) => return Err(ConnectError::Unexpected(other.name())),
                Err(error) if error.is_transient() && !targets.is_empty() => {
                    tracing::debug!(%error, ?target, "Board cannot be reached; asking another");
                }
                Err(error) => return Err(error),
            }
        }
        Err(ConnectError::NoBoard)
    }

    async fn ask(
        &self,
        target: &Target,
    ) -> Result<(crate::outer::Connection, Frame), ConnectError> {
        let mut connection = self.outer.leg(target).await?;
        (self.tell)(Step::AskingHost);
        let connect = Connect {
            versions: VERSIONS,
            software: Software::lossy(super::SOFTWARE),
            capabilities: 0,
            board_list_serial: self.outer.boards().serial(),
            computer_id: self.wanted.computer_id.clone(),
            tag: self.state.tag(&self.wanted.computer_id)?,
        };
        let answer = timeout(ANSWER_WAIT, async {
            connection.send(&connect.into()).await?;
            connection.receive().await
        });
        let frame = answer.await.map_err(|_| ConnectError::Silent)??;
        Ok((connection, frame))
    }

    fn remember(&self, admitted: &crate::tunnel::client::Admitted) -> Result<(), ConnectError> {
        let Wanted { computer_id, user } = &self.wanted;
        self.state.set_pin(computer_id, &admitted.host_key)?;
        self.state.set_tag(computer_id, &admitted.tag)?;
        self.state.remember(&Visit {
            computer_id: computer_id.clone(),
            user: user.to_string(),
            last: SystemTime::now(),
        })?;
        Ok(())
    }
}

/// The one retry policy: bounded in number, spaced by `backoff`, for failures of the path only.
struct Tries {
    failed: u32,
    backoff: Backoff,
}

impl Tries {
    fn new() -> Self {
        Self {
            failed: 0,
            backoff: Backoff::of_client(rand::random()),
        }
    }

    /// Waits for the next try, or gives the failure back if there is none.
    async fn again_after(
        &mut self,
        error: ConnectError,
        tell: &dyn Fn(Step),
    ) -> Result<(), ConnectError> {
        self.failed += 1;
        if !error.is_transient() || self.failed >= TRIES_MAX {
            return Err(error);
        }
        tracing::debug!(%error, "Path failed");
        tell(Step::TryingAgain);
        sleep(self.backoff.next_delay(None)).await;
        Ok(())
    }
}
