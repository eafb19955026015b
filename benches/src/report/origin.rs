//! What ran, and where: read off this machine.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::Origin;
use crate::exec;

impl Origin {
    /// This program on this machine, now.
    pub(crate) fn here() -> Self {
        let first_line = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.lines().next().unwrap_or_default().to_owned()
        };
        let load = first_line("/proc/loadavg");
        let words = ["describe", "--always", "--dirty", "--abbrev=12"];
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            optimised: !cfg!(debug_assertions),
            commit: exec::output(Path::new("git"), &words, None)
                .ok()
                .map(|commit| commit.trim().to_owned()),
            command: std::env::args().collect(),
            started: UNIX_EPOCH.elapsed().unwrap_or_default().as_secs(),
            kernel: first_line("/proc/sys/kernel/osrelease"),
            processor: value("/proc/cpuinfo", "model name"),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory(&value("/proc/meminfo", "MemTotal")),
            autogroup: first_line("/proc/sys/kernel/sched_autogroup_enabled") == "1",
            load_average: load
                .split(' ')
                .next()
                .and_then(|load| load.parse().ok())
                .unwrap_or_default(),
        }
    }
}

/// The first value of this name in a file of names and values.
fn value(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let (_, value) = line
        .and_then(|line| line.split_once(':'))
        .unwrap_or_default();
    value.trim().to_owned()
}

/// Bytes of "24000 kB".
fn memory(text: &str) -> u64 {
    let kib = text.trim_end_matches(" kB").parse::<u64>();
    1_024 * kib.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_kernel_and_memory() {
        let here = Origin::here();

        assert!(
            here.kernel.starts_with(|c: char| c.is_ascii_digit()),
            "{here:?}"
        );
        assert!(here.memory_bytes > 1 << 26, "{here:?}");
        assert_eq!(memory("24000 kB"), 24_576_000);
    }
}
