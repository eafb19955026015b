//! Sends the journal to a log host: syslog (RFC 5424) over TCP, each message with its length in
//! front (RFC 6587, section 3.4.1).
//!
//! journald hands every message to a socket, in the form of RFC 3164; a log host that is away
//! costs a bounded queue, and what does not fit is counted and told.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::file;
use crate::sys::timestamp;

/// Where journald sends to (journald.conf(5), `ForwardToSyslog=`).
pub const SOCKET: &str = "/run/systemd/journal/syslog";
/// A message, in bytes; journald cuts at 48 KiB, log hosts at 8 KiB or less.
const MESSAGE_MAX: usize = 8 * 1024;
/// Messages that wait for the log host: with the usual 200 bytes each, 200 KiB.
const QUEUE_MAX: usize = 1_024;
const RETRY: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(5);

/// A message of journald as RFC 5424 has it, or none if it is not understood.
fn convert(message: &[u8], time: &str, host: &str) -> Option<String> {
    let text = String::from_utf8_lossy(message);
    let (priority, rest) = text.strip_prefix('<')?.split_once('>')?;
    // `Nov 22 03:47:23 `, in a form that knows no year.
    let rest = rest.get(16..)?;
    let (tag, body) = rest.split_once(": ")?;
    let (name, process) = match tag.split_once('[') {
        Some((name, process)) => (name, process.trim_end_matches(']')),
        None => (tag, "-"),
    };
    let priority: u8 = priority.parse().ok().filter(|it| *it <= 191)?;
    let name = name.replace(|it: char| !it.is_ascii_graphic(), "_");
    let body = body.trim_end().replace(char::is_control, " ");
    Some(format!(
        "<{priority}>1 {time} {host} {name} {process} - - {body}"
    ))
}

/// Messages on their way to a log host.
#[derive(Debug)]
pub struct Forwarder {
    journal: UnixDatagram,
    /// `host:port`.
    target: String,
    host: String,
    queue: VecDeque<String>,
    dropped: u64,
    stream: Option<TcpStream>,
    retry_at: Instant,
}

impl Forwarder {
    /// Takes journald's messages at `socket`, for `target`; `host` is this board's name.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn new(socket: &Path, target: &str, host: &str) -> Result<Self> {
        file::remove(socket).context("cannot take journald's messages")?;
        let journal = UnixDatagram::bind(socket).context("cannot take journald's messages")?;
        journal.set_read_timeout(Some(RETRY))?;
        Ok(Self {
            journal,
            target: target.to_owned(),
            host: host.to_owned(),
            queue: VecDeque::new(),
            dropped: 0,
            stream: None,
            retry_at: Instant::now(),
        })
    }

    /// Takes one message, or waits a while for it, and sends what can be sent.
    ///
    /// # Errors
    /// journald's socket is broken.
    pub fn step(&mut self, tell: impl FnMut(&str)) -> Result<()> {
        let mut buffer = [0; MESSAGE_MAX];
        match self.journal.recv(&mut buffer) {
            Ok(length) => {
                let message = buffer.get(..length).unwrap_or_default();
                if let Some(message) = convert(message, &timestamp(), &self.host) {
                    self.push(message);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("cannot take journald's messages"),
        }
        self.send(tell);
        Ok(())
    }

    fn push(&mut self, message: String) {
        if self.queue.len() == QUEUE_MAX {
            self.queue.pop_front();
            self.dropped += 1;
        }
        self.queue.push_back(message);
    }

    fn send(&mut self, mut tell: impl FnMut(&str)) {
        while let Some(message) = self.queue.front() {
            let Some(stream) = self.stream.as_mut() else {
                match self.connect() {
                    Some(Ok(stream)) => {
                        let lost = std::mem::take(&mut self.dropped);
                        tell(&format!(
                            "log host {} reached, {lost} messages lost",
                            self.target
                        ));
                        self.stream = Some(stream);
                        continue;
                    }
                    // The last look is not long ago, or the host is still away.
                    Some(Err(_)) | None => return,
                }
            };
            let framed = format!("{} {message}", message.len());
            if let Err(error) = stream.write_all(framed.as_bytes()) {
                self.stream = None;
                tell(&format!("log host {} lost: {error}", self.target));
                return;
            }
            self.queue.pop_front();
        }
    }

    /// None: it is too early to look again.
    fn connect(&mut self) -> Option<io::Result<TcpStream>> {
        if Instant::now() < self.retry_at {
            return None;
        }
        self.retry_at = Instant::now() + RETRY;
        Some(self.try_connect())
    }

    fn try_connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in self.target.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(stream) => {
                    stream.set_write_timeout(Some(TIMEOUT))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    const TIME: &str = "2026-11-22T03:47:23Z";

    #[test]
    fn a_message_of_journald_becomes_one_of_rfc_5424() {
        let convert = |text: &str| convert(text.as_bytes(), TIME, "tokyo-1");

        assert_eq!(
            convert("<30>Nov 22 03:47:23 tasuki-relay[312]: Session: ended\n").as_deref(),
            Some("<30>1 2026-11-22T03:47:23Z tokyo-1 tasuki-relay 312 - - Session: ended")
        );
        assert_eq!(
            convert("<6>Nov  2 03:47:23 kernel: a\nb").as_deref(),
            Some("<6>1 2026-11-22T03:47:23Z tokyo-1 kernel - - - a b")
        );
        for wrong in [
            "",
            "<",
            "<30>",
            "<999>Nov 22 03:47:23 a: b",
            "<30>short",
            "no priority",
        ] {
            assert_eq!(convert(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn messages_wait_for_a_log_host_and_the_oldest_are_lost() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("syslog");
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let target = listener.local_addr().expect("has one");
        // Nobody answers there for now.
        drop(listener);
        let mut forwarder = Forwarder::new(&socket, &target.to_string(), "tokyo-1").expect("binds");
        let journald = UnixDatagram::unbound().expect("a socket");
        let mut told = Vec::new();
        for number in 0..QUEUE_MAX + 2 {
            let message = format!("<30>Nov 22 03:47:23 relay[1]: number {number}");
            journald
                .send_to(message.as_bytes(), &socket)
                .expect("sends");
            forwarder
                .step(|line| told.push(line.to_owned()))
                .expect("takes it");
        }
        assert_eq!(told, [""; 0]);

        let listener = TcpListener::bind(target).expect("binds again");
        // The next look is due.
        forwarder.retry_at = Instant::now();
        journald
            .send_to(b"<30>Nov 22 03:47:23 relay[1]: last", &socket)
            .expect("sends");
        forwarder
            .step(|line| told.push(line.to_owned()))
            .expect("takes it");

        assert!(told[0].ends_with("reached, 3 messages lost"), "{told:?}");
        drop(forwarder);
        let mut text = String::new();
        let (mut stream, _) = listener.accept().expect("is dialled");
        stream.read_to_string(&mut text).expect("reads");
        let (length, first) = text.split_once(' ').expect("a length");
        let length: usize = length.parse().expect("a number");
        assert!(
            first[..length].ends_with("number 3"),
            "{}",
            &first[..length]
        );
        assert!(text.ends_with("- - last"));
    }
}
