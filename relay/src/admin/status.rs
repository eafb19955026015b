//! What an operator is told about a running relay; `status --json` prints it as it is.
//!
//! Field names are an interface: scripts read them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::registrar::RegistrarStatus;

/// A running relay at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub name: String,
    pub deployment: String,
    pub version: String,
    pub phase: Phase,
    /// When the relay started, RFC 3339.
    pub started: String,
    pub uptime_s: u64,
    /// Seconds until a drain ends what is left.
    pub drain_rest_s: Option<u64>,
    pub listen: Vec<SocketAddr>,
    /// Where metrics are, if anywhere.
    pub metrics: Option<SocketAddr>,
    pub hosts: Hosts,
    pub sessions: Sessions,
    pub legs: Legs,
    pub bytes: Bytes,
    /// Refusals sent since the start, by code.
    pub refused: BTreeMap<String, u64>,
    /// Handshakes that failed since the start, by cause.
    pub handshakes_failed: BTreeMap<String, u64>,
    pub certificate: Certificate,
    pub registrar: RegistrarStatus,
    pub process: Process,
    pub sandbox: Sandbox,
    pub configuration: Configuration,
    /// What needs somebody's attention; empty when all is well.
    pub warnings: Vec<String>,
}

/// What the relay goes by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// When it was last read, RFC 3339.
    pub read: String,
    /// Why what was read then was refused, each mistake; the one before stays in use.
    pub mistakes: Vec<String>,
    /// Keys whose values in the file are other than those in use, until a restart.
    pub needs_restart: Vec<String>,
}

/// What the relay is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Starting,
    Serving,
    /// No new hosts and sessions; those that are there go on until the deadline.
    Draining,
    Stopping,
}

impl Phase {
    /// What systemd shows.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Starting => "Starting",
            Self::Serving => "Serving",
            Self::Draining => "Draining",
            Self::Stopping => "Stopping",
        }
    }
}

/// Office PCs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hosts {
    /// Linked now.
    pub online: usize,
    pub limit: usize,
    /// Have a computer ID.
    pub known: usize,
}

/// Joined sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    pub now: usize,
    pub limit: usize,
    /// Since the start.
    pub joined: u64,
    /// Since the start, by reason.
    pub ended: BTreeMap<String, u64>,
}

/// Connections that are not a session yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Legs {
    /// Clients that wait for their host.
    pub parked: usize,
    pub limit: usize,
    /// Connections that have proven nothing yet.
    pub unproven: usize,
    /// New connections wait, because something is short; a warning says what.
    pub accept_paused: bool,
}

/// Bytes of sessions since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    pub to_host: u64,
    pub to_client: u64,
    pub spliced: u64,
    pub copied: u64,
}

/// The board's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// RFC 3339.
    pub expires: String,
    /// 0 when it has expired.
    pub days_left: u64,
}

/// What holds the relay's process if somebody breaks into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Whom it runs as.
    pub user: String,
    /// Off only when the configuration says so.
    pub enabled: bool,
    /// A filter lets through the system calls of a relay and no other.
    pub seccomp: bool,
    /// Version of Landlock that guards files, ports and signals; none in a kernel without it.
    pub landlock: Option<u32>,
}

/// The relay's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Threads of the data plane.
    pub workers: usize,
    /// Those that do not move, counted from 0.
    pub stuck: Vec<usize>,
    /// Resident; unknown without `/proc`.
    pub memory_bytes: Option<u64>,
    pub descriptors: Option<usize>,
    pub descriptors_limit: u64,
}
