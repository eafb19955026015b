//! A loopback address for each office PC.
//!
//! RDP programs remember certificates by address, so a computer gets the same one each time.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use protocol::id::ComputerId;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

/// The port that RDP programs expect.
const PORT: u16 = 3389;
/// Addresses tried, each with the usual port, before any port will do.
const CANDIDATES: u8 = 16;

/// Listens on an address 127.x.y.z that stays the same for this computer ID while it is free.
pub async fn bind_loopback(computer_id: &ComputerId) -> io::Result<TcpListener> {
    bind(computer_id, PORT).await
}

async fn bind(computer_id: &ComputerId, port: u16) -> io::Result<TcpListener> {
    for number in 0..CANDIDATES {
        let address = SocketAddrV4::new(candidate(computer_id, number), port);
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    // A desktop service on every address of this PC holds the port on all of them.
    TcpListener::bind((candidate(computer_id, 0), 0)).await
}

/// The `number`th choice, away from 127.0.0.0/16 where system services live.
fn candidate(computer_id: &ComputerId, number: u8) -> Ipv4Addr {
    let hash = Sha256::new()
        .chain_update(computer_id.as_str())
        .chain_update([number])
        .finalize();
    let inner = |byte: u8| 1 + byte % 254;
    Ipv4Addr::new(127, inner(hash[0]), hash[1], inner(hash[2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ComputerId {
        text.parse().expect("is an ID")
    }

    async fn free_port() -> u16 {
        let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("binds");
        probe.local_addr().expect("is bound").port()
    }

    #[test]
    fn address_depends_on_the_computer_alone() {
        assert_eq!(candidate(&id("pc-1"), 0), candidate(&id("PC-1"), 0));
        assert_ne!(candidate(&id("pc-1"), 0), candidate(&id("pc-2"), 0));
        for number in 0..=u8::MAX {
            let [first, second, _, last] = candidate(&id("pc-1"), number).octets();
            assert!(first == 127 && second != 0 && (1..=254).contains(&last));
        }
    }

    #[tokio::test]
    async fn next_address_is_taken_when_the_first_is_in_use() {
        let port = free_port().await;

        let first = bind(&id("pc-1"), port).await.expect("binds");
        let second = bind(&id("pc-1"), port).await.expect("binds");

        let addresses = [&first, &second].map(|listener| listener.local_addr().expect("is bound"));
        assert_eq!(addresses[0], (candidate(&id("pc-1"), 0), port).into());
        assert_eq!(addresses[1], (candidate(&id("pc-1"), 1), port).into());
    }

    #[tokio::test]
    async fn any_port_will_do_when_the_usual_one_is_held_everywhere() {
        let everywhere = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))
            .await
            .expect("binds");
        let port = everywhere.local_addr().expect("is bound").port();

        let listener = bind(&id("pc-1"), port).await.expect("binds");

        let address = listener.local_addr().expect("is bound");
        assert_eq!(address.ip(), candidate(&id("pc-1"), 0));
        assert_ne!(address.port(), port);
    }
}
