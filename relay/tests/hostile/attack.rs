//! What the attackers of this suite have in common.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use protocol::refusal::RefusalCode;
use relay_testkit::{Agent, Metrics, Place, soon};
use rustls::{ClientConfig, ClientConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A TLS client whose every byte is in the hands of a test.
pub(crate) struct Hello {
    pub(crate) tls: ClientConnection,
    /// The ClientHello, as it goes over the wire.
    pub(crate) bytes: Vec<u8>,
}

impl Hello {
    /// The ClientHello of this configuration.
    pub(crate) fn new(config: Arc<ClientConfig>) -> Self {
        let name = "board.tasuki".try_into().unwrap();
        let mut tls = ClientConnection::new(config, name).unwrap();
        let mut bytes = Vec::new();
        tls.write_tls(&mut bytes).unwrap();
        Self { tls, bytes }
    }

    /// The ClientHello of a client's leg.
    pub(crate) fn of_leg(place: &Place) -> Self {
        Self::new(place.tls_client(protocol::ALPN_LEG, None))
    }

    /// Goes on after the ClientHello has been sent, to the end of the handshake and to the last
    /// byte that the client has to say in it.
    pub(crate) async fn finish(&mut self, socket: &mut TcpStream) -> io::Result<()> {
        self.hear(socket).await?;
        socket.write_all(&self.records()).await
    }

    /// The same, but for what the client has to say.
    pub(crate) async fn hear(&mut self, socket: &mut TcpStream) -> io::Result<()> {
        let mut received = [0; 4_096];
        while self.tls.is_handshaking() {
            let length = soon("a handshake", socket.read(&mut received)).await?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut rest = &received[..length];
            while !rest.is_empty() {
                self.tls.read_tls(&mut rest)?;
                self.tls.process_new_packets().map_err(io::Error::other)?;
            }
        }
        Ok(())
    }

    /// What TLS has to send now.
    pub(crate) fn records(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut bytes).unwrap();
        }
        bytes
    }
}

/// Waits until the board has ended a connection, whatever it says before.
pub(crate) async fn ended(socket: &mut TcpStream) {
    let mut bytes = [0; 1_024];
    while soon("the end of a connection", socket.read(&mut bytes))
        .await
        .is_ok_and(|length| length > 0)
    {}
}

/// The bare socket of an agent, wherever its records stand.
pub(crate) fn abandon(agent: Agent) -> TcpStream {
    agent.0.into_inner().0.abandon()
}

/// Attempts that failed, and how many of them were told why.
pub(crate) struct Failures {
    why: RefusalCode,
    made: u32,
    told: u32,
    began: Instant,
}

impl Failures {
    /// None yet; `why` is what those within the rate are told.
    pub(crate) fn new(why: RefusalCode) -> Self {
        Self {
            why,
            made: 0,
            told: 0,
            began: Instant::now(),
        }
    }

    /// Counts one more by what it was told.
    pub(crate) fn count(&mut self, code: RefusalCode) {
        self.made += 1;
        if code == self.why {
            self.told += 1;
        } else {
            assert_eq!(code, RefusalCode::TooManyAttempts);
        }
    }

    /// Insists that those within the rate were told and no others, and that the metrics say so.
    pub(crate) fn assert_within(
        &self,
        (per_second, at_once): (u32, u32),
        gained: impl Fn(&str) -> f64,
    ) {
        let Self { made, told, .. } = *self;
        let forgiven = self.began.elapsed().as_secs_f64().ceil() * f64::from(per_second);
        assert!(told >= at_once.min(made), "{told} answers");
        assert!(
            f64::from(told) <= f64::from(at_once) + forgiven,
            "{told} answers"
        );
        let refused = |code: RefusalCode| {
            let series = format!("tasuki_refused_total{{code=\"{}\"}}", code.label());
            gained(&series)
        };
        assert_eq!(refused(self.why), f64::from(told));
        assert_eq!(
            refused(RefusalCode::TooManyAttempts),
            f64::from(made - told)
        );
    }
}

/// How much each series has grown.
pub(crate) fn gained<'m>(
    before: &'m Metrics,
    after: &'m Metrics,
) -> impl Fn(&str) -> f64 + use<'m> {
    |series| after.get(series) - before.get(series)
}
