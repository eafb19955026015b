//! What a run has seen; written as JSON, judged by [`crate::verdict`], shown as a page.
//!
//! Field names are an interface: scripts read them, and old reports can be judged again.

pub mod comparison;
mod latency;
mod origin;
mod page;
mod plot;

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

pub use latency::{Latency, Recorder};

use crate::number::float;
use crate::scenario::Scenario;
use crate::statistics::Interval;
use crate::verdict::Verdict;

/// Rises when a field changes its meaning.
pub const FORMAT: u32 = 1;

const GIB: f64 = 1_073_741_824.0;

/// Faults that are told in words; the rest is only counted.
pub const FAULTS_TOLD: usize = 20;

/// One run of the load program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub format: u32,
    pub origin: Origin,
    pub scenario: Scenario,
    /// What is compared.
    pub measure: Measure,
    pub rounds: Vec<Round>,
    /// How our relay compares with each peer; empty where there was none.
    pub ratios: Vec<Ratio>,
    /// The same of the delay that is added to the middle message.
    #[serde(default)]
    pub delays: Vec<Ratio>,
    pub verdict: Verdict,
}

/// Of what the CPU time is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    Message,
    Gib,
    /// A session that is set up.
    Session,
}

/// What our relay needs beside what a peer needs: below 1 is better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The peer; of several ways to set it up the best in each round.
    pub family: String,
    pub interval: Interval,
    /// Rounds that it was taken from.
    pub rounds: usize,
}

/// What ran, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Version of the load program.
    pub version: String,
    /// Built with optimisation; nothing else can be compared.
    pub optimised: bool,
    /// Commit that it was run in, if any.
    pub commit: Option<String>,
    pub command: Vec<String>,
    /// Seconds since 1970.
    pub started: u64,
    pub kernel: String,
    pub processor: String,
    pub processors: usize,
    pub memory_bytes: u64,
    /// Whether each session of processes gets the same weight, whatever its niceness.
    pub autogroup: bool,
    /// Of the last minute, before the run.
    pub load_average: f64,
}

/// The load against one relay, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Round {
    pub subject: String,
    /// Subjects of one family are one program, set up in several ways.
    pub family: String,
    /// Counted from 0; the subjects of a round with the same number are compared.
    pub number: usize,
    /// What it was started with.
    pub settings: String,
    /// Set up at the beginning of the measured time.
    pub sessions: u64,
    /// Set up in the measured time.
    #[serde(default)]
    pub begun: u64,
    pub measured_s: f64,
    /// Meant to be sent in the measured time, and arrived.
    pub messages: u64,
    pub bytes: u64,
    /// From the time at which a message was meant to be sent to its arrival.
    pub latency: Latency,
    /// From that time to the moment when the load side sent it.
    pub lag: Latency,
    /// Share of the measured time that the busiest load thread was running.
    pub load_busy: f64,
    /// CPU time of the subject; none where there is none, or it is out of reach.
    pub cpu: Option<Cpu>,
    pub samples: Vec<Sample>,
    pub ends: Ends,
    pub faults: Faults,
}

/// CPU time, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    pub user_s: f64,
    pub system_s: f64,
}

/// A subject's processes at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Since the beginning of the measured time.
    pub at_s: f64,
    /// Proportional set size: memory in user space, shared pages by their share.
    pub memory_bytes: u64,
    pub descriptors: u64,
    pub threads: u64,
    pub context_switches: u64,
    /// Kernel memory of all TCP sockets of this machine, the load side's among them.
    pub tcp_memory_bytes: u64,
    pub cpu: Cpu,
}

/// Sessions that ended as they were meant to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// Both directions at once.
    pub closed: u64,
    /// The client's direction first.
    pub half_closed: u64,
    pub aborted: u64,
    /// Pauses of stalled readers.
    pub stalls: u64,
}

/// What must not happen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    /// Streams in which bytes came that belong further on: some are lost or overtaken.
    pub lost: u64,
    /// Streams in which bytes came that had come before.
    pub repeated: u64,
    /// Streams in which bytes came that nobody sent there.
    pub foreign: u64,
    /// Sessions that ended before they were meant to, or that never did.
    pub cut: u64,
    /// Sessions that could not be set up.
    pub setup: u64,
    /// The first of them in words.
    pub told: Vec<String>,
}

/// Writes a report of any command.
///
/// # Errors
/// The file cannot be written.
pub fn write(report: &impl Serialize, path: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(report)?;
    std::fs::write(path, text + "\n")
        .with_context(|| format!("cannot write the report to {}", path.display()))
}

impl Report {
    /// # Errors
    /// There is no such file, or it is no report of this format.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let report: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} is no report of this program", path.display()))?;
        anyhow::ensure!(
            report.format == FORMAT,
            "{} has format {}, this program knows {FORMAT}",
            path.display(),
            report.format
        );
        Ok(report)
    }
}

impl Round {
    /// The subject's CPU time for each message, in microseconds.
    pub fn cpu_us_per_message(&self) -> Option<f64> {
        let cpu = self.cpu?;
        (self.messages > 0).then(|| 1e6 * cpu.total_s() / float(self.messages))
    }

    /// The subject's CPU time for each GiB, in seconds.
    pub fn cpu_s_per_gib(&self) -> Option<f64> {
        let cpu = self.cpu?;
        (self.bytes > 0).then(|| cpu.total_s() / float(self.bytes) * GIB)
    }

    /// The subject's CPU time for each session that was set up, in milliseconds; what the sessions
    /// carried is in it.
    pub fn cpu_ms_per_session(&self) -> Option<f64> {
        let cpu = self.cpu?;
        (self.begun > 0).then(|| 1e3 * cpu.total_s() / float(self.begun))
    }

    /// The subject's CPU time by this measure, in its unit.
    pub fn cost(&self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::Message => self.cpu_us_per_message(),
            Measure::Gib => self.cpu_s_per_gib(),
            Measure::Session => self.cpu_ms_per_session(),
        }
    }
}

impl Measure {
    /// For a person.
    pub fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Gib => "GiB",
            Self::Session => "session",
        }
    }

    /// Of the CPU time.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Message => "µs",
            Self::Gib => "s",
            Self::Session => "ms",
        }
    }
}

impl Cpu {
    pub fn total_s(self) -> f64 {
        self.user_s + self.system_s
    }

    /// What was used since an earlier reading.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            user_s: self.user_s - earlier.user_s,
            system_s: self.system_s - earlier.system_s,
        }
    }
}

impl Ends {
    pub fn add(&mut self, other: Self) {
        self.closed += other.closed;
        self.half_closed += other.half_closed;
        self.aborted += other.aborted;
        self.stalls += other.stalls;
    }
}

impl Faults {
    pub fn total(&self) -> u64 {
        self.lost + self.repeated + self.foreign + self.cut + self.setup
    }

    /// Keeps what a fault was, while there is room.
    pub fn tell(&mut self, fault: impl Into<String>) {
        if self.told.len() < FAULTS_TOLD {
            self.told.push(fault.into());
        }
    }

    pub fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.foreign += other.foreign;
        self.cut += other.cut;
        self.setup += other.setup;
        for fault in other.told {
            self.tell(fault);
        }
    }
}
