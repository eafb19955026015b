//! A TCP connection to a name: Happy Eyeballs (RFC 8305).
//!
//! The name is resolved anew each time, because a PC moves between networks. Addresses are
//! tried 250 ms apart, the families taking turns; the first to answer wins.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::Endpoint;
use crate::platform;

/// Connection Attempt Delay (RFC 8305, 8).
const STAGGER: Duration = Duration::from_millis(250);
/// One attempt at one address: three SYNs.
const ATTEMPT_DEADLINE: Duration = Duration::from_secs(8);
const RESOLVE_DEADLINE: Duration = Duration::from_secs(8);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum DialError {
    Name(io::Error),
    Connect(io::Error),
}

/// Connects to the endpoint.
pub(super) async fn dial(endpoint: &Endpoint) -> Result<TcpStream, DialError> {
    let addresses = resolve(endpoint).await.map_err(DialError::Name)?;
    let stream = race(&addresses, STAGGER)
        .await
        .map_err(DialError::Connect)?;
    platform::tune(&stream).map_err(DialError::Connect)?;
    Ok(stream)
}

async fn resolve(endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
    let found = lookup_host((endpoint.host.as_str(), endpoint.port));
    let found = timeout(RESOLVE_DEADLINE, found)
        .await
        .map_err(|_elapsed| {
            io::Error::new(io::ErrorKind::TimedOut, "the name servers do not answer")
        })??;
    let mut addresses = alternate(found.collect());
    addresses.truncate(ADDRESSES_MAX);
    if addresses.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the name has no address",
        ));
    }
    Ok(addresses)
}

/// Lets the families take turns, beginning with that of the first address; within a family
/// the order of the resolver (RFC 6724) stays.
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut turns = Vec::new();
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return turns;
        }
        turns.extend(pair.into_iter().flatten());
    }
}

/// Connects to the first address that answers. The attempts that lose are given up.
async fn race(addresses: &[SocketAddr], stagger: Duration) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    let mut waiting = addresses.iter().copied();
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        // A failed attempt makes room for the next at once (RFC 8305, 5).
        if let Some(address) = waiting.next() {
            attempts.spawn(attempt(address));
        }
        let finished = if waiting.len() == 0 {
            attempts.join_next().await
        } else {
            match timeout(stagger, attempts.join_next()).await {
                Ok(finished) => finished,
                Err(_elapsed) => continue,
            }
        };
        match finished {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => failure = error,
            Some(Err(panicked)) => failure = io::Error::other(panicked),
            None => return Err(failure),
        }
    }
}

async fn attempt(address: SocketAddr) -> io::Result<TcpStream> {
    let connecting = TcpStream::connect(address);
    let connected = timeout(ATTEMPT_DEADLINE, connecting).await;
    connected.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};
    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        let parse = |text: &&str| text.parse().expect("is an address");
        texts.iter().map(parse).collect()
    }

    /// A listener whose queue is full answers no SYN, like an address behind a silent firewall.
    fn silent() -> (Socket, Vec<Socket>, SocketAddr) {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("is made");
        let any: SocketAddr = "127.0.0.1:0".parse().expect("is an address");
        listener.bind(&any.into()).expect("binds");
        listener.listen(0).expect("listens");
        let address = listener
            .local_addr()
            .expect("is bound")
            .as_socket()
            .expect("is IP");
        let fill = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("is made");
            socket.set_nonblocking(true).expect("is set");
            // In progress for ever, once the queue is full.
            let _ = socket.connect(&address.into());
            socket
        };
        let filling = (0..4).map(|_| fill()).collect();
        (listener, filling, address)
    }

    async fn refusing() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        listener.local_addr().expect("is bound")
    }

    #[test]
    fn families_take_turns_and_keep_their_order() {
        let mixed = addresses(&[
            "[2001:db8::1]:1",
            "[2001:db8::2]:1",
            "192.0.2.1:1",
            "192.0.2.2:1",
            "192.0.2.3:1",
        ]);

        let expected = addresses(&[
            "[2001:db8::1]:1",
            "192.0.2.1:1",
            "[2001:db8::2]:1",
            "192.0.2.2:1",
            "192.0.2.3:1",
        ]);
        assert_eq!(alternate(mixed), expected);
        assert_eq!(alternate(Vec::new()), []);
    }

    #[tokio::test]
    async fn silent_address_delays_the_next_by_the_stagger_only() {
        let (_listener, _filling, silent) = silent();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let good = listener.local_addr().expect("is bound");
        let start = Instant::now();

        let stream = race(&[silent, good], STAGGER)
            .await
            .expect("the second answers");

        assert_eq!(stream.peer_addr().expect("is connected"), good);
        let took = start.elapsed();
        assert!(
            took >= STAGGER && took < ATTEMPT_DEADLINE / 2,
            "took {took:?}"
        );
    }

    #[tokio::test]
    async fn refusing_address_makes_room_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let good = listener.local_addr().expect("is bound");
        let stagger = Duration::from_secs(60);
        let refusing = [refusing().await, refusing().await];

        let stream = timeout(
            stagger / 2,
            race(&[refusing[0], refusing[1], good], stagger),
        )
        .await;

        let stream = stream
            .expect("does not wait for the stagger")
            .expect("connects");
        assert_eq!(stream.peer_addr().expect("is connected"), good);
    }

    #[tokio::test]
    async fn all_refusing_is_an_error() {
        let refusing = [refusing().await, refusing().await];

        let error = race(&refusing, STAGGER).await.expect_err("nobody listens");

        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn name_that_does_not_exist_is_told_apart() {
        let endpoint = "board.invalid:443".parse().expect("is an endpoint");

        assert!(matches!(dial(&endpoint).await, Err(DialError::Name(_))));
    }
}
