//! A leg's TCP socket: its options, and non-blocking reads and writes.
//!
//! Buffer sizes here are values of `SO_RCVBUF` and `SO_SNDBUF`; the kernel keeps twice as much and
//! counts its own overhead against it. `data::budget` decides them.
//! See `socket(7)` and `tcp(7)`.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};

use super::{Fault, Outcome};
use crate::limits;

/// Makes a leg's socket ready for the data plane.
///
/// Urgent data is kept in line, so that a plain read loses no byte before the session ends for it.
///
/// # Errors
/// The socket is already dead, or is not TCP.
pub fn prepare_leg(fd: OwnedFd) -> io::Result<TcpStream> {
    let stream = std::net::TcpStream::from(fd);
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;

    let socket = SockRef::from(&stream);
    socket.set_out_of_band_inline(true)?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(limits::KEEPALIVE_IDLE)
            .with_interval(limits::KEEPALIVE_INTERVAL)
            .with_retries(limits::KEEPALIVE_RETRIES),
    )?;
    socket.set_tcp_user_timeout(Some(limits::USER_TIMEOUT))?;
    socket.set_tcp_notsent_lowat(limits::NOTSENT_LOWAT)?;
    Ok(TcpStream::from_std(stream))
}

/// Caps both buffers of a socket at `bytes` each, and so turns the kernel's own sizing off.
///
/// Lowering drops nothing that is queued already, and takes no window back that was announced.
///
/// # Errors
/// The socket is already dead.
pub fn cap_buffers(socket: &impl AsFd, bytes: usize) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_recv_buffer_size(bytes)?;
    socket.set_send_buffer_size(bytes)
}

/// Gives an accepted socket the small receive buffer of a leg that waits for its partner.
///
/// [`cap_buffers`] opens the window again at the join: seen on Linux 6.18, and tested.
///
/// # Errors
/// The socket is already dead.
pub fn shrink_for_parking(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).set_recv_buffer_size(limits::PARKED_RECEIVE_BUFFER)
}

/// Reads what is there, at most one buffer full.
pub fn recv(mut socket: &TcpStream, buffer: &mut [u8]) -> Outcome {
    Outcome::of_read(socket.read(buffer))
}

/// Looks whether a byte is there, without taking it.
pub fn peek(socket: &TcpStream) -> Outcome {
    Outcome::of_read(socket.peek(&mut [0; 1]))
}

/// Writes as much as the socket takes.
pub fn send(mut socket: &TcpStream, bytes: &[u8]) -> Outcome {
    Outcome::of_write(socket.write(bytes))
}

/// Sends the FIN of one direction; the other stays open.
pub fn shut_write(socket: &TcpStream) -> Outcome {
    match socket.shutdown(Shutdown::Write) {
        Ok(()) => Outcome::Progress(0),
        Err(error) => Outcome::Error(Fault::of(&error)),
    }
}

/// Takes the error that the kernel holds for this socket, if there is one.
pub fn pending_fault(socket: &TcpStream) -> Option<Fault> {
    match socket.take_error() {
        Ok(pending) => pending.as_ref().map(Fault::of),
        Err(error) => Some(Fault::of(&error)),
    }
}

/// Makes the coming close a reset: the peer learns that the session broke, and what is still
/// queued is freed at once instead of lingering outside every budget.
pub fn reset_on_close(socket: &TcpStream) {
    // A socket that refuses this is dead already, and closing it is all that is left to do.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}
