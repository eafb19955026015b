//! Who this host is and how it registers: identity, claim or wish, one new link at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use protocol::claim::SignedClaim;
use protocol::file::entry::Entry;
use protocol::id::{BoardName, ComputerId};
use protocol::outer::{Frame, Register, Registered, Software};
use protocol::refusal::RefusalCode;
use protocol::text::Text;
use protocol::version::VERSIONS;
use rand::RngCore;
use rustls::ServerConfig;
use tokio::time::timeout;

use super::LinkError;
use crate::config::HostConfig;
use crate::outer::{Connection, Options, Outer, Target};
use crate::platform;
use crate::state::{HostState, Identity, StateError, TagKeys};
use crate::tunnel::host::HostSide;
use crate::tunnel::tls::server_config;

/// How long a board may take to answer a `Register`.
const ANSWER_WAIT: Duration = Duration::from_secs(15);
/// Boards that one registration asks, redirects included.
const HOPS_MAX: usize = 8;
/// Refusals in a row that are answered at once with another wish.
const LESSONS_MAX: u32 = 5;

/// What stays the same from link to link.
pub(super) struct Station {
    state: HostState,
    entry: Entry,
    identity: Identity,
    outer: Arc<Outer>,
    tls: Arc<ServerConfig>,
    message: Text<1000>,
    /// Tells the links of this process from those of a clone.
    nonce: [u8; 16],
    epoch: u64,
    /// The claim on disk has lost against an older one; it is not shown again.
    claim_lost: bool,
    /// Refusals in a row that said what to ask for instead.
    lessons: u32,
}

/// A link that a board has taken.
pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) outer: Arc<Outer>,
    pub(super) board: BoardName,
    pub(super) side: Arc<HostSide>,
    /// Rises with every link of this process.
    pub(super) epoch: u64,
    pub(super) ping_interval: Duration,
}

impl Station {
    /// Reads identity, entry file and board list; makes the identity if there is none.
    pub(super) fn load(state: &HostState, config: &HostConfig) -> Result<Self, LinkError> {
        let entry = state.entry()?.ok_or(LinkError::NoEntry)?;
        let identity = state.identity()?;
        let options = Options {
            proxy: config.proxy.clone(),
            user_agent: config.user_agent.clone(),
            identity: Some(identity.clone()),
            boards: state.boards(&entry),
        };
        let mut nonce = [0; 16];
        rand::thread_rng().fill_bytes(&mut nonce);
        Ok(Self {
            state: state.clone(),
            outer: Arc::new(Outer::new(&entry, options)?),
            tls: server_config(identity.certificate(), identity.private_key())?,
            message: config.message.clone(),
            entry,
            identity,
            claim_lost: false,
            lessons: 0,
            nonce,
            epoch: 0,
        })
    }

    /// Registers with the first of `boards` that takes this host (the entry addresses if
    /// there are none), following redirects.
    pub(super) async fn register(&mut self, boards: &[BoardName]) -> Result<Link, LinkError> {
        let mut targets: VecDeque<Target> = boards.iter().cloned().map(Target::Board).collect();
        targets.push_back(Target::Entry);
        let mut last = LinkError::NoBoard;
        for _ in 0..HOPS_MAX {
            let Some(target) = targets.pop_front() else {
                break;
            };
            match self.ask(&target).await {
                Ok(Answer::Registered(link)) => return Ok(*link),
                Ok(Answer::Redirect(boards)) => {
                    tracing::info!(?boards, "Redirected");
                    targets = boards.into_iter().map(Target::Board).collect();
                }
                Err(error @ LinkError::Outer(_)) if !targets.is_empty() => {
                    tracing::info!(%error, ?target, "Board did not take this host; asking another");
                    last = error;
                }
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    async fn ask(&mut self, target: &Target) -> Result<Answer, LinkError> {
        let mut connection = self.outer.link(target).await?;
        let register = self.next_register()?;
        let (epoch, wish) = (register.epoch, register.wish.clone());
        let answer = timeout(ANSWER_WAIT, async {
            connection.send(&register.into()).await?;
            connection.receive().await
        });
        let frame = answer.await.map_err(|_| LinkError::Silent)??;
        if let Frame::Redirect(redirect) = frame {
            return Ok(Answer::Redirect(redirect.boards.to_vec()));
        }
        let Frame::Registered(registered) = frame else {
            return Err(LinkError::Unexpected(frame.name()));
        };
        self.take_claim(&registered, wish.as_ref())?;
        Ok(Answer::Registered(Box::new(Link {
            board: connection.board().clone(),
            connection,
            outer: Arc::clone(&self.outer),
            side: self.side(registered.claim.claim.computer_id)?,
            epoch,
            ping_interval: Duration::from_secs(registered.ping_interval_s.max(1).into()),
        })))
    }

    fn next_register(&mut self) -> Result<Register, LinkError> {
        let claim = self.state.claim()?.filter(|_| !self.claim_lost);
        let mut wish = self.state.wish()?;
        if claim.is_none() && wish.is_none() {
            wish = Some(self.next_candidate()?);
        }
        self.epoch += 1;
        let signature = self
            .identity
            .signing_key()
            .sign_epoch(self.nonce, self.epoch);
        Ok(Register {
            versions: VERSIONS,
            software: Software::lossy(super::SOFTWARE),
            capabilities: 0,
            nonce: self.nonce,
            epoch: self.epoch,
            epoch_signature: signature,
            slot_key: self.state.tag_keys()?.slot_key,
            board_list_serial: self.outer.boards().serial(),
            claim,
            wish,
        })
    }

    fn take_claim(
        &mut self,
        registered: &Registered,
        wish: Option<&ComputerId>,
    ) -> Result<(), LinkError> {
        let signed: &SignedClaim = &registered.claim;
        let claim = signed
            .verify(&self.entry.registrar)
            .map_err(|_| LinkError::FalseClaim)?;
        if claim.host_key != self.identity.public_key() {
            return Err(LinkError::FalseClaim);
        }
        if self.state.claim()?.as_ref() != Some(signed) {
            self.state.set_claim(signed)?;
        }
        if wish == Some(&claim.computer_id) {
            self.state.set_wish(None)?;
        }
        self.claim_lost = false;
        self.lessons = 0;
        Ok(())
    }

    /// Learns from a refusal what to ask for next time. True: asking again at once makes sense.
    pub(super) fn learn(&mut self, code: RefusalCode) -> Result<bool, StateError> {
        let claimed = self.state.claim()?.is_some() && !self.claim_lost;
        let taken = code == RefusalCode::IdTaken;
        if taken && claimed {
            // A new name is not to be had: the old one stays.
            self.state.set_wish(None)?;
        } else if taken || code == RefusalCode::WishMissing {
            self.next_candidate()?;
        } else if code == RefusalCode::ClaimSuperseded {
            self.claim_lost = true;
            self.next_candidate()?;
        } else {
            return Ok(false);
        }
        self.lessons += 1;
        Ok(self.lessons <= LESSONS_MAX)
    }

    fn next_candidate(&self) -> Result<ComputerId, StateError> {
        let candidate = platform::propose_computer_id();
        self.state.set_wish(Some(&candidate))?;
        Ok(candidate)
    }

    fn side(&self, computer_id: ComputerId) -> Result<Arc<HostSide>, StateError> {
        let TagKeys { slot_key, tag_key } = self.state.tag_keys()?;
        Ok(Arc::new(HostSide {
            tls: Arc::clone(&self.tls),
            computer_id,
            slot_key,
            tag_key,
            message: self.message.clone(),
        }))
    }
}

enum Answer {
    Registered(Box<Link>),
    Redirect(Vec<BoardName>),
}
