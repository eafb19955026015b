//! Relays of others, started with the settings that made them fastest when they were studied.
//!
//! Each is a [`Recipe`]: files and command lines, made without running anything. The measured
//! program is the relay itself; what some of them need at the other end (a `stunnel` that speaks TLS
//! to it, an `ssh` that opens the tunnel) runs beside the load and is not measured.

mod haproxy;
mod nginx;
mod socat;
mod sozu;
mod ssh;
mod stunnel;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;

use crate::exec::{self, Interrupt, Program};
use crate::load::{Passage, Placement, Way};
use crate::subject::Subject;
use crate::wire::Site;

/// Where Debian puts daemons, and a plain user's PATH does not look.
const DAEMONS: &str = "/usr/sbin";

/// Clients beside those of the scenario: a new one may come before its predecessor has gone.
const CONNECTIONS_SPARE: u32 = 128;

/// A relay of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// HAProxy that splices what it takes for bulk
    HaproxyAuto,
    /// HAProxy that splices everything
    HaproxySplice,
    /// nginx as a stream proxy
    Nginx,
    /// socat, one process a session
    Socat,
    /// sozu as a TCP proxy, which ends both directions with the first
    Sozu,
    /// OpenSSH, a reverse tunnel
    Ssh,
    /// stunnel that takes TLS off
    Stunnel,
}

/// Where a peer stands between the two ends.
pub(crate) struct Place<'a> {
    pub(crate) folder: &'a Path,
    /// Where clients dial.
    pub(crate) front: SocketAddr,
    /// Where the peer dials.
    pub(crate) back: SocketAddr,
    /// Between a peer and its helper, for those that have one.
    pub(crate) middle: SocketAddr,
    /// CPUs that it has.
    pub(crate) threads: usize,
    /// Clients that it must take at a time.
    pub(crate) connections: u32,
}

/// How a peer is started.
pub(crate) struct Recipe {
    /// Name and text, in the place's folder.
    pub(crate) files: Vec<(&'static str, String)>,
    /// Programs that make further files, run to their end in order.
    pub(crate) makers: Vec<Vec<String>>,
    /// The program that is measured, with its arguments.
    pub(crate) relay: Vec<String>,
    /// What it needs at the other end.
    pub(crate) helper: Option<Vec<String>>,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HaproxyAuto => "haproxy-auto",
            Self::HaproxySplice => "haproxy-splice",
            Self::Nginx => "nginx",
            Self::Socat => "socat",
            Self::Sozu => "sozu",
            Self::Ssh => "ssh",
            Self::Stunnel => "stunnel",
        }
    }

    /// Whose settings are alternatives: only the best of them counts.
    pub(crate) fn family(self) -> &'static str {
        match self {
            Self::HaproxyAuto | Self::HaproxySplice => "haproxy",
            Self::Nginx | Self::Socat | Self::Sozu | Self::Ssh | Self::Stunnel => self.name(),
        }
    }

    /// Sessions beyond which it was seen to be saturated on one CPU, or to run out of processes.
    pub(crate) fn sessions_max(self) -> u32 {
        match self {
            Self::HaproxyAuto | Self::HaproxySplice | Self::Nginx | Self::Sozu => u32::MAX,
            Self::Socat | Self::Stunnel => 500,
            Self::Ssh => 100,
        }
    }

    /// Whether it needs a program at the other end, which is on loopback.
    pub(crate) fn has_helper(self) -> bool {
        matches!(self, Self::Ssh | Self::Stunnel)
    }

    /// The program without which it cannot be started.
    fn program(self) -> &'static str {
        match self {
            Self::HaproxyAuto | Self::HaproxySplice => "haproxy",
            Self::Nginx => "nginx",
            Self::Socat => "socat",
            Self::Sozu => "sozu",
            Self::Ssh => "sshd",
            Self::Stunnel => "stunnel",
        }
    }

    /// Whether it can be started here.
    pub(crate) fn is_installed(self) -> bool {
        find(self.program()).is_some()
    }

    fn recipe(self, place: &Place<'_>) -> Recipe {
        match self {
            Self::HaproxyAuto => haproxy::recipe(place, &["splice-auto"]),
            Self::HaproxySplice => haproxy::recipe(place, &["splice-request", "splice-response"]),
            Self::Nginx => nginx::recipe(place),
            Self::Socat => socat::recipe(place),
            Self::Sozu => sozu::recipe(place),
            Self::Ssh => ssh::recipe(place),
            Self::Stunnel => stunnel::recipe(place),
        }
    }

    /// Starts it on these CPUs for so many sessions, and waits until it serves.
    pub(crate) fn start(
        self,
        sessions: u32,
        cpus: &[usize],
        placement: &Placement,
        site: &Site,
        stop: &Interrupt,
    ) -> anyhow::Result<Subject> {
        let folder = tempfile::Builder::new().prefix("tasuki-peer").tempdir()?;
        let back = site.listen()?;
        let prefix = site.prefix();
        let place = Place {
            folder: folder.path(),
            front: site.free_address()?,
            back: back.local_addr()?,
            middle: site.free_address()?,
            threads: cpus.len().max(1),
            connections: sessions.saturating_add(CONNECTIONS_SPARE),
        };
        let recipe = self.recipe(&place);
        recipe.prepare(place.folder)?;
        let start = |words: &[String], log, cpus| {
            let (program, arguments) = split(words)?;
            Program::start(&program, arguments, None, &place.folder.join(log), cpus)
        };
        let mut relay = start(&[prefix, recipe.relay.clone()].concat(), "relay.log", cpus)?;
        let mut helpers = Vec::new();
        if let Some(words) = &recipe.helper {
            relay.wait_for(place.middle, stop)?;
            let mut helper = start(words, "helper.log", &placement.cpus)?;
            helper.wait_for(place.front, stop)?;
            helpers.push(helper);
        } else {
            relay.wait_for(place.front, stop)?;
        }
        let front = place.front;
        Ok(Subject {
            name: self.name().to_owned(),
            family: self.family().to_owned(),
            settings: recipe.settings(),
            way: Way::Forwarded(Passage { front, back }),
            program: Some(relay),
            launch: None,
            helpers,
            folder: Some(folder),
        })
    }
}

impl Recipe {
    fn prepare(&self, folder: &Path) -> anyhow::Result<()> {
        for (name, text) in &self.files {
            let path = folder.join(name);
            std::fs::write(&path, text)?;
            // Some of them are keys, and a peer refuses those that others can read.
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        }
        for words in &self.makers {
            let (program, arguments) = split(words)?;
            exec::output(&program, arguments, None)?;
        }
        Ok(())
    }

    /// What it was started with, for the report; keys are left out.
    fn settings(&self) -> String {
        let mut text = self.relay.join(" ");
        if let Some(helper) = &self.helper {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{}", helper.join(" "));
        }
        for (name, content) in self
            .files
            .iter()
            .filter(|(name, _)| !name.ends_with(".pem"))
        {
            let _ = write!(text, "\n--- {name} ---\n{content}");
        }
        text
    }
}

fn split(words: &[String]) -> anyhow::Result<(PathBuf, &[String])> {
    let (name, arguments) = words.split_first().context("no program")?;
    let program = find(name).with_context(|| format!("{name} is not installed"))?;
    Ok((program, arguments))
}

/// A program by its name.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from(DAEMONS)]);
    folders
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::round;
    use crate::scenario::Scenario;

    /// Each peer that is here carries a few sessions, and is seen by the sampler.
    #[test]
    fn installed_peers_carry_sessions_without_fault() {
        let text = "seed = 3\nsessions = 5\nramp_s = 0\nwarm_up_s = 0.5\nduration_s = 2\n\
                    [down]\nper_second = 50\nbytes = [100, 1400]\n\
                    [up]\nper_second = 10\nbytes = 20\n\
                    [churn]\nlifetime_s = [0.3, 1]\nhalf_close_share = 0.5\nlinger_s = 0.2\n";
        let scenario = Scenario::parse(text).unwrap();
        let stop = Interrupt::listen().unwrap();
        let placement = Placement::default();
        for peer in Peer::value_variants() {
            let name = peer.name();
            if !peer.is_installed() {
                println!("NOT TESTED: {name} is not installed ({})", peer.program());
                continue;
            }
            let subject = peer
                .start(5, &[], &placement, &Site::loopback(), &stop)
                .unwrap();
            assert!(subject.settings.contains(peer.program()), "{name}");
            let round = round::run(&scenario, subject, &placement, &stop).unwrap();

            assert!(round.messages > 50, "{name}: {}", round.messages);
            assert!(round.begun > 0, "{name}: sessions follow each other");
            if *peer != Peer::Sozu {
                assert_eq!(round.faults.total(), 0, "{name}: {:?}", round.faults);
                assert!(round.ends.half_closed > 0, "{name}: {:?}", round.ends);
            }
            assert!(round.cpu_us_per_message().unwrap() > 0.0, "{name}");
        }
    }
}
