//! Which process holds the other end of a connection on this PC.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, NO_ERROR};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    GetExtendedTcpTable, TCP_TABLE_OWNER_PID_ALL,
};
use windows_sys::Win32::Networking::WinSock::AF_INET;

/// Numbers of 32 bits in a row of the table (MIB_TCPROW_OWNER_PID): state, local address and
/// port, remote address and port, process. The addresses are in network byte order; so are
/// the ports, in the lower half of their numbers.
const ROW: usize = 6;
/// Tries while the table grows between two questions.
const TRIES: usize = 8;

/// The process that holds the connection from `local` to `remote`, as its own end sees it.
/// `None`: there is no such connection, or nobody holds it any more.
pub fn owner(local: SocketAddrV4, remote: SocketAddrV4) -> io::Result<Option<u32>> {
    Ok(find(&table()?, local, remote))
}

/// The number of rows and the rows, as Windows gives them.
fn table() -> io::Result<Vec<u32>> {
    let mut table: Vec<u32> = Vec::new();
    // It takes a hostile program to make connections faster than they are counted.
    let mut failure = io::Error::from(io::ErrorKind::TimedOut);
    for _ in 0..TRIES {
        let bytes = table.len() * size_of::<u32>();
        let mut size = u32::try_from(bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
        // SAFETY: `size` says how many bytes of `table` may be written; its numbers are as
        // wide and as aligned as those of the table.
        let answer = unsafe {
            GetExtendedTcpTable(
                table.as_mut_ptr().cast(),
                &raw mut size,
                0,
                u32::from(AF_INET),
                TCP_TABLE_OWNER_PID_ALL,
                0,
            )
        };
        match answer {
            NO_ERROR => return Ok(table),
            // Some room more, for connections that are made meanwhile.
            ERROR_INSUFFICIENT_BUFFER => {
                let size = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
                table.resize(size / size_of::<u32>() + 16 * ROW, 0);
            }
            // Wine gives up after some tries of its own while many connections come and go.
            error => failure = io::Error::from_raw_os_error(error.cast_signed()),
        }
    }
    Err(failure)
}

fn find(table: &[u32], local: SocketAddrV4, remote: SocketAddrV4) -> Option<u32> {
    let (count, rows) = table.split_first()?;
    let rows = rows.chunks_exact(ROW).take(usize::try_from(*count).ok()?);
    let row = rows.map(Row::read).find(|row| row.ends == (local, remote));
    // Process 0 is what Windows names for a connection that waits for its end.
    row.map(|row| row.process).filter(|process| *process != 0)
}

struct Row {
    ends: (SocketAddrV4, SocketAddrV4),
    process: u32,
}

impl Row {
    fn read(row: &[u32]) -> Self {
        let number = |at: usize| row.get(at).copied().unwrap_or_default();
        let end = |at| {
            let address = Ipv4Addr::from(number(at).to_ne_bytes());
            let [high, low, ..] = number(at + 1).to_ne_bytes();
            SocketAddrV4::new(address, u16::from_be_bytes([high, low]))
        };
        Self {
            ends: (end(1), end(3)),
            process: number(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use super::*;

    fn v4(address: io::Result<SocketAddr>) -> SocketAddrV4 {
        match address.expect("is bound") {
            SocketAddr::V4(address) => address,
            SocketAddr::V6(address) => panic!("IPv4, not {address}"),
        }
    }

    #[test]
    fn own_connection_is_found_with_its_process_and_others_are_not() {
        let listener = TcpListener::bind("127.9.8.7:0").expect("binds");
        let client = TcpStream::connect(listener.local_addr().expect("is bound"));
        let client = client.expect("connects");
        let _server = listener.accept().expect("accepts");
        let (ours, theirs) = (v4(client.local_addr()), v4(client.peer_addr()));

        assert_eq!(
            owner(ours, theirs).expect("looks"),
            Some(std::process::id())
        );
        let stranger = SocketAddrV4::new(Ipv4Addr::new(127, 1, 1, 1), ours.port());
        assert_eq!(owner(stranger, theirs).expect("looks"), None);
    }
}
