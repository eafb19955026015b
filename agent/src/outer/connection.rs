//! One connection to a board: frames in outer TLS, then the bare socket.

use std::net::SocketAddr;

use protocol::id::BoardName;
use protocol::outer::Frame;
use tokio::net::TcpStream;

use super::OuterError;

/// An authenticated connection to a board.
#[derive(Debug)]
pub struct Connection {
    board: BoardName,
    local_addr: SocketAddr,
}

impl Connection {
    /// The board at the other end, from its certificate.
    pub fn board(&self) -> &BoardName {
        &self.board
    }

    /// This end's address.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Sends a frame as one TLS record. Not cancel safe.
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn send(&mut self, frame: &Frame) -> Result<(), OuterError> {
        let _ = frame;
        unimplemented!()
    }

    /// Receives the next frame. Cancel safe; the caller sets the deadline.
    ///
    /// `BoardListPart` never comes out: pieces go to [`super::Boards`].
    /// A `Refused` comes out as [`OuterError::Refused`].
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn receive(&mut self) -> Result<Frame, OuterError> {
        unimplemented!()
    }

    /// Gives the socket back, right behind the last record received: after `Joined` what
    /// follows is the tunnel.
    pub fn into_raw(self) -> TcpStream {
        unimplemented!()
    }
}
