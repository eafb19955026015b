//! Which ways to a board are tried, and in which order.
//!
//! What the configuration names is the only way. Otherwise what has been set on this PC comes
//! first, as in its browsers: straight connections of a PC with a proxy often vanish in a firewall
//! without a word, which costs seconds each time. Then straight, since a laptop brings its
//! office's proxy home. Last what the network itself proposes (WPAD), because anybody in a café
//! can propose something, and because most networks propose nothing, slowly.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Way;
use super::system::{self, Advice, System};
use crate::config::{Endpoint, Login, Proxy};
use crate::outer::{OuterError, ProxyRefusal};

/// A way that led nowhere is tried after the others for this long.
const AVOIDED_FOR: Duration = Duration::from_secs(300);
/// A proxy that has rejected a user and his password does not hear them again for this long. In a
/// domain, five or ten tries in half an hour lock him out everywhere.
const SPARED_FOR: Duration = Duration::from_secs(600);
/// Ways that are remembered in either manner.
const REMEMBERED_MAX: usize = 16;

/// The ways to all boards.
#[derive(Debug)]
pub(in crate::outer) struct Routes {
    proxy: Proxy,
    system: Arc<dyn System>,
    avoided: Mutex<Memory>,
    spared: Mutex<Memory>,
}

/// Ways, and until when they are remembered.
type Memory = Vec<(Way, Instant)>;

impl Routes {
    pub(in crate::outer) fn new(proxy: Proxy, system: Arc<dyn System>) -> Self {
        Self {
            proxy,
            system,
            avoided: Mutex::default(),
            spared: Mutex::default(),
        }
    }

    pub(in crate::outer) fn system(&self) -> &Arc<dyn System> {
        &self.system
    }

    /// The ways to `address`. The system is asked anew each time: PCs move between networks.
    pub(in crate::outer) async fn to<'r>(&'r self, address: &'r Endpoint) -> Tries<'r> {
        let advice = match &self.proxy {
            Proxy::None => Advice::only(Way::Straight),
            Proxy::Http(server) => Advice::only(Way::Http(server.clone())),
            Proxy::Socks5(server) => Advice::only(Way::Socks5(server.clone())),
            Proxy::System(login) => {
                let mut advice = system::advice(&self.system, address, login).await;
                advice.detect &= advice.ways.is_empty();
                if !advice.ways.contains(&Way::Straight) {
                    advice.ways.push(Way::Straight);
                }
                advice
            }
        };
        let steps = advice.ways.into_iter().map(Step::Go);
        let mut steps: Vec<Step> = steps.chain(advice.detect.then_some(Step::Detect)).collect();
        // Stable: among those that led nowhere, and among the others, the order stays.
        steps.sort_by_key(|step| matches!(step, Step::Go(way) if knows(&self.avoided, way)));
        Tries {
            routes: self,
            address,
            steps: steps.into(),
            tried: Vec::new(),
            trouble: advice.trouble,
        }
    }

    /// Why a way is not to be tried now.
    pub(in crate::outer) fn objection(&self, way: &Way) -> Option<OuterError> {
        let server = way.proxy()?;
        knows(&self.spared, way).then(|| {
            let asked = String::new();
            super::refused(server, ProxyRefusal::Authentication { asked })
        })
    }
}

fn knows(memory: &Mutex<Memory>, way: &Way) -> bool {
    let now = Instant::now();
    let memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    memory.iter().any(|(known, end)| known == way && now < *end)
}

fn remember(memory: &Mutex<Memory>, way: &Way, duration: Duration) {
    let now = Instant::now();
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    memory.retain(|(known, end)| known != way && now < *end);
    if memory.len() >= REMEMBERED_MAX {
        memory.remove(0);
    }
    memory.push((way.clone(), now + duration));
}

impl Advice {
    fn only(way: Way) -> Self {
        Self {
            ways: vec![way],
            ..Self::default()
        }
    }
}

#[derive(Debug)]
enum Step {
    Go(Way),
    /// Asks the network, and goes the ways that it proposes.
    Detect,
}

/// The ways to one address, one after the other.
#[derive(Debug)]
pub(in crate::outer) struct Tries<'r> {
    routes: &'r Routes,
    address: &'r Endpoint,
    steps: VecDeque<Step>,
    tried: Vec<Way>,
    /// What was wrong with the settings themselves.
    trouble: Option<OuterError>,
}

impl Tries<'_> {
    /// The next way, if there is one.
    pub(in crate::outer) async fn next(&mut self) -> Option<Way> {
        loop {
            match self.steps.pop_front()? {
                Step::Go(way) if self.tried.contains(&way) => {}
                Step::Go(way) => {
                    self.tried.push(way.clone());
                    return Some(way);
                }
                Step::Detect => match system::detect(&self.routes.system, self.address).await {
                    Ok(ways) => {
                        for way in ways.into_iter().rev() {
                            self.steps.push_front(Step::Go(way));
                        }
                    }
                    // Most networks have none; some systems take long to find that out.
                    Err(OuterError::ProxyScript { source, .. })
                        if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::TimedOut) => {}
                    Err(trouble) => self.trouble = Some(trouble),
                },
            }
        }
    }

    /// Tells why the last way did not help.
    pub(in crate::outer) fn failed(&self, error: &OuterError) {
        let Some(way) = self.tried.last() else {
            return;
        };
        if leads_nowhere(error) {
            remember(&self.routes.avoided, way, AVOIDED_FOR);
        } else if rejects_password(way, error) && self.routes.objection(way).is_none() {
            remember(&self.routes.spared, way, SPARED_FOR);
        }
    }

    /// What was wrong with the settings themselves.
    pub(in crate::outer) fn trouble(self) -> Option<OuterError> {
        self.trouble
    }
}

fn rejects_password(way: &Way, error: &OuterError) -> bool {
    let rejection = matches!(
        error,
        OuterError::Proxy {
            source: ProxyRefusal::Authentication { .. },
            ..
        }
    );
    let login = way.proxy().map(|server| &server.login);
    rejection && matches!(login, Some(Login::User(..)))
}

/// Whether nobody answered at all. Who says no may say yes next time.
fn leads_nowhere(error: &OuterError) -> bool {
    matches!(
        error,
        OuterError::NameNotFound { .. }
            | OuterError::Unreachable { .. }
            | OuterError::NoAnswer { .. }
            | OuterError::Proxy {
                source: ProxyRefusal::Unreachable(_),
                ..
            }
    )
}
