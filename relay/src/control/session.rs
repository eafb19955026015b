//! The sessions that control has handed over: their numbers, who they belong to, and the one line
//! in the log when each of them ends.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::id::ComputerId;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::info;

use super::shared::Shared;
use crate::data::{DataPlane, EndReason, NewSession, SessionEnd};

/// What control asks of the data plane.
pub(super) trait Forwarding: fmt::Debug + Send + Sync {
    /// [`DataPlane::join`]
    fn join(&self, session: NewSession) -> Result<(), NewSession>;
    /// [`DataPlane::end`]
    fn end(&self, id: u64, reason: EndReason) -> bool;
    /// [`DataPlane::end_all`]
    fn end_all(&self, reason: EndReason);
}

impl Forwarding for DataPlane {
    fn join(&self, session: NewSession) -> Result<(), NewSession> {
        self.join(session)
    }

    fn end(&self, id: u64, reason: EndReason) -> bool {
        self.end(id, reason)
    }

    fn end_all(&self, reason: EndReason) {
        self.end_all(reason);
    }
}

/// Tells control that a session is over; never blocks, so that data workers can call it.
#[derive(Debug, Clone)]
pub struct EndSender(mpsc::Sender<SessionEnd>);

/// Control's half of it.
#[derive(Debug)]
pub struct EndReceiver(mpsc::Receiver<SessionEnd>);

/// The way from the data plane back to control, made before both of them.
///
/// INVARIANT: there is room for one end of every session that control knows, and control hands
/// over no more sessions than `sessions_max` before it has heard of an end.
pub fn session_ends(sessions_max: usize) -> (EndSender, EndReceiver) {
    let (sender, receiver) = mpsc::channel(sessions_max.max(1));
    (EndSender(sender), EndReceiver(receiver))
}

impl EndSender {
    /// Passes the end of a session on.
    pub fn send(&self, end: SessionEnd) {
        // It cannot be full, by the invariant; it is closed only when control is gone.
        let _ = self.0.try_send(end);
    }
}

/// The sessions that live, by their numbers.
#[derive(Debug)]
pub(super) struct Sessions {
    table: Mutex<Table>,
    max: usize,
}

/// What the log will say about a session.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) computer_id: ComputerId,
    pub(super) client: SocketAddr,
    pub(super) host: SocketAddr,
    pub(super) began: Instant,
}

#[derive(Debug)]
struct Table {
    records: BTreeMap<u64, Record>,
    next: u64,
}

impl Sessions {
    pub(super) fn new(max: usize) -> Self {
        let next = first_number(SystemTime::now());
        Self {
            table: Mutex::new(Table {
                records: BTreeMap::new(),
                next,
            }),
            max,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table().records.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.max
    }

    /// Gives a session its number and its place, if there is one.
    pub(super) fn begin(&self, record: Record) -> Option<u64> {
        let mut table = self.table();
        if table.records.len() >= self.max {
            return None;
        }
        let number = table.next;
        table.next += 1;
        table.records.insert(number, record);
        Some(number)
    }

    /// Whether this session is not over yet.
    pub(super) fn lives(&self, number: u64) -> bool {
        self.table().records.contains_key(&number)
    }

    /// The session is over, or never came to be.
    pub(super) fn end(&self, number: u64) -> Option<Record> {
        self.table().records.remove(&number)
    }

    /// Sessions one of whose ends is at an address that `matches`.
    pub(super) fn numbers_where(&self, matches: impl Fn(IpAddr) -> bool) -> Vec<u64> {
        let table = self.table();
        let concerned = table
            .records
            .iter()
            .filter(|(_, record)| matches(record.client.ip()) || matches(record.host.ip()));
        concerned.map(|(number, _)| *number).collect()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the line for each session that ends.
pub(super) async fn log_ends(mut ends: EndReceiver, shared: Arc<Shared>) {
    while let Some(end) = ends.0.recv().await {
        let Some(record) = shared.sessions.end(end.id) else {
            continue;
        };
        info!(
            session = end.id,
            computer_id = %record.computer_id,
            client = %record.client,
            host = %record.host,
            duration_ms = u64::try_from(record.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            bytes_to_host = end.bytes.to_host,
            bytes_to_client = end.bytes.to_client,
            reason = end.reason.as_str(),
            "Session ended"
        );
    }
}

/// Numbers begin with the time of the start, so that no two sessions in a log share one; and stay
/// below 2^53, so that every JSON reader keeps them exactly.
fn first_number(now: SystemTime) -> u64 {
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    (seconds & 0xffff_ffff) << 20
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn record(client: &str) -> Record {
        Record {
            computer_id: "pc-1".parse().unwrap(),
            client: client.parse().unwrap(),
            host: "192.0.2.9:1".parse().unwrap(),
            began: Instant::now(),
        }
    }

    #[test]
    fn the_last_place_is_given_and_one_more_is_not() {
        let sessions = Sessions::new(2);
        let first = sessions.begin(record("192.0.2.1:1")).unwrap();
        sessions.begin(record("192.0.2.2:1")).unwrap();
        assert!(sessions.is_full());
        assert_eq!(sessions.begin(record("192.0.2.3:1")), None);

        assert!(sessions.end(first).is_some());
        assert!(sessions.end(first).is_none());
        assert_eq!(sessions.begin(record("192.0.2.3:1")), Some(first + 2));
    }

    #[test]
    fn sessions_are_found_by_either_address() {
        let sessions = Sessions::new(2);
        let first = sessions.begin(record("192.0.2.1:1")).unwrap();
        let second = sessions.begin(record("192.0.2.2:1")).unwrap();

        let at = |address: &str| {
            let address: IpAddr = address.parse().unwrap();
            sessions.numbers_where(|it| it == address)
        };

        assert_eq!(at("192.0.2.1"), [first]);
        assert_eq!(at("192.0.2.9"), [first, second]);
        assert!(at("192.0.2.3").is_empty());
    }

    #[test]
    fn numbers_of_a_later_start_are_higher_and_exact_in_json() {
        let at = |seconds| first_number(UNIX_EPOCH + Duration::from_secs(seconds));

        assert!(at(1_800_000_001) > at(1_800_000_000) + 1_000_000);
        assert!(at(u64::from(u32::MAX)) + 0xf_ffff < 1 << 53);
    }
}
