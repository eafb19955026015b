//! Listening sockets: their options are inherited by every connection that they accept.
//!
//! See `socket(7)`, `tcp(7)` and `ipv6(7)`.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::limits;

/// Listens on an address; an unspecified IPv6 address takes IPv4 as well.
///
/// Buffers are small from the first byte on: what a stranger sends before anybody knows it costs
/// little, and the window is announced with the SYN. Joining a session opens them.
///
/// # Errors
/// The address is taken or not ours, or the kernel refuses an option.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A relay that is restarted finds the connections of its predecessor in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_recv_buffer_size(limits::PARKED_RECEIVE_BUFFER)?;
    socket.set_send_buffer_size(limits::CONTROL_SEND_BUFFER)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_mss(limits::SEGMENT_BYTES)?;
    // Bounds a socket that was closed with bytes unsent, too, which belongs to nobody any more.
    socket.set_tcp_user_timeout(Some(limits::CONTROL_USER_TIMEOUT))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(limits::BACKLOG).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// Listens on every address, or on none.
///
/// # Errors
/// One of them cannot be listened on; the text names it.
pub fn listen_all(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let named = |address: &SocketAddr| {
        listen(*address)
            .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))
    };
    addresses.iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};

    use socket2::SockRef;

    use super::*;

    #[test]
    fn one_socket_takes_both_families() {
        let listener = listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))).unwrap();
        let port = listener.local_addr().unwrap().port();

        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
    }

    #[test]
    fn accepted_connections_begin_with_small_buffers() {
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.set_nonblocking(false).unwrap();

        let (accepted, _) = listener.accept().unwrap();

        // The kernel doubles what it is told, for its own overhead.
        let size = SockRef::from(&accepted).recv_buffer_size().unwrap();
        assert_eq!(size, 2 * limits::PARKED_RECEIVE_BUFFER);
        assert!(accepted.nodelay().unwrap());
    }
}
