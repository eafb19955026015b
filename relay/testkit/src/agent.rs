//! An agent's end of a connection, spoken frame by frame.

use std::io::{self, Write};

use protocol::outer::{Frame, Invite, Joined, Registered};
use protocol::refusal::{Refusal, RefusalCode};
use tasuki_relay::tls::record::RecordExact;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::wait::soon;

/// An agent's end of a connection to the board.
pub struct Agent(pub TlsStream<RecordExact<TcpStream>>);

impl Agent {
    pub async fn send(&mut self, frame: impl Into<Frame>) {
        self.send_bytes(&frame.into().encode().unwrap()).await;
    }

    /// The same to a board that may hang up at any time.
    ///
    /// # Errors
    /// It has.
    pub async fn try_send(&mut self, frame: impl Into<Frame>) -> io::Result<()> {
        let bytes = frame.into().encode().unwrap();
        self.0.write_all(&bytes).await?;
        self.0.flush().await
    }

    /// Sends these bytes as one TLS record.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Sends bytes that are none of the outer TLS, as a tunnel does behind `Connect`.
    pub async fn pipeline(&mut self, bytes: &[u8]) {
        let (records, _) = self.0.get_mut();
        records.write_all(bytes).await.unwrap();
    }

    /// Sends a frame and what belongs to the tunnel behind it in one piece, so that the board
    /// finds both together.
    pub async fn send_ahead(&mut self, frame: impl Into<Frame>, ahead: &[u8]) {
        let (records, tls) = self.0.get_mut();
        tls.writer()
            .write_all(&frame.into().encode().unwrap())
            .unwrap();
        let mut bytes = Vec::new();
        tls.write_tls(&mut bytes).unwrap();
        bytes.extend(ahead);
        records.write_all(&bytes).await.unwrap();
    }

    /// The next frame, and no byte behind it; `None` when the board has closed the connection.
    pub async fn next(&mut self) -> Option<Frame> {
        let bytes = soon("a frame", self.0.fill_buf()).await.ok()?;
        let (frame, taken) = (Frame::decode(bytes), bytes.len());
        self.0.consume(taken);
        (taken > 0).then(|| frame.unwrap())
    }

    /// The next frame that is no part of a board list.
    pub async fn answer(&mut self) -> Option<Frame> {
        loop {
            match self.next().await {
                Some(Frame::BoardListPart(_)) => {}
                other => return other,
            }
        }
    }

    pub async fn registered(&mut self) -> Registered {
        match self.answer().await {
            Some(Frame::Registered(registered)) => registered,
            other => panic!("expected Registered, got {other:?}"),
        }
    }

    pub async fn invite(&mut self) -> Invite {
        match self.answer().await {
            Some(Frame::Invite(invite)) => invite,
            other => panic!("expected Invite, got {other:?}"),
        }
    }

    pub async fn joined(&mut self) -> Joined {
        match self.answer().await {
            Some(Frame::Joined(joined)) => joined,
            other => panic!("expected Joined, got {other:?}"),
        }
    }

    /// The refusal that comes next, and after it an orderly end: no reset may follow, since it
    /// could destroy the refusal before the agent has read it.
    pub async fn refusal(mut self) -> Refusal {
        let refusal = match self.answer().await {
            Some(Frame::Refused(refusal)) => refusal,
            other => panic!("expected Refused, got {other:?}"),
        };
        assert_eq!(
            self.0.read(&mut [0]).await.unwrap(),
            0,
            "TLS ends in good form"
        );
        let mut socket = self.0.into_inner().0.into_inner().unwrap();
        let end = soon("the end", socket.read(&mut [0])).await;
        assert_eq!(end.unwrap(), 0);
        // Linux reads to the FIN in spite of a reset behind it; other systems may not.
        let pending = socket.take_error().unwrap();
        assert!(pending.is_none(), "a reset after the refusal: {pending:?}");
        let still_heard = socket.write_all(&[0]).await;
        assert!(still_heard.is_ok(), "a reset after the refusal");
        refusal
    }

    pub async fn refused(self) -> RefusalCode {
        self.refusal().await.code
    }

    /// The bare socket, once both sides have spoken their last record.
    pub fn into_raw(self) -> TcpStream {
        self.0.into_inner().0.into_inner().expect("between records")
    }
}
