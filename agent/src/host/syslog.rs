//! Sends log events to a syslog server over UDP (RFC 5424, RFC 5426).
//!
//! A thread of its own resolves and sends, so that a slow name server never holds up a
//! session. Its queue is bounded; what does not fit is counted and the count is told.
//! Must never see content or secrets: it gets the same events as the log files.

use std::fmt::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines that wait for the network at most.
const QUEUE_MAX: usize = 256;
/// How long a server's address is believed before its name is looked up again.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(300);
/// Facility 3, system daemons (RFC 5424, 6.2.1).
const FACILITY: u8 = 3;
/// Longest message: what every receiver must take over IPv6 (RFC 5426, 3.2).
const MESSAGE_MAX: usize = 1180;

/// A layer that turns every event into one datagram.
pub(super) struct Syslog {
    queue: SyncSender<String>,
    lost: Arc<AtomicU64>,
    origin: String,
}

impl Syslog {
    /// Sends to `server` (`host:port`) as `program` on `hostname`.
    pub(super) fn start(server: String, hostname: &str, program: &str) -> std::io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let sender = Sender {
            server,
            lost: Arc::clone(&lost),
            open: None,
        };
        std::thread::Builder::new()
            .name("syslog".into())
            .spawn(move || sender.run(&lines))?;
        let origin = format!("{} {program} {}", header(hostname), std::process::id());
        Ok(Self {
            queue,
            lost,
            origin,
        })
    }

    fn line(&self, level: Level, now: SystemTime, message: &str) -> String {
        let priority = FACILITY * 8 + severity(level);
        // A clock outside what a calendar can say still leaves the rest of the line.
        let time =
            Timestamp::try_from(now).map_or_else(|_| "-".to_owned(), |time| format!("{time:.3}"));
        let mut line = format!("<{priority}>1 {time} {} - - {message}", self.origin);
        let end = (0..=MESSAGE_MAX.min(line.len()))
            .rev()
            .find(|end| line.is_char_boundary(*end))
            .unwrap_or(0);
        line.truncate(end);
        line
    }
}

impl<S: Subscriber> Layer<S> for Syslog {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let message = text.message + &text.fields;
        let line = self.line(*event.metadata().level(), SystemTime::now(), &message);
        if self.queue.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Severity of RFC 5424, 6.2.1.
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// A header field holds printable ASCII without spaces; `-` stands for an unknown one.
fn header(text: &str) -> String {
    let kept: String = text.chars().filter(char::is_ascii_graphic).collect();
    if kept.is_empty() {
        "-".to_owned()
    } else {
        kept
    }
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            // Writing to a string cannot fail.
            let _ = write!(self.fields, " {}={value:?}", field.name());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &value);
    }
}

struct Sender {
    server: String,
    lost: Arc<AtomicU64>,
    open: Option<(UdpSocket, SystemTime)>,
}

impl Sender {
    fn run(mut self, lines: &Receiver<String>) {
        while let Ok(line) = lines.recv() {
            let lost = self.lost.swap(0, Ordering::Relaxed);
            let delivered = if lost == 0 {
                self.send(&line)
            } else {
                self.send(&format!("{line} lost_before={lost}"))
            };
            if !delivered {
                self.lost.fetch_add(lost + 1, Ordering::Relaxed);
            }
        }
    }

    fn send(&mut self, line: &str) -> bool {
        let Some(socket) = self.socket() else {
            return false;
        };
        let sent = socket.send(line.as_bytes()).is_ok();
        if !sent {
            self.open = None;
        }
        sent
    }

    fn socket(&mut self) -> Option<&UdpSocket> {
        let now = SystemTime::now();
        let fresh = self.open.as_ref().is_some_and(|(_, since)| {
            now.duration_since(*since)
                .is_ok_and(|age| age < RESOLVE_INTERVAL)
        });
        if !fresh {
            self.open = connect(&self.server).map(|socket| (socket, now));
        }
        self.open.as_ref().map(|(socket, _)| socket)
    }
}

fn connect(server: &str) -> Option<UdpSocket> {
    server.to_socket_addrs().ok()?.find_map(|address| {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(address).ok()?;
        Some(socket)
    })
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn sends_each_event_as_one_rfc_5424_datagram() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("bind on loopback");
        server
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("set a deadline");
        let address = server.local_addr().expect("is bound").to_string();
        let syslog = Syslog::start(address, "office pc", "tasuki-host").expect("start");

        let subscriber = tracing_subscriber::registry().with(syslog);
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(user = "hanako", wait_s = 4, "Password refused");
        });

        let mut buffer = [0; 2048];
        let length = server.recv(&mut buffer).expect("a datagram comes");
        let line = std::str::from_utf8(&buffer[..length]).expect("is text");
        let (head, message) = line.split_once(" - - ").expect("has a header");
        let fields: Vec<&str> = head.split(' ').collect();
        assert_eq!(fields.len(), 5, "{line}");
        assert_eq!(fields[0], "<28>1");
        assert!(fields[1].ends_with('Z'), "{line}");
        assert_eq!(fields[2..4], ["officepc", "tasuki-host"]);
        assert_eq!(message, "Password refused user=\"hanako\" wait_s=4");
    }

    #[test]
    fn cuts_lines_at_the_limit_between_characters() {
        let syslog = Syslog::start("127.0.0.1:9".into(), "pc", "tasuki-host").expect("start");

        let line = syslog.line(
            Level::INFO,
            SystemTime::UNIX_EPOCH,
            &"\u{20ac}".repeat(1000),
        );

        assert!(line.len() <= MESSAGE_MAX && line.len() > MESSAGE_MAX - 3);
    }
}
