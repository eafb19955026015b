//! One session of the load: two sockets and the two flows between them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;

use mio::net::TcpStream;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use socket2::SockRef;

use super::flow::{Flow, Sending};
use super::plan::Ending;
use super::shared::{Shared, count};
use super::stream::Mismatch;
use super::tally::Tally;

/// Reads of one end before other sessions have their turn.
const READS_PER_VISIT: usize = 16;

/// Writes of a host that sends bulk, likewise.
const WRITES_PER_VISIT: usize = 4;

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    /// Client to host.
    Up,
    /// Host to client.
    Down,
}

/// One of a session's sockets, registered once, edge-triggered.
#[derive(Debug)]
pub(super) struct End {
    pub(super) socket: TcpStream,
    readable: bool,
    writable: bool,
    /// The peer has ended: a short read does not mean that nothing is left.
    closing: bool,
}

/// How it stands with a session after a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Nothing to do until an event comes.
    Wait,
    /// It has more to read.
    Again,
    /// Over, in good form or not.
    Over,
}

/// A session as it must not go.
enum Fault {
    Bytes(Mismatch),
    Cut(String),
}

/// One session of the load.
#[derive(Debug)]
pub(super) struct Session {
    /// Its host's number.
    pub(super) number: u32,
    /// How many sessions this host had before.
    pub(super) life: u32,
    pub(super) random: StdRng,
    pub(super) up: Flow,
    pub(super) down: Flow,
    pub(super) ending: Option<Ending>,
    /// The host sends as fast as it is taken, in writes of so many bytes.
    pub(super) bulk: Option<u32>,
    /// The client does not read.
    pub(super) stalled: bool,
    /// Gone after a reset.
    pub(super) client: Option<End>,
    pub(super) host: End,
}

impl End {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            readable: true,
            writable: true,
            closing: false,
        }
    }

    pub(super) fn handle_event(&mut self, event: &mio::event::Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_error();
        self.closing |= event.is_read_closed() || event.is_error();
    }

    /// Sends what the flow has for this end to send.
    fn send(&mut self, flow: &mut Flow, buffer: &mut [u8]) -> io::Result<()> {
        while self.writable {
            let waiting = match flow.sending() {
                Sending::Idle => return Ok(()),
                Sending::Shut => {
                    flow.handle_shut();
                    return self.socket.shutdown(Shutdown::Write);
                }
                Sending::Write(waiting) => usize::try_from(waiting).unwrap_or(usize::MAX),
            };
            let length = waiting.min(buffer.len());
            let bytes = &mut buffer[..length];
            flow.fill(bytes);
            match self.socket.write(bytes) {
                Ok(written) => {
                    flow.handle_sent(written);
                    self.writable = written == length;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what has come; `false` at the end of the stream.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.socket.read(buffer) {
            Ok(read) => {
                // A short read has emptied the socket, unless an end lies behind it.
                self.readable = read == buffer.len() || (self.closing && read > 0);
                Ok(Some(read))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(None)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Session {
    /// A session's randomness, its keys among it, is its own.
    pub(super) fn new(
        seed: u64,
        (number, life): (u32, u32),
        client: TcpStream,
        host: TcpStream,
    ) -> Self {
        let mut own = [0; 32];
        own[..8].copy_from_slice(&seed.to_le_bytes());
        own[8..12].copy_from_slice(&number.to_le_bytes());
        own[12..16].copy_from_slice(&life.to_le_bytes());
        let mut random = StdRng::from_seed(own);
        Self {
            number,
            life,
            up: Flow::new(random.r#gen()),
            down: Flow::new(random.r#gen()),
            random,
            ending: None,
            bulk: None,
            stalled: false,
            client: Some(End::new(client)),
            host: End::new(host),
        }
    }

    pub(super) fn flow(&mut self, direction: Direction) -> &mut Flow {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    /// The client stops reading, or reads again.
    pub(super) fn stall(&mut self, stalled: bool) {
        self.stalled = stalled;
        if stalled {
            self.down.excuse();
        }
    }

    /// The client resets the connection.
    pub(super) fn abort(&mut self) -> io::Result<()> {
        if let Some(client) = self.client.take() {
            SockRef::from(&client.socket).set_linger(Some(std::time::Duration::ZERO))?;
        }
        Ok(())
    }

    /// Both ends end, now.
    pub(super) fn close(&mut self) {
        self.stall(false);
        self.up.close();
        self.down.close();
    }

    /// Does what can be done without waiting.
    pub(super) fn visit(&mut self, buffer: &mut [u8], tally: &mut Tally, shared: &Shared) -> After {
        match self.go_on(buffer, tally, shared) {
            Ok(after) => {
                if after == After::Over {
                    self.count_end(tally);
                }
                after
            }
            Err(fault) => {
                self.count_fault(&fault, tally, shared);
                After::Over
            }
        }
    }

    fn go_on(
        &mut self,
        buffer: &mut [u8],
        tally: &mut Tally,
        shared: &Shared,
    ) -> Result<After, Fault> {
        let Some(client) = &mut self.client else {
            return Ok(self.see_abort(buffer));
        };
        let lost = |who| move |error: io::Error| Fault::Cut(format!("{who}: {error}"));
        if !self.up.has_ended() {
            read(&mut self.host, &mut self.up, buffer, tally, shared)?;
        }
        if !self.stalled && !self.down.has_ended() {
            read(client, &mut self.down, buffer, tally, shared)?;
            self.down.catch_up();
        }
        client.send(&mut self.up, buffer).map_err(lost("client"))?;
        let writes = if self.bulk.is_some() {
            WRITES_PER_VISIT
        } else {
            1
        };
        for _ in 0..writes {
            if let Some(bytes) = self.bulk
                && self.down.sending() == Sending::Idle
                && !self.down.is_closing()
            {
                self.down.offer(bytes, shared.now());
            }
            self.host
                .send(&mut self.down, buffer)
                .map_err(lost("host"))?;
        }
        let sends_on = self.bulk.is_some() && self.host.writable && !self.down.is_closing();
        let reads_on = |end: &End, flow: &Flow| end.readable && !flow.has_ended();
        Ok(if self.up.has_ended() && self.down.has_ended() {
            After::Over
        } else if sends_on
            || reads_on(&self.host, &self.up)
            || (!self.stalled && reads_on(client, &self.down))
        {
            After::Again
        } else {
            After::Wait
        })
    }

    /// The host notices that its client has reset.
    fn see_abort(&mut self, buffer: &mut [u8]) -> After {
        while self.host.readable {
            match self.host.receive(buffer) {
                Ok(Some(0)) | Err(_) => return After::Over,
                Ok(_) => {}
            }
        }
        After::Wait
    }

    fn count_end(&self, tally: &mut Tally) {
        let ends = &mut tally.ends;
        *match self.ending {
            _ if self.client.is_none() => &mut ends.aborted,
            Some(Ending::HalfClose { .. }) => &mut ends.half_closed,
            Some(Ending::Close | Ending::Abort) | None => &mut ends.closed,
        } += 1;
    }

    fn count_fault(&self, fault: &Fault, tally: &mut Tally, shared: &Shared) {
        let faults = &mut tally.faults;
        let (counter, text) = match fault {
            Fault::Bytes(Mismatch::Ahead(bytes)) => {
                (&mut faults.lost, format!("{bytes} bytes lost or overtaken"))
            }
            Fault::Bytes(Mismatch::Behind(bytes)) => (
                &mut faults.repeated,
                format!("bytes of {bytes} bytes before came again"),
            ),
            Fault::Bytes(Mismatch::Foreign) => (&mut faults.foreign, "foreign bytes".to_owned()),
            Fault::Cut(text) => (&mut faults.cut, text.clone()),
        };
        *counter += 1;
        faults.tell(format!("session {}.{}: {text}", self.number, self.life));
        count(&shared.faults, 1);
    }

    /// It should be over by now.
    pub(super) fn count_overdue(&self, tally: &mut Tally, shared: &Shared) {
        let (up, down) = (self.up.standing(), self.down.standing());
        let text = format!("did not end; up: {up}; down: {down}");
        self.count_fault(&Fault::Cut(text), tally, shared);
    }
}

/// Reads and verifies what has come to this end.
fn read(
    end: &mut End,
    flow: &mut Flow,
    buffer: &mut [u8],
    tally: &mut Tally,
    shared: &Shared,
) -> Result<(), Fault> {
    for _ in 0..READS_PER_VISIT {
        if !end.readable {
            return Ok(());
        }
        let received = end
            .receive(buffer)
            .map_err(|error| Fault::Cut(error.to_string()))?;
        match received {
            None => {}
            Some(0) => {
                return flow.handle_end().map_err(|cut| {
                    let (received, offered) = (cut.received, cut.offered);
                    Fault::Cut(format!("ended after {received} of {offered} bytes"))
                });
            }
            Some(length) => {
                let now = shared.now();
                flow.handle_received(&buffer[..length], |message| {
                    tally.arrived(message, now, shared);
                })
                .map_err(Fault::Bytes)?;
            }
        }
    }
    Ok(())
}
