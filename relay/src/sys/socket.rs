//! A leg's TCP socket: its options, and non-blocking reads and writes.
//!
//! Buffer sizes here are values of `SO_RCVBUF` and `SO_SNDBUF`; the kernel keeps twice as much and
//! counts its own overhead against it. `data::budget` decides them.
//! See `socket(7)` and `tcp(7)`.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use mio::net::TcpStream;
use nix::sys::socket::{getsockopt, setsockopt};
use rustix::net::{RecvFlags, SendFlags};
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

/// The widest window to announce, in bytes (`TCP_WINDOW_CLAMP`, `tcp(7)`).
#[derive(Clone, Copy, Debug)]
struct WindowClamp;

nix::setsockopt_impl!(
    WindowClamp,
    libc::IPPROTO_TCP,
    libc::TCP_WINDOW_CLAMP,
    u32,
    nix::sys::socket::sockopt::SetStruct<'_, u32>
);

/// Caps both buffers of a socket, in bytes, and so turns the kernel's own sizing off.
///
/// The window's own limit is set as well: the kernel derived it from the small buffer that the
/// connection began with, and a larger buffer alone does not raise it (seen on Linux 6.18, with
/// segments of 1,448 bytes: never more than 22 KB).
///
/// Lowering drops nothing that is queued already, and takes no window back that was announced.
///
/// # Errors
/// The socket is already dead.
pub fn cap_buffers(socket: &impl AsFd, receive: usize, send: usize) -> io::Result<()> {
    let options = SockRef::from(socket);
    options.set_recv_buffer_size(receive)?;
    options.set_send_buffer_size(send)?;
    let window = u32::try_from(2 * receive).unwrap_or(u32::MAX);
    setsockopt(socket, WindowClamp, &window).map_err(io::Error::from)
}

/// What the kernel holds for a socket (`SO_MEMINFO`, `sock_diag(7)`).
#[derive(Clone, Copy, Debug)]
struct MemInfo;

nix::getsockopt_impl!(
    MemInfo,
    libc::SOL_SOCKET,
    libc::SO_MEMINFO,
    [u32; 9],
    nix::sys::socket::sockopt::GetStruct<[u32; 9]>
);

/// Bytes that a socket pins: received and unread, and queued for sending. Zero for a dead one.
pub fn pinned(socket: &impl AsFd) -> usize {
    // SK_MEMINFO_RMEM_ALLOC is the first, SK_MEMINFO_WMEM_QUEUED the sixth.
    getsockopt(socket, MemInfo).map_or(0, |[received, _, _, _, _, queued, ..]| {
        usize::try_from(received.saturating_add(queued)).unwrap_or(usize::MAX)
    })
}

/// Reads what is there, at most one buffer full.
///
/// This and [`send`] are system calls without glibc's points of cancellation around them, which took
/// as many instructions as the rest of its call (counted with callgrind).
pub fn recv(socket: &TcpStream, buffer: &mut [u8]) -> Outcome {
    let result = rustix::net::recv(socket, buffer, RecvFlags::empty());
    Outcome::of_read(result.map(|(bytes, _)| bytes).map_err(io::Error::from))
}

/// Looks whether a byte is there, without taking it.
pub fn peek(socket: &TcpStream) -> Outcome {
    Outcome::of_read(socket.peek(&mut [0; 1]))
}

/// Writes as much as the socket takes.
///
/// The next write goes on in the same segment while that is unsent, whatever the send buffer's size;
/// with `last` it begins a new one, for which the kernel asks for room first (`MSG_EOR`, `send(2)`).
pub fn send(socket: &TcpStream, bytes: &[u8], last: bool) -> Outcome {
    let mut flags = SendFlags::NOSIGNAL;
    flags.set(SendFlags::EOR, last);
    let result = rustix::net::send(socket, bytes, flags);
    Outcome::of_write(result.map_err(io::Error::from))
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
