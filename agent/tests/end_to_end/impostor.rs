//! Somebody who sits between the two ends, with all that a relay has, learns nothing.
//!
//! Sits in front of the relay and passes the outer handshake on untouched. Where the tunnel
//! begins it opens both sides with keys of its own, and copies what it can read then.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, DigitallySignedStruct, ServerConfig,
    ServerConnection, SignatureScheme,
};

use crate::harness::{Lab, PATIENCE, Target, wait_for};

/// TLS record types (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// Handshake message type (RFC 8446, 4).
const CLIENT_HELLO: u8 = 1;
/// How long one look at a socket takes.
const TURN: Duration = Duration::from_millis(5);

#[test]
fn a_man_in_the_middle_with_the_right_password_typed_is_named_at_both_ends() {
    let mut lab = Lab::without_relay("");
    let front = lab.relay_address;
    let relay = lab.hide_relay();
    lab.start_relay();
    Target::at(front, move |client| {
        let relay = TcpStream::connect(relay).expect("the relay runs");
        Intruder { client, relay }.work();
    });
    let host = lab.host("office", Target::echo().address);
    let client = lab.client("home");

    let refused = client.refused(&host.id);

    refused.says(86, &["somebody sits between you and the office PC"]);
    wait_for("the host's log", PATIENCE, || {
        host.log().contains("Somebody sits between").then_some(())
    });
}

struct Intruder {
    client: TcpStream,
    relay: TcpStream,
}

impl Intruder {
    /// Passes records on until a client begins a tunnel.
    fn work(mut self) {
        let stop = Arc::new(AtomicBool::new(false));
        let passing = pass_back(&self.relay, &self.client, &stop);
        let mut outer_stands = false;
        while let Some(record) = read_record(&mut self.client) {
            outer_stands |= record[0] == APPLICATION_DATA;
            if outer_stands && record[0] == HANDSHAKE && record[5] == CLIENT_HELLO {
                // The relay has said all that belongs to the outer connection by now.
                stop.store(true, Ordering::Relaxed);
                passing.join().expect("copies");
                self.intrude(&record);
                return;
            }
            if self.relay.write_all(&record).is_err() {
                break;
            }
        }
        let _ = self.relay.shutdown(std::net::Shutdown::Both);
        passing.join().expect("copies");
    }

    /// A tunnel to each end, and what comes out of one goes into the other.
    fn intrude(mut self, client_hello: &[u8]) {
        let mut to_client = ServerConnection::new(server()).expect("a connection");
        let name = ServerName::try_from("0.0.0.0").expect("an address");
        let mut to_host = ClientConnection::new(client(), name).expect("a connection");
        to_client
            .read_tls(&mut &client_hello[..])
            .expect("is a record");
        to_client.process_new_packets().expect("is a hello");
        for stream in [&self.client, &self.relay] {
            stream.set_read_timeout(Some(TURN)).expect("a deadline");
        }
        loop {
            let end = turn(&mut to_client, &mut self.client, &mut to_host.writer())
                .and_then(|()| turn(&mut to_host, &mut self.relay, &mut to_client.writer()));
            if end.is_err() {
                return;
            }
        }
    }
}

/// Sends what waits, takes what has come, and hands it to the other side.
fn turn<Data>(
    tls: &mut ConnectionCommon<Data>,
    stream: &mut TcpStream,
    other: &mut impl Write,
) -> std::io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(stream)?;
    }
    match tls.read_tls(stream) {
        Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
        Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let state = tls.process_new_packets().map_err(std::io::Error::other)?;
    let mut plain = vec![0; state.plaintext_bytes_to_read()];
    tls.reader().read_exact(&mut plain)?;
    other.write_all(&plain)
}

/// Copies what the relay says, until told to stop.
fn pass_back(relay: &TcpStream, client: &TcpStream, stop: &Arc<AtomicBool>) -> JoinHandle<()> {
    let stop = Arc::clone(stop);
    let mut relay = relay.try_clone().expect("a descriptor");
    let mut client = client.try_clone().expect("a descriptor");
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            relay.set_read_timeout(Some(TURN)).expect("a deadline");
            match relay.peek(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            relay.set_read_timeout(Some(PATIENCE)).expect("a deadline");
            let passed = read_record(&mut relay).map(|record| client.write_all(&record));
            if !matches!(passed, Some(Ok(()))) {
                break;
            }
        }
    })
}

fn read_record(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut record = vec![0; 5];
    stream.read_exact(&mut record).ok()?;
    record.resize(
        5 + usize::from(u16::from_be_bytes([record[3], record[4]])),
        0,
    );
    stream.read_exact(&mut record[5..]).ok()?;
    Some(record)
}

/// As a host's side of a tunnel, with a host key that nobody knows.
fn server() -> Arc<ServerConfig> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let params = rcgen::CertificateParams::default();
    let certificate = params.self_signed(&key).expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .expect("they fit");
    config.alpn_protocols = vec![protocol::ALPN_TUNNEL.into()];
    Arc::new(config)
}

/// As a client's side of a tunnel, to whatever host.
fn client() -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol::ALPN_TUNNEL.into()];
    config.enable_sni = false;
    Arc::new(config)
}

#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
