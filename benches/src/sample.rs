//! Looks at a subject's processes: CPU time, memory, descriptors, threads, context switches.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use procfs::process::{Process, Stat, all_processes};

use crate::number::float;
use crate::report::{Cpu, Sample};
use crate::sys;

const PAGE: u64 = 4_096;

/// A subject: the program that was started, and whatever it has started.
#[derive(Debug)]
pub(crate) struct Watch {
    leader: i32,
    /// Processes that were the subject's when we looked, with their start times.
    known: BTreeSet<(i32, u64)>,
    /// CPU time by process; what one has used stays used when it ends.
    used: BTreeMap<(i32, u64), Cpu>,
}

impl Watch {
    pub(crate) fn new(leader: u32) -> anyhow::Result<Self> {
        Ok(Self {
            leader: i32::try_from(leader)?,
            known: BTreeSet::new(),
            used: BTreeMap::new(),
        })
    }

    /// How the subject stands now.
    pub(crate) fn look(&mut self, at_s: f64) -> anyhow::Result<Sample> {
        let mut sample = Sample {
            at_s,
            memory_bytes: 0,
            descriptors: 0,
            threads: 0,
            context_switches: 0,
            tcp_memory_bytes: tcp_memory()?,
            cpu: Cpu {
                user_s: 0.0,
                system_s: 0.0,
            },
        };
        let mut found = false;
        for process in self.members()? {
            // One that ends while we look has ended.
            found |= self.add(&process, &mut sample).is_ok();
        }
        anyhow::ensure!(found, "the subject has ended");
        for used in self.used.values() {
            sample.cpu.user_s += used.user_s;
            sample.cpu.system_s += used.system_s;
        }
        Ok(sample)
    }

    /// All processes of the subject: its leader, who needs a moment to get a session of its own,
    /// those of this session, and whatever they have started, though it leads another by now.
    fn members(&mut self) -> anyhow::Result<Vec<Process>> {
        let mut others: Vec<(Process, Stat)> = Vec::new();
        for process in all_processes().context("cannot read /proc")?.flatten() {
            // One that ends while we look has ended.
            if let Ok(stat) = process.stat()
                && !matches!(stat.state, 'Z' | 'X')
            {
                others.push((process, stat));
            }
        }
        let mut members = Vec::new();
        loop {
            let (leader, known) = (self.leader, &mut self.known);
            let (found, rest): (Vec<_>, Vec<_>) = others.into_iter().partition(|(_, stat)| {
                stat.pid == leader
                    || stat.session == leader
                    || known.contains(&(stat.pid, stat.starttime))
                    || known.iter().any(|(parent, _)| *parent == stat.ppid)
            });
            if found.is_empty() {
                return Ok(members);
            }
            for (process, stat) in found {
                known.insert((stat.pid, stat.starttime));
                members.push(process);
            }
            others = rest;
        }
    }

    /// Adds what a process holds.
    fn add(&mut self, process: &Process, sample: &mut Sample) -> anyhow::Result<()> {
        let stat = process.stat()?;
        sample.threads += u64::try_from(stat.num_threads)?;
        let memory = process.smaps_rollup()?.memory_map_rollup;
        let maps = memory.iter().map(|map| map.extension.map.get("Pss"));
        sample.memory_bytes += maps.flatten().sum::<u64>();
        sample.descriptors += u64::try_from(process.fd_count()?)?;
        let place = (stat.pid, stat.starttime);
        self.used.insert(place, used(&stat)?);
        // A thread that ends while we look has ended.
        for status in process.tasks()?.flatten().flat_map(|task| task.status()) {
            let switches = [
                status.voluntary_ctxt_switches,
                status.nonvoluntary_ctxt_switches,
            ];
            sample.context_switches += switches.into_iter().flatten().sum::<u64>();
        }
        Ok(())
    }
}

/// Where the kernel has its memory controllers, and what they call a group's use: the first
/// version, then the second (`Documentation/admin-guide/cgroup-v1/memory.rst`, `cgroup-v2.rst`).
const CONTROLLERS: [(&str, &[&str]); 2] = [
    (
        "/sys/fs/cgroup/memory",
        &["memory.usage_in_bytes", "memory.kmem.tcp.usage_in_bytes"],
    ),
    ("/sys/fs/cgroup", &["memory.current"]),
];

/// A control group around one process: what it takes in the kernel counts as well.
#[derive(Debug)]
pub(crate) struct Group {
    folder: PathBuf,
    figures: &'static [&'static str],
    process: u32,
}

impl Group {
    /// `None` where the kernel has none for us, as in many containers and for anybody but root.
    pub(crate) fn around(process: u32) -> Option<Self> {
        CONTROLLERS.iter().find_map(|(root, figures)| {
            let folder = Path::new(root).join(format!("tasuki-bench-{process}"));
            fs::create_dir(&folder).ok()?;
            let group = Self {
                folder,
                figures,
                process,
            };
            let member = fs::write(group.folder.join("cgroup.procs"), process.to_string());
            member.ok()?;
            group.bytes().map(|_| group)
        })
    }

    pub(crate) fn bytes(&self) -> Option<u64> {
        let figure = |name| {
            let text = fs::read_to_string(self.folder.join(name)).ok()?;
            text.trim().parse::<u64>().ok()
        };
        // A kernel without the second figure counts it in the first.
        let (first, rest) = self.figures.split_first()?;
        Some(figure(first)? + rest.iter().filter_map(figure).sum::<u64>())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its process leaves when it is gone or moved; a group that stays behind takes nothing.
        let root = self.folder.with_file_name("cgroup.procs");
        let _ = fs::write(root, self.process.to_string());
        let _ = fs::remove_dir(&self.folder);
    }
}

/// CPU time of a process, its threads that have ended among it. The kernel counts it in nanoseconds
/// as a whole, and tells user and system apart in ticks of 10 ms: too coarse for a peer with a
/// process for each session.
fn used(stat: &Stat) -> anyhow::Result<Cpu> {
    let seconds = sys::process_cpu(stat.pid)?.as_secs_f64();
    let ticks = float(stat.utime + stat.stime);
    let user = if ticks > 0.0 {
        float(stat.utime) / ticks
    } else {
        0.0
    };
    Ok(Cpu {
        user_s: seconds * user,
        system_s: seconds * (1.0 - user),
    })
}

/// Memory of all TCP sockets of this network namespace (`/proc/net/sockstat`, in pages).
fn tcp_memory() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/net/sockstat")?;
    pages(&text)
        .map(|pages| pages * PAGE)
        .context("/proc/net/sockstat has no TCP memory")
}

fn pages(sockstat: &str) -> Option<u64> {
    let line = sockstat
        .lines()
        .find_map(|line| line.strip_prefix("TCP: "))?;
    let mut words = line.split(' ').skip_while(|word| *word != "mem");
    words.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{self, Program};
    use std::time::{Duration, Instant};

    #[test]
    fn tcp_memory_is_read_off_the_kernels_line() {
        let text = "sockets: used 290\nTCP: inuse 9 orphan 0 tw 1 alloc 11 mem 3\nUDP: mem 7\n";

        assert_eq!(pages(text), Some(3));
        assert_eq!(pages("UDP: mem 7\n"), None);
        tcp_memory().unwrap();
    }

    #[test]
    fn a_program_is_seen_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        // The child leads a session of its own, as sshd's do.
        let busy = "setsid sleep 1000 & while :; do :; done";
        let program = Program::start(Path::new("/bin/sh"), &["-c", busy], None, &log, &[]).unwrap();
        let mut watch = Watch::new(program.id()).unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        let sample = loop {
            let sample = watch
                .look(1.0)
                .unwrap_or_else(|error| panic!("it runs: {error:#}"));
            if sample.threads == 2 && sample.cpu.total_s() > 0.05 {
                break sample;
            }
            assert!(Instant::now() < until, "{sample:?}");
            std::thread::sleep(Duration::from_millis(20));
        };

        assert!(sample.memory_bytes > 100_000, "{sample:?}");
        assert!(sample.descriptors >= 6, "{sample:?}");
        assert!(sample.context_switches > 0, "{sample:?}");
        assert_eq!(watch.known.len(), 2);
        let (child, _) = watch
            .known
            .iter()
            .find(|(pid, _)| *pid != watch.leader)
            .unwrap();
        exec::output(Path::new("kill"), &[child.to_string()], None).unwrap();
        drop(program);
        // Killed is not gone: the kernel needs a moment.
        while watch.look(2.0).is_ok() {
            assert!(Instant::now() < until, "the child outlives a kill");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
