//! Carries frames between the mux and TLS: the one task of a tunnel.
//!
//! Reads whatever comes (windows bound it), writes one frame as one TLS record at a time,
//! keeps the timers (acknowledgements, heartbeat), and ends the tunnel. Decides nothing
//! about streams; that is `mux/`.

use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use protocol::codec::DecodeError;
use protocol::tunnel::{FRAME_MAX, Frame};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::TlsStream;

use super::Ended;
use super::assembler::Assembler;
use super::heartbeat::{Beat, Heartbeat};
use super::mux::{Role, Violation};
use super::shared::Shared;

/// How long an acknowledgement waits for data to ride on.
const ACK_DELAY: Duration = Duration::from_millis(250);
/// How long a tunnel that nobody holds waits for the last acknowledgements.
const LINGER: Duration = Duration::from_secs(5);
/// Records sent, or received, before the other direction has its turn.
const BATCH: usize = 16;

pub(super) struct Driver<IO> {
    tls: TlsStream<IO>,
    shared: Arc<Shared>,
    assembler: Assembler,
    /// The frame being written; `unsent` is what TLS has yet to take of it.
    frame: Box<[u8]>,
    unsent: Range<usize>,
    heartbeat: Heartbeat,
    start: Instant,
    beat: Pin<Box<Sleep>>,
    ack: Option<Pin<Box<Sleep>>>,
    linger: Option<Pin<Box<Sleep>>>,
}

/// Why the driver stops.
enum Stop {
    /// Nobody holds the tunnel any more.
    Released,
    /// The peer ended the connection.
    PeerClosed,
    /// No sign of life for too long.
    Silent,
    Io(io::Error),
    Malformed(DecodeError),
    Violation(Violation),
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Driver<IO> {
    pub(super) fn new(tls: TlsStream<IO>, role: Role, shared: Arc<Shared>) -> Self {
        Self {
            tls,
            shared,
            assembler: Assembler::default(),
            frame: vec![0; FRAME_MAX].into_boxed_slice(),
            unsent: 0..0,
            heartbeat: Heartbeat::new(role, Duration::ZERO),
            start: Instant::now(),
            beat: Box::pin(sleep(Duration::ZERO)),
            ack: None,
            linger: None,
        }
    }

    /// Runs the tunnel until its end.
    pub(super) async fn run(mut self) {
        let stop = poll_fn(|context| self.poll(context)).await;
        let idle = self.shared.lock().mux.open_streams() == 0;
        // Who lets go of a tunnel may end the program once it has ended: the goodbye comes first.
        let released = matches!(stop, Stop::Released);
        if released {
            self.part().await;
        }
        let ended = match stop {
            Stop::Released => Ended::Closed,
            Stop::PeerClosed if idle => Ended::Closed,
            Stop::PeerClosed => Ended::PathDied("closed by the peer".to_owned()),
            Stop::Silent => Ended::PathDied("silent".to_owned()),
            Stop::Io(error) => Ended::PathDied(error.to_string()),
            Stop::Malformed(error) => Ended::Violation(error.to_string()),
            Stop::Violation(violation) => Ended::Violation(violation.to_string()),
        };
        self.shared.end(ended);
        if !released {
            self.part().await;
        }
    }

    /// Ends TLS in good form. What still comes is thrown away: a connection that is closed
    /// over unread bytes is reset, and a reset destroys what was said last.
    async fn part(&mut self) {
        let mut shut = false;
        let parting = poll_fn(|context| {
            if !shut {
                ready!(Pin::new(&mut self.tls).poll_shutdown(context))?;
                shut = true;
            }
            loop {
                let length = ready!(Pin::new(&mut self.tls).poll_fill_buf(context))?.len();
                if length == 0 {
                    return Poll::Ready(Ok::<(), io::Error>(()));
                }
                Pin::new(&mut self.tls).consume(length);
            }
        });
        // A peer that takes no goodbye, or goes on and on, is not waited for.
        let _ = timeout(LINGER, parting).await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Stop> {
        self.shared.lock().driver = Some(context.waker().clone());
        match self.turn(context) {
            Ok(()) => Poll::Pending,
            Err(stop) => Poll::Ready(stop),
        }
    }

    /// Does all that can be done without waiting.
    fn turn(&mut self, context: &mut Context<'_>) -> Result<(), Stop> {
        loop {
            let beaten = self.keep_heartbeat(context)?;
            let sent = self.send_some(context)?;
            let received = self.receive_some(context)?;
            let hurried = self.keep_ack_timer(context);
            if !(beaten || sent || received || hurried) {
                return self.check_released(context);
            }
        }
    }

    /// Sends a few frames; says whether there may be more to send.
    fn send_some(&mut self, context: &mut Context<'_>) -> Result<bool, Stop> {
        for _ in 0..BATCH {
            if self.unsent.is_empty() {
                // A frame is made only when TLS has let go of the one before: each becomes
                // one record, and carries the newest progress.
                match Pin::new(&mut self.tls).poll_flush(context) {
                    Poll::Ready(flushed) => flushed?,
                    Poll::Pending => return Ok(false),
                }
                let mut state = self.shared.lock();
                let Some(length) = state.mux.next_frame(&mut self.frame) else {
                    return Ok(false);
                };
                let used = state.mux.kept() > 0;
                drop(state);
                self.unsent = 0..length;
                if used {
                    self.mark_used();
                }
            }
            let bytes = &self.frame[self.unsent.clone()];
            match Pin::new(&mut self.tls).poll_write(context, bytes) {
                Poll::Ready(written) => self.unsent.start += written?,
                Poll::Pending => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Takes in a few records; says whether there may be more.
    fn receive_some(&mut self, context: &mut Context<'_>) -> Result<bool, Stop> {
        for batch in 0..BATCH {
            let chunk = match Pin::new(&mut self.tls).poll_fill_buf(context) {
                Poll::Ready(chunk) => chunk?,
                // What came in may have made something to send.
                Poll::Pending => return Ok(batch > 0),
            };
            let count = chunk.len();
            if count == 0 {
                return Err(Stop::PeerClosed);
            }
            let (mut news, mut used) = (false, false);
            let mut state = self.shared.lock();
            self.assembler.absorb(chunk, |frame| {
                let touched = state.mux.handle(frame)?;
                news |= state.wake_touched(&touched);
                used |= matches!(frame, Frame::Data(_));
                Ok::<(), Stop>(())
            })?;
            drop(state);
            Pin::new(&mut self.tls).consume(count);
            self.heartbeat.heard(self.start.elapsed());
            if news {
                self.shared.news.notify_waiters();
            }
            if used {
                self.mark_used();
            }
        }
        Ok(true)
    }

    /// Probes when it is time; says whether there is a probe to send.
    fn keep_heartbeat(&mut self, context: &mut Context<'_>) -> Result<bool, Stop> {
        let mut probed = false;
        // The timer is never moved for what is heard; it finds out when it rings.
        while self.beat.as_mut().poll(context).is_ready() {
            match self.heartbeat.next(self.start.elapsed()) {
                Beat::Wait(until) => self.beat.as_mut().reset(self.start + until),
                Beat::Probe(number) => {
                    self.shared.lock().mux.probe(number);
                    probed = true;
                }
                Beat::Dead => return Err(Stop::Silent),
            }
        }
        Ok(probed)
    }

    fn mark_used(&mut self) {
        if self.heartbeat.used(self.start.elapsed()) {
            self.beat.as_mut().reset(Instant::now());
        }
    }

    /// Lets acknowledgements go alone when they have waited long enough; says whether any do.
    fn keep_ack_timer(&mut self, context: &mut Context<'_>) -> bool {
        let mut state = self.shared.lock();
        if !state.mux.is_unannounced() {
            // Data took them along; the next one waits for its own time.
            self.ack = None;
        } else if self.ack.is_none() {
            self.ack = Some(Box::pin(sleep(ACK_DELAY)));
        }
        let rings = match &mut self.ack {
            Some(timer) => timer.as_mut().poll(context).is_ready(),
            None => false,
        };
        if rings {
            self.ack = None;
            state.mux.hurry();
        }
        state.ack_timer = self.ack.is_some();
        rings
    }

    /// Stops when nobody holds the tunnel or a stream of it and all was said.
    fn check_released(&mut self, context: &mut Context<'_>) -> Result<(), Stop> {
        let state = self.shared.lock();
        if state.held || state.mux.is_held() {
            return Ok(());
        }
        let said = state.mux.open_streams() == 0 && !state.mux.has_frame();
        drop(state);
        let linger = self.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        let over = linger.as_mut().poll(context).is_ready();
        if over || (said && self.unsent.is_empty()) {
            return Err(Stop::Released);
        }
        Ok(())
    }
}

/// However the task ends, those who wait must hear of it.
impl<IO> Drop for Driver<IO> {
    fn drop(&mut self) {
        let ended = Ended::PathDied("the program is stopping".to_owned());
        self.shared.end(ended);
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}
