//! Keeps the host linked for as long as it lives.
//!
//! One link at a time, or two while moving: the new one is made before the old one goes.
//! Failed attempts wait by `backoff`; a change of the network or of the state ends the wait.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use protocol::id::BoardName;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::link::{self, Ended, Wires};
use super::station::{Link, Station};
use super::status::{Trouble, seconds};
use super::{Host, LinkError, status};
use crate::backoff::Backoff;
use crate::message::Explain;
use crate::platform::NetworkChanges;

/// How often a state directory that cannot be used is looked at again.
const STATE_WAIT: Duration = Duration::from_secs(30);
/// How often watching the network is tried again where it has failed.
const WATCH_WAIT: Duration = Duration::from_secs(60);
/// How long an attempt may go on that began in a network which has changed since.
const STALE_WAIT: Duration = Duration::from_secs(5);
/// Moves that wait for the keeper.
const MOVES_MAX: usize = 1;

/// Keeps links until dropped; a reload begins anew with what is on disk.
pub(super) async fn keep(host: &Arc<Host>) {
    loop {
        tokio::select! {
            () = keep_one_identity(host) => {}
            () = host.bells.reload.notified() => tracing::info!("Settings changed; linking anew"),
        }
        host.live.change(|status| status.link = None);
    }
}

async fn keep_one_identity(host: &Arc<Host>) {
    match Station::load(&host.state, &host.settings.now()) {
        Ok(station) => Keeper::new(host, station).run().await,
        Err(error) => {
            note(host, &error, STATE_WAIT);
            sleep(STATE_WAIT).await;
        }
    }
}

struct Keeper<'h> {
    host: &'h Arc<Host>,
    station: Station,
    backoff: Backoff,
    network: Option<NetworkChanges>,
    /// Dropped with the keeper, and the links with it.
    links: JoinSet<Ended>,
    wires: Wires,
    moves: mpsc::Receiver<Vec<BoardName>>,
    linked_since: Instant,
    /// A name was refused since the last link.
    name_refused: bool,
}

impl<'h> Keeper<'h> {
    fn new(host: &'h Arc<Host>, station: Station) -> Self {
        let (sender, moves) = mpsc::channel(MOVES_MAX);
        let wires = Wires {
            moves: sender,
            doubt: Arc::new(Notify::new()),
        };
        Self {
            host,
            station,
            backoff: Backoff::of_host(rand::random()),
            network: watch_network(),
            links: JoinSet::new(),
            wires,
            moves,
            linked_since: Instant::now(),
            name_refused: false,
        }
    }

    async fn run(mut self) {
        let mut boards = Vec::new();
        loop {
            self.attach(&boards).await;
            boards = self.stay().await;
        }
    }

    /// Tries until there is a new link.
    async fn attach(&mut self, boards: &[BoardName]) {
        loop {
            let error = match self.attempt(boards).await {
                Some(Ok(link)) => return self.take(link),
                Some(Err(error)) => error,
                None => {
                    tracing::info!("Network changed; trying anew");
                    continue;
                }
            };
            let retry_at_once = error
                .refusal()
                .is_some_and(|refusal| self.station.learn(refusal.code).unwrap_or(false));
            self.name_refused |= retry_at_once;
            let delay = if retry_at_once {
                Duration::from_millis(100)
            } else {
                self.backoff.next_delay(retry_after(&error))
            };
            note(self.host, &error, delay);
            self.wait(delay).await;
        }
    }

    /// One attempt. `None`: the network has changed meanwhile.
    async fn attempt(&mut self, boards: &[BoardName]) -> Option<Result<Link, LinkError>> {
        let registering = self.station.register(boards);
        let change = async {
            changed(&mut self.network).await;
            // That the relay has asked for a delay is of no interest: none runs.
            self.backoff.wake();
        };
        unless_stale(registering, change).await
    }

    /// Makes `link` the newest one; older ones leave.
    fn take(&mut self, link: Link) {
        let (epoch, board) = (link.epoch, link.board.to_string());
        let computer_id = link.side.computer_id.to_string();
        tracing::info!(board, computer_id, epoch, "Linked");
        self.linked_since = Instant::now();
        self.host.live.change(|status| {
            status.computer_id = Some(computer_id);
            status.link = Some(status::Link {
                board,
                since: seconds(SystemTime::now()),
            });
            // That a name was refused is worth knowing even when all is well again.
            if !self.name_refused {
                status.trouble = None;
            }
        });
        self.name_refused = false;
        self.host.newest.send_replace(epoch);
        let held = link::hold(Arc::clone(self.host), link, self.wires.clone());
        self.links.spawn(held);
    }

    /// Waits until a new link is needed, and says with which boards.
    async fn stay(&mut self) -> Vec<BoardName> {
        loop {
            tokio::select! {
                Some(boards) = self.moves.recv() => return boards,
                () = changed(&mut self.network) => self.wires.doubt.notify_one(),
                Some(ended) = self.links.join_next() => {
                    // A task that was aborted or panicked has lost its link as well.
                    let newest = *self.host.newest.borrow();
                    let error = match ended {
                        Ok(ended) if ended.epoch != newest => continue,
                        Ok(ended) => ended.error.unwrap_or(LinkError::Silent),
                        Err(_) => LinkError::Silent,
                    };
                    self.lost(&error).await;
                    return Vec::new();
                }
            }
        }
    }

    async fn lost(&mut self, error: &LinkError) {
        self.backoff.held(self.linked_since.elapsed());
        let delay = self.backoff.next_delay(retry_after(error));
        self.host.live.change(|status| status.link = None);
        note(self.host, error, delay);
        self.wait(delay).await;
    }

    /// Waits, or returns early when the network has changed.
    async fn wait(&mut self, delay: Duration) {
        let mut end = Instant::now() + delay;
        loop {
            tokio::select! {
                () = sleep_until(end) => return,
                () = changed(&mut self.network) => {
                    let rest = self.backoff.wake();
                    end = end.min(Instant::now() + rest);
                    tracing::info!(rest_ms = rest.as_millis(), "Network changed; trying at once");
                }
            }
        }
    }
}

/// What `attempt` comes to. `None`: it did not end soon after a `change` of the network, and may wait
/// for an address that has gone.
async fn unless_stale<T>(
    attempt: impl Future<Output = T>,
    change: impl Future<Output = ()>,
) -> Option<T> {
    let mut attempt = pin!(attempt);
    tokio::select! {
        done = &mut attempt => return Some(done),
        () = change => {}
    }
    timeout(STALE_WAIT, attempt).await.ok()
}

fn watch_network() -> Option<NetworkChanges> {
    NetworkChanges::watch()
        .inspect_err(|error| tracing::warn!(%error, "Cannot watch the network for changes"))
        .ok()
}

/// Waits for a change of the network. Cancel safe.
async fn changed(network: &mut Option<NetworkChanges>) {
    loop {
        match network {
            Some(watched) => match watched.changed().await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, "The network is no longer watched for changes");
                    *network = None;
                }
            },
            None => {
                sleep(WATCH_WAIT).await;
                *network = watch_network();
            }
        }
    }
}

/// The delay that the relay asked for, if it did.
fn retry_after(error: &LinkError) -> Option<Duration> {
    let seconds = error.refusal()?.retry_after_s;
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

/// Tells log and status why there is no link.
fn note(host: &Host, error: &LinkError, delay: Duration) {
    let explanation = error.explain();
    tracing::warn!(%error, retry_in_ms = delay.as_millis(), "Not linked");
    host.live.change(|status| {
        status.trouble = Some(Trouble {
            at: seconds(SystemTime::now()),
            text: format!("{explanation:#}"),
            japanese: error.explain_in_japanese().to_string(),
        });
    });
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);
    /// Between the beginning of an attempt and a change of the network.
    const BEFORE: Duration = Duration::from_secs(7);

    /// An attempt of this length in a network that changes; what it comes to, and when.
    async fn attempt(length: Duration) -> (Option<&'static str>, Duration) {
        let began = Instant::now();
        let attempt = async {
            sleep(length).await;
            "linked"
        };
        (unless_stale(attempt, sleep(BEFORE)).await, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn attempt_may_go_on_for_five_seconds_after_a_change_of_the_network() {
        let longest = BEFORE + STALE_WAIT;

        assert_eq!(STALE_WAIT, Duration::from_secs(5));
        for length in [MOMENT, BEFORE, longest - MOMENT, longest] {
            assert_eq!(attempt(length).await, (Some("linked"), length));
        }
        for length in [longest + MOMENT, longest * 100] {
            let (came_to, took) = attempt(length).await;
            assert_eq!(came_to, None, "{length:?}");
            // Timers of tokio count whole milliseconds.
            assert!(took >= longest && took <= longest + MOMENT, "{took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempt_in_a_network_that_stays_may_take_long() {
        let hour = Duration::from_secs(3600);

        let came_to = unless_stale(sleep(hour), pending()).await;

        assert_eq!(came_to, Some(()));
    }
}
