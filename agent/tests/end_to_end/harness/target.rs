//! What an office PC serves: a listener whose connections go to a closure, a thread each.

use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use super::PATIENCE;

/// A service on loopback that lives as long as the test.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
}

impl Target {
    /// Serves each connection with `serve`.
    pub(crate) fn new(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), serve)
    }

    /// The same at a given address.
    pub(crate) fn at(
        address: SocketAddr,
        serve: impl Fn(TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("is bound");
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || {
                    stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
                    stream
                        .set_write_timeout(Some(PATIENCE))
                        .expect("a deadline");
                    serve(stream);
                });
            }
        });
        Self { address }
    }

    /// Gives back whatever comes, and ends when the other side does.
    pub(crate) fn echo() -> Self {
        Self::new(|stream| {
            let (mut source, mut sink) = (&stream, &stream);
            // A connection that breaks is the test's to notice at its own end.
            let _ = std::io::copy(&mut source, &mut sink);
            let _ = stream.shutdown(Shutdown::Write);
        })
    }
}
