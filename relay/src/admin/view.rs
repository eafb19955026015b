//! Status as a person reads it.

use std::collections::BTreeMap;
use std::fmt;

use super::status::{Phase, Status};

/// Prints a status as aligned lines.
pub(super) struct View<'s>(pub(super) &'s Status);

impl fmt::Display for View<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.0;
        let Status {
            name,
            deployment,
            version,
            ..
        } = status;
        writeln!(
            out,
            "Board {name} of {deployment}, tasuki-relay {version}\n"
        )?;
        line(out, "state", &state(status))?;
        let listen: Vec<String> = status.listen.iter().map(ToString::to_string).collect();
        line(out, "listening on", &listen.join(", "))?;
        let metrics = status.metrics.map(|address| address.to_string());
        line(out, "metrics on", metrics.as_deref().unwrap_or("none"))?;
        let hosts = &status.hosts;
        let known = hosts.known;
        line(
            out,
            "hosts",
            &format!(
                "{} online of {known} known, limit {}",
                hosts.online, hosts.limit
            ),
        )?;
        let sessions = &status.sessions;
        let (now, limit, joined) = (sessions.now, sessions.limit, sessions.joined);
        line(
            out,
            "sessions",
            &format!("{now} now, limit {limit}, {joined} since the start"),
        )?;
        let legs = &status.legs;
        let (parked, unproven) = (legs.parked, legs.unproven);
        line(
            out,
            "connecting",
            &format!("{parked} clients wait for their host, {unproven} unproven"),
        )?;
        let (to_host, to_client) = (size(status.bytes.to_host), size(status.bytes.to_client));
        line(
            out,
            "traffic",
            &format!("{to_host} to hosts, {to_client} to clients"),
        )?;
        line(out, "ended", &counts(&status.sessions.ended))?;
        line(out, "refused", &counts(&status.refused))?;
        line(out, "bad handshakes", &counts(&status.handshakes_failed))?;
        let certificate = &status.certificate;
        line(
            out,
            "certificate",
            &format!(
                "until {}, {} days",
                certificate.expires, certificate.days_left
            ),
        )?;
        line(out, "registrar", &registrar(status))?;
        line(out, "process", &process(status))?;
        line(out, "sandbox", &sandbox(status))?;
        line(out, "configuration", &configuration(status))?;
        status
            .warnings
            .iter()
            .try_for_each(|warning| writeln!(out, "\nWARNING: {warning}"))
    }
}

fn line(out: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    writeln!(out, "{name:<15} {value}")
}

fn state(status: &Status) -> String {
    let since = format!("{} (up {})", status.started, duration(status.uptime_s));
    match (status.phase, status.drain_rest_s) {
        (Phase::Starting, _) => "starting".to_owned(),
        (Phase::Serving, _) => format!("serving since {since}"),
        (Phase::Draining, Some(rest)) if status.sessions.now > 0 => {
            format!("draining, sessions end in {}", duration(rest))
        }
        (Phase::Draining, _) => "drained".to_owned(),
        (Phase::Stopping, _) => "stopping".to_owned(),
    }
}

fn registrar(status: &Status) -> String {
    let registrar = &status.registrar;
    let store = if registrar.trouble.is_some() {
        "STORE CANNOT BE WRITTEN"
    } else {
        "store in order"
    };
    format!(
        "{store}, {} names given up, board list {}",
        registrar.resting, registrar.board_list_serial
    )
}

fn sandbox(status: &Status) -> String {
    let sandbox = &status.sandbox;
    let seccomp = if sandbox.seccomp {
        "seccomp"
    } else {
        "no seccomp"
    };
    let landlock = sandbox.landlock.map_or_else(
        || "no Landlock".to_owned(),
        |version| format!("Landlock {version}"),
    );
    format!(
        "user {}, no capabilities, {seccomp}, {landlock}",
        sandbox.user
    )
}

fn configuration(status: &Status) -> String {
    let configuration = &status.configuration;
    let outcome = match configuration.mistakes.as_slice() {
        [] => "in use",
        _ => "REFUSED, the one before stays in use",
    };
    format!("read {}, {outcome}", configuration.read)
}

fn process(status: &Status) -> String {
    let process = &status.process;
    let memory = process
        .memory_bytes
        .map_or_else(|| "unknown".to_owned(), size);
    let descriptors = process
        .descriptors
        .map_or_else(|| "?".to_owned(), |count| count.to_string());
    format!(
        "{memory} memory, {descriptors} of {} descriptors, {} workers",
        process.descriptors_limit, process.workers
    )
}

/// What there is of each, most first.
fn counts(counts: &BTreeMap<String, u64>) -> String {
    let mut counts: Vec<_> = counts.iter().filter(|(_, count)| **count > 0).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    if counts.is_empty() {
        return "none".to_owned();
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    counts.join(", ")
}

fn size(bytes: u64) -> String {
    let units = [
        (1 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    for (unit, name) in units {
        if bytes >= unit {
            let tenths = bytes / (unit / 10);
            return format!("{}.{} {name}", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes} B")
}

/// The two largest units of a duration.
pub(crate) fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (_, _, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_short() {
        assert_eq!(size(1_023), "1023 B");
        assert_eq!(size(1_536), "1.5 KiB");
        assert_eq!(size(u64::MAX), "16777216.0 TiB");
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(61), "1 min 1 s");
        assert_eq!(duration(3_660), "1 h 1 min");
        assert_eq!(duration(90_000), "1 d 1 h");
    }

    #[test]
    fn counts_leave_zeros_out_and_begin_with_the_largest() {
        let of = |pairs: &[(&str, u64)]| {
            counts(
                &pairs
                    .iter()
                    .map(|(name, count)| ((*name).to_owned(), *count))
                    .collect(),
            )
        };

        assert_eq!(of(&[("barred", 0)]), "none");
        assert_eq!(
            of(&[("barred", 1), ("offline", 7), ("draining", 0)]),
            "7 offline, 1 barred"
        );
    }
}
