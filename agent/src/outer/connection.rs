//! One connection to a board: frames in outer TLS, then the bare socket.

use std::io;
use std::net::SocketAddr;
use std::time::SystemTime;

use protocol::id::BoardName;
use protocol::outer::{BoardListPart, FRAME_MAX, Frame, HEADER, frame_length};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::warn;

use super::board::{Assembler, BoardListError, Boards};
use super::error::{OuterError, is_cut};
use super::tls::{BoardIdentity, OuterStream};
use crate::config::Endpoint;

/// An authenticated connection to a board.
#[derive(Debug)]
pub struct Connection {
    stream: OuterStream,
    board: BoardIdentity,
    address: Endpoint,
    /// The proxy on the way.
    proxy: Option<Endpoint>,
    boards: Boards,
    assembler: Assembler,
    /// What has come of the next frame; a receive that is given up loses nothing.
    buffer: Box<[u8; FRAME_MAX]>,
    buffered: usize,
}

impl Connection {
    pub(super) fn new(
        stream: OuterStream,
        board: BoardIdentity,
        address: &Endpoint,
        proxy: Option<Endpoint>,
        boards: Boards,
    ) -> Self {
        Self {
            stream,
            board,
            address: address.clone(),
            proxy,
            boards,
            assembler: Assembler::default(),
            buffer: Box::new([0; FRAME_MAX]),
            buffered: 0,
        }
    }

    /// The board at the other end, from its certificate.
    pub fn board(&self) -> &BoardName {
        &self.board.name
    }

    /// The address that was dialled: from the entry file or the board list.
    pub fn address(&self) -> &Endpoint {
        &self.address
    }

    /// The proxy on the way.
    pub(super) fn proxy(&self) -> Option<&Endpoint> {
        self.proxy.as_ref()
    }

    /// This end's address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.get_ref().0.get_ref().local_addr()
    }

    /// Sends a frame as one TLS record. Not cancel safe: after giving up, drop the connection.
    pub async fn send(&mut self, frame: &Frame) -> Result<(), OuterError> {
        let bytes = frame
            .encode()
            .expect("a frame's types keep it within its limit");
        let written = self.stream.write_all(&bytes).await;
        written.map_err(|error| self.lost(error))?;
        let flushed = self.stream.flush().await;
        flushed.map_err(|error| self.lost(error))
    }

    /// Receives the next frame. Cancel safe; the caller sets the deadline.
    ///
    /// `BoardListPart` never comes out: the pieces go to [`Boards`], and a list that
    /// refuses this very board ends the connection. A `Refused` comes out as
    /// [`OuterError::Refused`], so that `?` does the right thing with it.
    pub async fn receive(&mut self) -> Result<Frame, OuterError> {
        loop {
            let frame = self.next_frame().await?;
            if let Frame::BoardListPart(part) = frame {
                self.take_board_list(&part)?;
            } else if let Frame::Refused(refusal) = frame {
                return Err(OuterError::Refused(Box::new(refusal)));
            } else {
                return Ok(frame);
            }
        }
    }

    /// Gives the socket back, right behind the last record received: after `Joined`, what
    /// follows is the tunnel. Sends nothing, not even a close.
    pub fn into_raw(self) -> TcpStream {
        let (stream, _session) = self.stream.into_inner();
        stream.into_inner()
    }

    async fn next_frame(&mut self) -> Result<Frame, OuterError> {
        loop {
            let length = match self.buffer.first_chunk::<HEADER>() {
                Some(header) if self.buffered >= HEADER => {
                    frame_length(*header).map_err(OuterError::BadFrame)?
                }
                Some(_) | None => HEADER,
            };
            if self.buffered >= HEADER && self.buffered == length {
                self.buffered = 0;
                return Frame::decode(&self.buffer[..length]).map_err(OuterError::BadFrame);
            }
            // Never room for more: tokio-rustls reads on into the next record until the buffer
            // is full, and that record may be the tunnel's.
            let rest = &mut self.buffer[self.buffered..length];
            match self.stream.read(rest).await {
                Ok(0) => return Err(self.cut()),
                Ok(read) => self.buffered += read,
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    /// A cut connection is a closed one, however the cut looks from here.
    fn lost(&self, error: io::Error) -> OuterError {
        if is_cut(&error) {
            self.cut()
        } else {
            OuterError::Lost(error)
        }
    }

    fn cut(&self) -> OuterError {
        match self.proxy.clone() {
            Some(proxy) => OuterError::CutBehindProxy { proxy },
            None => OuterError::Closed,
        }
    }

    fn take_board_list(&mut self, part: &BoardListPart) -> Result<(), OuterError> {
        let whole = self.assembler.take(part).map_err(OuterError::BoardList)?;
        let Some(bytes) = whole else {
            return Ok(());
        };
        let now = SystemTime::now();
        match self.boards.accept(&bytes, now) {
            Ok(_newer) => {}
            // The registrar's key may have been rolled, or our clock be wrong: the list that
            // we have goes on, and the board is still one of ours.
            Err(error @ (BoardListError::Forged(_) | BoardListError::Expired)) => {
                warn!(board = %self.board.name, %error, "Board list refused");
            }
            Err(error) => return Err(OuterError::BoardList(error)),
        }
        let address = self.address.clone();
        let judged = self.boards.judge(&self.board, now);
        judged.map_err(|source| OuterError::Certificate { address, source })
    }
}
