//! An HTTPS server whose answers the test makes, one connection after the other.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A connection after the handshake.
pub(crate) type Connection = StreamOwned<ServerConnection, TcpStream>;

pub(crate) struct Server {
    /// `https://127.0.0.1:PORT`
    pub(crate) address: String,
    /// PEM of its CA.
    pub(crate) ca: String,
    thread: JoinHandle<()>,
}

impl Server {
    /// Serves `connections` of them; `answer` gets the request's path.
    pub(crate) fn start(
        connections: usize,
        answer: impl Fn(&str, &mut Connection) -> io::Result<()> + Send + 'static,
    ) -> Self {
        let authority_key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = authority.self_signed(&authority_key).expect("signs").pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().expect("a key");
        let names = vec![Ipv4Addr::LOCALHOST.to_string()];
        let certificate = CertificateParams::new(names).expect("names");
        let certificate = certificate.signed_by(&key, &issuer).expect("signs");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("a version")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("fits");
        let config = Arc::new(config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds");
        let address = listener.local_addr().expect("has one");
        let thread = thread::spawn(move || {
            for _ in 0..connections {
                let (stream, _) = listener.accept().expect("is dialled");
                let tls = ServerConnection::new(Arc::clone(&config)).expect("a session");
                // What becomes of it is the board's to say: it may hang up at any time.
                let _ = serve(StreamOwned::new(tls, stream), &answer);
            }
        });
        Self {
            address: format!("https://{address}"),
            ca,
            thread,
        }
    }

    /// Waits until all connections have come.
    pub(crate) fn join(self) {
        self.thread.join().expect("has not panicked");
    }
}

fn serve(
    mut connection: Connection,
    answer: &impl Fn(&str, &mut Connection) -> io::Result<()>,
) -> io::Result<()> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    answer(path, &mut connection)?;
    connection.conn.send_close_notify();
    connection.flush()
}

/// The beginning of an answer with so many bytes.
pub(crate) fn found(length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")
}

/// An answer that sends the board somewhere else.
pub(crate) fn moved(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}
