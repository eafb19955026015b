//! Hosts that come by themselves, and again when their link ends, each after the delays that an
//! agent takes: what a board meets when it, or the network before it, has been away.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use protocol::file::entry::Entry;
use protocol::outer::{Frame, Ping, Pong};
use tasuki_agent::backoff::Backoff;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until};

use super::setup::SetupError;
use super::setup::tasuki::{Link, Office, Offices};

/// Within this long all hosts have noticed that the network is cut, one after the other. It takes
/// real ones much longer: most of them until their next ping has no answer.
const NOTICED_WITHIN_MS: u64 = 500;

/// What one attempt to link came to.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// When the host meant to begin; later, it was the load side that was slow.
    pub(crate) due: Instant,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// The hosts that are linked after it; or why there is no link.
    pub(crate) outcome: Result<u32, String>,
}

/// What the hosts tell.
#[derive(Debug, Default)]
struct Diary {
    linked: u32,
    attempts: Vec<Attempt>,
}

/// A number of hosts. They end when it is dropped.
pub(crate) struct Herd {
    offices: Arc<Offices>,
    diary: Arc<Mutex<Diary>>,
    cut: watch::Sender<()>,
    hosts: JoinSet<()>,
}

impl Herd {
    pub(crate) fn new(entry: Entry, seed: u64) -> anyhow::Result<Self> {
        Ok(Self {
            offices: Arc::new(Offices::new(entry, seed)?),
            diary: Arc::default(),
            cut: watch::Sender::new(()),
            hosts: JoinSet::new(),
        })
    }

    /// Lets these hosts link.
    pub(crate) fn add(&mut self, numbers: Range<u32>) -> anyhow::Result<()> {
        for number in numbers {
            let notices = u64::from(number) % NOTICED_WITHIN_MS;
            let host = Host {
                notices: Duration::from_millis(notices),
                office: self.offices.office(number)?,
                backoff: Backoff::of_host(u64::from(number)),
                retry_after: None,
                diary: Arc::clone(&self.diary),
                cut: self.cut.subscribe(),
            };
            self.hosts.spawn(host.live());
        }
        Ok(())
    }

    /// Cuts every link, as a network does that fails before the board.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(());
    }

    pub(crate) fn linked(&self) -> u32 {
        lock(&self.diary).linked
    }

    /// The attempts since this was asked the last time.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        std::mem::take(&mut lock(&self.diary).attempts)
    }
}

struct Host {
    office: Office,
    /// How soon it notices that the network is cut.
    notices: Duration,
    backoff: Backoff,
    /// What the board asked for.
    retry_after: Option<Duration>,
    diary: Arc<Mutex<Diary>>,
    cut: watch::Receiver<()>,
}

impl Host {
    async fn live(mut self) {
        loop {
            let due = Instant::now() + self.backoff.next_delay(self.retry_after.take());
            sleep_until(due.into()).await;
            let began = Instant::now();
            let attempt = self.office.link().await;
            match attempt {
                Ok(link) => {
                    self.note((due, began), Ok(()));
                    self.cut.mark_unchanged();
                    stay(link, &mut self.cut, self.notices).await;
                    lock(&self.diary).linked -= 1;
                    // Links are lost after days; a wave does not wait for that.
                    self.backoff.held(Duration::MAX);
                }
                Err(error) => {
                    self.retry_after = error.retry_after();
                    self.note((due, began), Err(error.to_string()));
                }
            }
        }
    }

    fn note(&self, (due, began): (Instant, Instant), outcome: Result<(), String>) {
        let mut diary = lock(&self.diary);
        diary.linked += u32::from(outcome.is_ok());
        let outcome = outcome.map(|()| diary.linked);
        diary.attempts.push(Attempt {
            due,
            began,
            ended: Instant::now(),
            outcome,
        });
    }
}

/// Keeps a link until it ends, or is cut and that is noticed.
async fn stay(link: Link, cut: &mut watch::Receiver<()>, notices: Duration) {
    let Link {
        mut connection,
        ping,
    } = link;
    let mut ticks = interval(ping);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0;
    loop {
        let sent = tokio::select! {
            frame = connection.receive() => match frame {
                Ok(Frame::Ping(Ping { number })) => connection.send(&Pong { number }.into()).await,
                Ok(Frame::Refused(_)) | Err(_) => return,
                Ok(_) => Ok(()),
            },
            _ = ticks.tick() => {
                number += 1;
                connection.send(&Ping { number }.into()).await
            }
            _ = cut.changed() => return sleep(notices).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

impl SetupError {
    /// How long the board asked to wait.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Outer(_)
            | Self::Io(_)
            | Self::Late
            | Self::Frame { .. }
            | Self::LinkEnded
            | Self::Unusable(_) => None,
        }
    }
}

fn lock(diary: &Mutex<Diary>) -> std::sync::MutexGuard<'_, Diary> {
    diary.lock().unwrap_or_else(PoisonError::into_inner)
}
