//! A web server with a folder of files, for HTTPS, and the CA that vouches for it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// It serves until the test ends.
pub(crate) struct Web {
    /// `https://127.0.0.1:PORT`
    pub(crate) address: String,
    /// PEM of its CA.
    pub(crate) ca: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    asked: Mutex<Vec<String>>,
}

impl Web {
    pub(crate) fn start() -> Self {
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
        let address = listener.local_addr().expect("is bound");
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
                // Whoever calls may hang up at any time.
                let _ = served.serve(StreamOwned::new(session, stream));
            }
        });
        Self {
            address: format!("https://{address}"),
            ca,
            shared,
        }
    }

    /// Puts a file at a path, as `/a/b`.
    pub(crate) fn put(&self, path: &str, content: &[u8]) {
        let mut files = self.shared.files.lock().expect("is whole");
        files.insert(path.to_owned(), content.to_owned());
    }

    /// The paths that were asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().expect("is whole").clone()
    }
}

impl Shared {
    fn serve(&self, mut caller: StreamOwned<ServerConnection, TcpStream>) -> io::Result<()> {
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            caller.read_exact(&mut byte)?;
            request.push(byte[0]);
        }
        let request = String::from_utf8_lossy(&request).into_owned();
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let file = self.files.lock().expect("is whole").get(&path).cloned();
        self.asked.lock().expect("is whole").push(path);
        match file {
            Some(file) => {
                let length = file.len();
                write!(
                    caller,
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"
                )?;
                caller.write_all(&file)?;
            }
            None => caller.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
        }
        caller.conn.send_close_notify();
        caller.flush()
    }
}
