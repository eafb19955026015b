//! The way to each relay, step by step, for people who look for a fault.

use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use protocol::file::entry::Entry;
use protocol::id::ComputerId;
use protocol::outer::{Connect, Frame, Software};
use protocol::refusal::RefusalCode;
use protocol::version::VERSIONS;
use rand::RngCore;
use tokio::time::timeout;

use super::tls::Purpose;
use super::{Boards, Connection, Failure, Options, Outer, OuterError, Worst};
use crate::config::{Endpoint, Proxy};

const SOFTWARE: &str = concat!("tasuki-check ", env!("CARGO_PKG_VERSION"));
/// How long a relay may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(15);

/// What has to work, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The name of the relay becomes an address; a proxy sees to that itself.
    Name,
    /// The proxy, or what this PC knows of proxies, leads to the relay.
    Proxy,
    /// Something takes the connection; a proxy sees to that, too.
    Connection,
    /// What takes it is a relay of this deployment.
    Encryption,
    /// The relay answers a question.
    Answer,
}

impl Step {
    /// The steps of a way with or without a proxy.
    pub fn all(with_proxy: bool) -> &'static [Self] {
        if with_proxy {
            &[Self::Proxy, Self::Encryption, Self::Answer]
        } else {
            &[Self::Name, Self::Connection, Self::Encryption, Self::Answer]
        }
    }

    /// Where a connection that did not come about has stopped.
    fn of(error: &OuterError, with_proxy: bool) -> Self {
        match error {
            OuterError::NameNotFound { .. } => Self::Name,
            OuterError::Proxy { .. }
            | OuterError::ProxySettings(_)
            | OuterError::ProxyScript { .. } => Self::Proxy,
            OuterError::Unreachable { .. }
            | OuterError::NoAnswer {
                connected: false, ..
            } if with_proxy => Self::Proxy,
            OuterError::Unreachable { .. }
            | OuterError::NoAnswer {
                connected: false, ..
            } => Self::Connection,
            OuterError::NoAnswer {
                connected: true, ..
            }
            | OuterError::Certificate { .. }
            | OuterError::WrongBoard { .. }
            | OuterError::OldTls { .. }
            | OuterError::NotTls { .. }
            | OuterError::HandshakeCut { .. }
            | OuterError::Tls { .. }
            | OuterError::Closed
            | OuterError::Lost(_)
            | OuterError::CutBehindProxy { .. }
            | OuterError::EntryUnusable(_)
            | OuterError::UnknownBoard(_) => Self::Encryption,
            OuterError::BadFrame(_)
            | OuterError::UnexpectedFrame(_)
            | OuterError::BoardList(_)
            | OuterError::Refused(_) => Self::Answer,
        }
    }
}

/// How far the way to one address leads.
#[derive(Debug)]
pub struct Finding {
    pub address: Endpoint,
    /// The proxy on it.
    pub proxy: Option<Endpoint>,
    /// The step that failed, and how.
    pub failure: Option<(Step, OuterError)>,
}

/// Goes to the entry addresses one after the other, as a host does, and asks each for an office PC
/// that does not exist; a proxy that rejects a password hears it once only. Keeps nothing. Takes
/// 20 s for each way to each address at most, and 15 s where a relay is silent.
///
/// # Errors
///
/// The entry file cannot be used.
pub async fn check(
    entry: &Entry,
    proxy: &Proxy,
    user_agent: &str,
) -> Result<Vec<Finding>, OuterError> {
    let options = Options {
        proxy: proxy.clone(),
        user_agent: user_agent.to_owned(),
        identity: None,
        boards: Boards::forgetful(entry.registrar.clone()),
    };
    let outer = Outer::new(entry, options)?;
    let mut findings = Vec::new();
    for address in &outer.entry_addresses {
        findings.push(probe(&outer, address).await);
    }
    Ok(findings)
}

async fn probe(outer: &Outer, address: &Endpoint) -> Finding {
    let mut worst = Worst::default();
    let connected = outer.connect_to(address, None, Purpose::Leg, &mut worst);
    let (proxy, failure) = match connected.await {
        Some(mut connection) => {
            let failure = ask(&mut connection).await.err();
            let failure = failure.map(|error| (Step::Answer, error));
            (connection.proxy().cloned(), failure)
        }
        None => {
            let Failure { error, proxy } = worst.into_failure();
            let step = Step::of(&error, proxy.is_some());
            (proxy, Some((step, error)))
        }
    };
    Finding {
        address: address.clone(),
        proxy,
        failure,
    }
}

async fn ask(connection: &mut Connection) -> Result<(), OuterError> {
    let connect = Connect {
        versions: VERSIONS,
        software: Software::lossy(SOFTWARE),
        capabilities: 0,
        board_list_serial: 0,
        computer_id: nobody(),
        tag: None,
    };
    let answer = timeout(ANSWER_WAIT, async {
        connection.send(&connect.into()).await?;
        connection.receive().await
    });
    let answer = answer.await.unwrap_or_else(|_elapsed| {
        Err(OuterError::NoAnswer {
            address: connection.address().clone(),
            connected: true,
        })
    });
    match answer {
        Err(OuterError::Refused(refusal)) if refusal.code == RefusalCode::UnknownId => Ok(()),
        // The relays of a fleet may want to be asked elsewhere: that is an answer.
        Ok(Frame::Redirect(_)) => Ok(()),
        Ok(other) => Err(OuterError::UnexpectedFrame(other.name())),
        Err(error) => Err(error),
    }
}

/// A computer ID that no office PC has: nobody guesses 80 bits.
fn nobody() -> ComputerId {
    let mut random = [0; 10];
    rand::thread_rng().fill_bytes(&mut random);
    let id = format!("nobody-{}", BASE32_NOPAD.encode(&random));
    id.parse().expect("7 and 16 letters of what an ID may hold")
}
