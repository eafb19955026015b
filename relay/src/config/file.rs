//! The keys of `relay.toml`, their defaults and their bounds.
//!
//! Owns what may be typed; [`super::Config`] is what it means.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use protocol::file::node::NodeFile;
use protocol::file::reader::{Problems, Table, read};
use protocol::refusal::Contact;
use protocol::text::Text;

use super::value::{Or, Path as PathText, Range, Size, Span};
use super::{Bar, Config, DEFAULT_CONTROL_SOCKET, Identity, Limits};
use crate::data::DataPath;
use crate::data::budget::Budget;
use crate::limits;
use crate::sys::memory::Memory;

/// What was typed, checked key by key.
pub(super) struct RelayFile {
    listen: Vec<SocketAddr>,
    user: Option<String>,
    sandbox: bool,
    state_dir: PathBuf,
    control_socket: PathBuf,
    metrics_listen: Option<SocketAddr>,
    bars: Vec<Bar>,
    limits: Limits,
    workers: usize,
    data_path: DataPath,
    batching: bool,
    drain_deadline: Duration,
    ping_interval: Duration,
}

/// Reads the file. The node file's path comes beside it, to be looked at even if the rest is wrong.
pub(super) fn parse(source: &str) -> (Result<RelayFile, Problems>, Option<PathBuf>) {
    let mut node_file = None;
    let file = read(source, |top| {
        node_file = top.required("node_file");
        take(top)
    });
    (file, node_file)
}

impl RelayFile {
    pub(super) fn resolve(
        self,
        file: PathBuf,
        node_file: PathBuf,
        node: NodeFile,
        identity: Identity,
    ) -> Config {
        let directory = file.parent().unwrap_or(Path::new("/")).to_owned();
        Config {
            file,
            node,
            node_file,
            identity,
            listen: self.listen,
            user: self.user,
            sandbox: self.sandbox,
            state_dir: directory.join(self.state_dir),
            control_socket: directory.join(self.control_socket),
            metrics_listen: self.metrics_listen,
            bars: self.bars,
            limits: self.limits,
            workers: self.workers,
            data_path: self.data_path,
            batching: self.batching,
            drain_deadline: self.drain_deadline,
            ping_interval: self.ping_interval,
        }
    }
}

fn take(top: &mut Table<'_>) -> Option<RelayFile> {
    let listen = take_listen(top);
    let user = top.optional("user");
    let sandbox = top.optional("sandbox").unwrap_or(true);
    let state_dir = top
        .optional("state_dir")
        .unwrap_or_else(|| "/var/lib/tasuki-relay".into());
    let control_socket = take_control_socket(top);
    let metrics_listen = take_metrics_listen(top);
    let workers = within(top, "workers", 1, limits::WORKERS_MAX)
        .unwrap_or_else(|| default_workers().min(limits::WORKERS_MAX));
    let data_path = top
        .optional::<PathText>("data_path")
        .map_or_else(DataPath::default, |path| path.0);
    let batching = top.optional("batching").unwrap_or(true);
    let drain_deadline =
        take_span(top, "drain_deadline", limits::DRAIN_DEADLINES).unwrap_or(limits::DRAIN_DEADLINE);
    let ping_interval =
        take_span(top, "ping_interval", limits::PING_INTERVALS).unwrap_or(limits::PING_INTERVAL);
    let limits = top.table("limits", take_limits).unwrap_or_default();
    let bars = take_bars(top);
    Some(RelayFile {
        listen,
        user,
        sandbox,
        state_dir,
        control_socket,
        metrics_listen,
        bars,
        limits,
        workers,
        data_path,
        batching,
        drain_deadline,
        ping_interval,
    })
}

fn take_listen(top: &mut Table<'_>) -> Vec<SocketAddr> {
    let Some(listen) = top.optional::<Vec<SocketAddr>>("listen") else {
        // One socket for both families.
        return vec![SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 443))];
    };
    if listen.is_empty() || listen.len() > limits::LISTENERS_MAX {
        top.reject(
            "listen",
            format!("must name 1 to {} addresses", limits::LISTENERS_MAX),
        );
    }
    for (index, address) in listen.iter().enumerate() {
        // Port 0 is any free port, so it may stand there twice.
        if address.port() != 0 && listen[..index].contains(address) {
            top.reject("listen", format!("names {address} twice"));
        }
    }
    listen
}

fn take_control_socket(top: &mut Table<'_>) -> PathBuf {
    let path: PathBuf = top
        .optional("control_socket")
        .unwrap_or_else(|| DEFAULT_CONTROL_SOCKET.into());
    if path.as_os_str().len() > limits::SOCKET_PATH_MAX {
        let max = limits::SOCKET_PATH_MAX;
        top.reject(
            "control_socket",
            format!("is longer than {max} bytes, the most a Unix socket may have"),
        );
    }
    path
}

fn take_metrics_listen(top: &mut Table<'_>) -> Option<SocketAddr> {
    let default = Or(Some(SocketAddr::from(([127, 0, 0, 1], 9464))));
    let Or(address) = top.optional("metrics_listen").unwrap_or(default);
    if address.is_some_and(|address| !address.ip().is_loopback()) {
        top.reject(
            "metrics_listen",
            "must be a loopback address: metrics tell who is online to whoever asks",
        );
    }
    address
}

fn take_limits(table: &mut Table<'_>) -> Option<Limits> {
    let default = Limits::default();
    let sessions = within(table, "sessions", 1, 100_000).unwrap_or(default.sessions);
    let hosts = within(table, "hosts", 1, 1_000_000).unwrap_or(default.hosts);
    let parked_legs = within(table, "parked_legs", 2, 100_000).unwrap_or(default.parked_legs);
    let memory_budget = table
        .optional::<Size>("memory_budget")
        .map_or(default.memory_budget, |size| size.0);
    let unproven_per_address =
        within(table, "unproven_per_address", 1, 100_000).unwrap_or(default.unproven_per_address);
    let claims_per_range = table
        .optional("claims_per_range")
        .unwrap_or(default.claims_per_range);
    // The data plane would refuse to start with it.
    if let Err(error) = Budget::new(memory_budget, sessions, limits::PIPES) {
        table.reject("memory_budget", error.to_string());
    }
    Some(Limits {
        sessions,
        hosts,
        parked_legs,
        memory_budget,
        unproven_per_address,
        claims_per_range,
    })
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: limits::SESSIONS_MAX,
            hosts: limits::HOSTS_MAX,
            parked_legs: limits::PARKED_LEGS_MAX,
            memory_budget: default_memory_budget(),
            unproven_per_address: limits::UNPROVEN_PER_ADDRESS,
            claims_per_range: limits::CLAIMS_PER_RANGE,
        }
    }
}

fn take_bars(top: &mut Table<'_>) -> Vec<Bar> {
    let bars = top.tables("bar", |table| {
        let range = table.required::<Range>("range");
        let organisation = take_text(table, "organisation");
        let department = take_text(table, "department");
        let contact = take_text(table, "contact");
        Some(Bar {
            range: range?.0,
            contact: Contact {
                organisation,
                department,
                contact,
            },
        })
    });
    if bars.len() > limits::BARS_MAX {
        top.reject("bar", format!("more than {} bars", limits::BARS_MAX));
    }
    bars
}

/// A text that agents will show; refused rather than cut.
fn take_text<const N: usize>(table: &mut Table<'_>, key: &'static str) -> Text<N> {
    let typed: String = table.optional(key).unwrap_or_default();
    let text = Text::lossy(&typed);
    if text.as_str() != typed {
        table.reject(
            key,
            format!("must be at most {N} bytes without control characters"),
        );
    }
    text
}

fn take_span(
    table: &mut Table<'_>,
    key: &'static str,
    allowed: std::ops::RangeInclusive<Duration>,
) -> Option<Duration> {
    let Span(span) = table.optional(key)?;
    if !allowed.contains(&span) {
        let (least, most) = (allowed.start().as_secs(), allowed.end().as_secs());
        table.reject(key, format!("must be {least}s to {most}s"));
    }
    Some(span)
}

fn within(table: &mut Table<'_>, key: &'static str, least: usize, most: usize) -> Option<usize> {
    let value = table.optional(key)?;
    if !(least..=most).contains(&value) {
        table.reject(key, format!("must be {least} to {most}"));
    }
    Some(value)
}

/// Counted once: a confined relay that reads its configuration again would count other cores.
fn default_workers() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Looked up once, as the cores are.
fn default_memory_budget() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| memory_budget_of(Memory::open().total()))
}

/// For a machine with so much memory.
fn memory_budget_of(total: Option<u64>) -> usize {
    let part = total.unwrap_or(0) / limits::MEMORY_BUDGET_PART;
    usize::try_from(part)
        .unwrap_or(usize::MAX)
        .max(limits::MEMORY_BUDGET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_machine_gives_its_sessions_more_memory() {
        let least = limits::MEMORY_BUDGET;
        assert_eq!(memory_budget_of(None), least);
        assert_eq!(memory_budget_of(Some(900 << 20)), least);
        assert_eq!(memory_budget_of(Some(2 << 30)), 2 * least);
        assert_eq!(memory_budget_of(Some(8 << 30)), 8 * least);
    }
}
