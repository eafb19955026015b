//! Figures for Prometheus, on a loopback listener of their own.
//!
//! Owns the names, which dashboards depend on; the figures belong to the parts that count them.
//! Format: Prometheus text exposition 0.0.4.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::debug;

use crate::admin::status::{Phase, Status};
use crate::board::Board;
use crate::data::{EndReason, Stats};
use crate::limits;
use crate::sys::spare::Spare;

/// Answers scrapes until it is dropped.
pub async fn serve(listener: TcpListener, board: Arc<Board>) {
    let listener = Arc::new(listener);
    let spare = Arc::new(Spare::default());
    spare.refill(&*listener);
    let places = Arc::new(Semaphore::new(limits::OPERATOR_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let board = Arc::clone(&board);
                let (listener, spare) = (Arc::clone(&listener), Arc::clone(&spare));
                tokio::spawn(async move {
                    converse(stream, board).await;
                    spare.refill(&*listener);
                    drop(place);
                });
            }
            Err(error) => {
                debug!(%error, "Cannot accept a scrape");
                spare.release();
                tokio::time::sleep(limits::OPERATOR_PAUSE).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, board: Arc<Board>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(&request, &board);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::OPERATOR_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(limits::OPERATOR_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "Scrape ended early"),
        Err(_) => debug!("Scrape took too long"),
    }
}

fn respond(request: &Request<Incoming>, board: &Board) -> Response<Full<Bytes>> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => (StatusCode::OK, page(board)),
        (&Method::GET, _) => (
            StatusCode::NOT_FOUND,
            "metrics are at /metrics\n".to_owned(),
        ),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let plain = "text/plain; version=0.0.4; charset=utf-8";
    response
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(plain));
    response
}

/// The page that Prometheus reads.
pub fn page(board: &Board) -> String {
    let mut page = Page::default();
    let status = board.status();
    write_board(&mut page, board, &status);
    write_load(&mut page, &status);
    write_control(&mut page, board);
    write_data(&mut page, &board.data.stats(), &board.data.beats());
    page.0
}

fn write_board(page: &mut Page, board: &Board, status: &Status) {
    let identity = [
        ("version", status.version.as_str()),
        ("board", status.name.as_str()),
    ];
    page.family("tasuki_info", "gauge", "Version and name of this board.");
    page.sample("tasuki_info", &identity, 1);
    let end = board
        .certificate_end()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let serving = u64::from(status.phase == Phase::Serving);
    let writable = u64::from(status.registrar.trouble.is_none());
    let list = status.registrar.board_list_serial;
    page.gauge(
        "tasuki_serving",
        "1 while new hosts and sessions are taken.",
        serving,
    );
    page.gauge(
        "tasuki_certificate_expiry_timestamp_seconds",
        "End of the certificate in Unix time.",
        end,
    );
    page.gauge(
        "tasuki_registrar_writable",
        "1 while new IDs can be given out.",
        writable,
    );
    page.gauge(
        "tasuki_board_list_serial",
        "Serial of the board list.",
        list,
    );
    let held = [
        ("seccomp", u64::from(status.sandbox.seccomp)),
        ("landlock", u64::from(status.sandbox.landlock.is_some())),
    ];
    page.family(
        "tasuki_sandbox",
        "gauge",
        "1 where the kernel confines the relay by it.",
    );
    for (by, holds) in held {
        page.sample("tasuki_sandbox", &[("by", by)], holds);
    }
    let configuration = &status.configuration;
    page.gauge(
        "tasuki_reload_refused",
        "1 while the configuration in use is not the one that was read last.",
        u64::from(!configuration.mistakes.is_empty()),
    );
    page.gauge(
        "tasuki_restart_needed",
        "Changed keys of the configuration that wait for a restart.",
        configuration.needs_restart.len(),
    );
    page.gauge(
        "tasuki_warnings",
        "Warnings that status shows.",
        status.warnings.len(),
    );
    page.gauge(
        "tasuki_workers_stuck",
        "Data workers that do not move.",
        status.process.stuck.len(),
    );
    let process = &status.process;
    if let Some(bytes) = process.memory_bytes {
        page.gauge("process_resident_memory_bytes", "Resident memory.", bytes);
    }
    if let Some(open) = process.descriptors {
        page.gauge("process_open_fds", "Descriptors that are open.", open);
    }
    page.gauge(
        "process_max_fds",
        "Descriptors that may be open.",
        process.descriptors_limit,
    );
}

fn write_load(page: &mut Page, status: &Status) {
    let Status {
        hosts,
        sessions,
        legs,
        ..
    } = status;
    for (name, help, value) in [
        ("tasuki_hosts_online", "Hosts linked now.", hosts.online),
        (
            "tasuki_hosts_known",
            "Hosts that have a computer ID.",
            hosts.known,
        ),
        (
            "tasuki_hosts_limit",
            "Hosts that may be linked.",
            hosts.limit,
        ),
        ("tasuki_sessions", "Sessions joined now.", sessions.now),
        (
            "tasuki_sessions_limit",
            "Sessions that may be joined.",
            sessions.limit,
        ),
        (
            "tasuki_legs_parked",
            "Clients that wait for their host now.",
            legs.parked,
        ),
        (
            "tasuki_legs_parked_limit",
            "Clients that may wait.",
            legs.limit,
        ),
        (
            "tasuki_connections_unproven",
            "Connections that have proven nothing.",
            legs.unproven,
        ),
        (
            "tasuki_accept_paused",
            "1 while new connections wait, because something is short.",
            usize::from(legs.accept_paused),
        ),
    ] {
        page.gauge(name, help, value);
    }
}

fn write_control(page: &mut Page, board: &Board) {
    let counters = board.control.counters();
    for (name, help, value) in [
        (
            "tasuki_accepted_total",
            "Connections accepted.",
            counters.accepted(),
        ),
        (
            "tasuki_accept_errors_total",
            "Failed attempts to accept.",
            counters.accept_errors(),
        ),
        (
            "tasuki_evicted_total",
            "Unproven connections closed for newer ones.",
            counters.evicted(),
        ),
        (
            "tasuki_registered_total",
            "Links registered by hosts.",
            counters.registered(),
        ),
        (
            "tasuki_invited_total",
            "Invites sent to hosts.",
            counters.invited(),
        ),
        (
            "tasuki_hung_up_total",
            "Clients that left while they waited.",
            counters.hung_up(),
        ),
    ] {
        page.counter(name, help, value);
    }
    page.counters(
        "tasuki_turned_away_total",
        "Connections closed before TLS.",
        "cause",
        counters.turned_away(),
    );
    page.counters(
        "tasuki_links_ended_total",
        "Links of hosts that ended.",
        "reason",
        counters.links_ended(),
    );
    page.counters(
        "tasuki_refused_total",
        "Refusals sent.",
        "code",
        counters.refused(),
    );
    let failed = counters.handshakes_failed();
    page.counters(
        "tasuki_handshakes_failed_total",
        "Failed handshakes.",
        "cause",
        failed,
    );
}

fn write_data(page: &mut Page, stats: &Stats, beats: &[u64]) {
    let ended = EndReason::ALL.map(|reason| (reason.as_str(), stats.ended_for(reason)));
    page.counters(
        "tasuki_sessions_ended_total",
        "Sessions ended.",
        "reason",
        ended,
    );
    let to = [
        ("host", stats.bytes.to_host),
        ("client", stats.bytes.to_client),
    ];
    page.counters(
        "tasuki_bytes_total",
        "Bytes of sessions, by direction.",
        "to",
        to,
    );
    let by = [
        ("splice", stats.bytes_spliced),
        ("copy", stats.bytes_copied),
    ];
    page.counters(
        "tasuki_forwarded_bytes_total",
        "Bytes of sessions, by way.",
        "by",
        by,
    );
    let calls = [("splice", stats.splice_calls), ("copy", stats.copy_calls)];
    page.counters(
        "tasuki_forward_calls_total",
        "Reads of sessions' sockets.",
        "by",
        calls,
    );
    page.gauge(
        "tasuki_pipes_in_use",
        "Pipes with bytes in them.",
        stats.pipes_in_use,
    );
    page.gauge(
        "tasuki_pipes_idle",
        "Pipes kept for the next use.",
        stats.pipes_idle,
    );
    for (name, help, value) in [
        (
            "tasuki_sessions_joined_total",
            "Sessions joined.",
            stats.sessions_joined,
        ),
        (
            "tasuki_pipe_shortages_total",
            "Reads copied for want of a pipe.",
            stats.pipe_shortages,
        ),
        (
            "tasuki_stale_events_total",
            "Events for ended sessions.",
            stats.stale_events,
        ),
        (
            "tasuki_mailbox_refusals_total",
            "Commands to a full mailbox.",
            stats.mailbox_refusals,
        ),
    ] {
        page.counter(name, help, value);
    }
    let workers: Vec<String> = (0..beats.len()).map(|worker| worker.to_string()).collect();
    let beats = workers
        .iter()
        .map(String::as_str)
        .zip(beats.iter().copied());
    page.counters(
        "tasuki_worker_beats_total",
        "Signs of life.",
        "worker",
        beats,
    );
}

/// The text as it grows.
#[derive(Default)]
struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    /// One family with a sample for each value of `label`.
    fn counters<'c>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        counts: impl IntoIterator<Item = (&'c str, u64)>,
    ) {
        self.family(name, "counter", help);
        for (value, count) in counts {
            self.sample(name, &[(label, value)], count);
        }
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// Labels come from ourselves and need no escaping: names are ASCII letters and digits.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{value}\""))
            .collect();
        if labels.is_empty() {
            self.line(format_args!("{name} {value}\n"));
        } else {
            self.line(format_args!("{name}{{{}}} {value}\n", labels.join(",")));
        }
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a string takes everything");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_carry_their_labels() {
        let mut page = Page::default();
        page.family("tasuki_bytes_total", "counter", "Bytes.");
        page.sample("tasuki_bytes_total", &[("to", "host"), ("by", "copy")], 7);
        page.gauge("tasuki_sessions", "Sessions.", 3);

        let expected = "# HELP tasuki_bytes_total Bytes.\n\
                        # TYPE tasuki_bytes_total counter\n\
                        tasuki_bytes_total{to=\"host\",by=\"copy\"} 7\n\
                        # HELP tasuki_sessions Sessions.\n\
                        # TYPE tasuki_sessions gauge\n\
                        tasuki_sessions 3\n";
        assert_eq!(page.0, expected);
    }
}
