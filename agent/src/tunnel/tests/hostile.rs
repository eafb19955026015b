//! Bytes that no honest peer sends, at every step: typed errors, no panic, no hang.

use proptest::prelude::*;
use protocol::codec::Bytes;
use protocol::tunnel::{Challenge, FRAME_MAX, Frame, Probe, Proof};
use protocol::version::VERSIONS;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Runtime;

use super::handshake::{client_channel, hello};
use super::*;
use crate::tunnel::channel::{Channel, QUICK};
use crate::tunnel::{Ended, Step};

/// What a hostile peer does when its turn has come.
#[derive(Debug, Clone)]
enum Malice {
    /// Any bytes where a frame belongs.
    Noise(Vec<u8>),
    /// A frame that belongs elsewhere.
    OtherFrame,
    /// The right frame, cut short, then the end.
    Cut(usize),
    /// The right frame with one byte changed.
    Flip(usize),
}

fn malice() -> impl Strategy<Value = Malice> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..600).prop_map(Malice::Noise),
        Just(Malice::OtherFrame),
        (0_usize..600).prop_map(Malice::Cut),
        (0_usize..600).prop_map(Malice::Flip),
    ]
}

/// The bytes to send instead of `frame`.
fn spoil(malice: &Malice, frame: &Frame<'_>) -> Vec<u8> {
    let encode = |frame: &Frame<'_>| {
        let mut buffer = [0; FRAME_MAX];
        let length = frame.encode(&mut buffer).unwrap();
        buffer[..length].to_vec()
    };
    let mut bytes = encode(frame);
    match malice {
        Malice::Noise(noise) => noise.clone(),
        Malice::OtherFrame => encode(&Probe { number: 1 }.into()),
        Malice::Cut(length) => {
            bytes.truncate(*length % bytes.len());
            bytes
        }
        Malice::Flip(place) => {
            let place = place % bytes.len();
            bytes[place] ^= 0x81;
            bytes
        }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
}

/// Sends raw bytes inside TLS, then ends.
async fn send_raw(channel: Channel<DuplexStream>, bytes: &[u8]) {
    let mut tls = channel.into_tls();
    // The peer may have gone already.
    let _ = tls.write_all(bytes).await;
    let _ = tls.shutdown().await;
    let mut rest = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut tls, &mut rest).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_host_survives_any_tls_hello(noise in proptest::collection::vec(any::<u8>(), 0..600)) {
        let served = runtime().block_on(async {
            let host = Host::new();
            let (mut near, far) = duplex(64 * 1024);
            near.write_all(&noise).await.unwrap();
            near.shutdown().await.unwrap();
            host.accept(far).await
        });
        prop_assert!(served.is_err());
    }

    #[test]
    fn a_host_survives_any_hello(malice in malice()) {
        let (served, counts) = runtime().block_on(async {
            let host = Host::new();
            let (near, far) = duplex(64 * 1024);
            let attack = async {
                let bytes = spoil(&malice, &hello("", "office-pc", VERSIONS).into());
                send_raw(client_channel(near).await, &bytes).await;
            };
            let (served, ()) = tokio::join!(host.accept(far), attack);
            (served, host.gate.counts())
        });
        prop_assert!(served.is_err());
        prop_assert_eq!(counts.1, 0);
    }

    #[test]
    fn a_host_survives_any_proof_and_keeps_the_charge(malice in malice()) {
        let (served, counts) = runtime().block_on(async {
            let host = Host::new();
            let (near, far) = duplex(64 * 1024);
            let attack = async {
                let mut channel = client_channel(near).await;
                let hello = hello("", "office-pc", VERSIONS);
                channel.send(hello.into(), Step::Hello).await.unwrap();
                channel.receive(QUICK, Step::Challenge).await.unwrap();
                let proof = Proof {
                    ke3: Bytes::new(&[7; 64]).unwrap(),
                    mac: Secret::new([7; 32]),
                };
                send_raw(channel, &spoil(&malice, &proof.into())).await;
            };
            let (served, ()) = tokio::join!(host.accept(far), attack);
            (served, host.gate.counts())
        });
        prop_assert!(served.is_err());
        prop_assert_eq!(counts, (1, 0));
    }

    #[test]
    fn a_client_survives_any_challenge(malice in malice()) {
        let client = runtime().block_on(async {
            let (near, far) = duplex(64 * 1024);
            let attack = async {
                let acceptor = TlsAcceptor::from(identity().0);
                let stream = acceptor.accept(far).await.unwrap();
                let mut channel = Channel::new(TlsStream::Server(stream));
                channel.receive(QUICK, Step::Hello).await.unwrap();
                let challenge = Challenge {
                    versions: VERSIONS,
                    software: Text::lossy("evil"),
                    ke2: Bytes::new(&[0x55; 320]).unwrap(),
                };
                send_raw(channel, &spoil(&malice, &challenge.into())).await;
            };
            let credentials = credentials(PASSWORD);
            tokio::join!(connect(near, &credentials), attack).0
        });
        prop_assert!(client.is_err());
    }

    #[test]
    fn a_bound_tunnel_survives_any_bytes(noise in proptest::collection::vec(any::<u8>(), 1..600)) {
        let (ended, accepted) = runtime().block_on(async {
            let (near, far) = duplex(64 * 1024);
            let (mut client, host) = tls_pair(near, far).await;
            let host = Tunnel::start(host, Role::Host);
            client.write_all(&noise).await.unwrap();
            client.shutdown().await.unwrap();
            (host.ended().await, host.accept().await)
        });
        // Noise that opens a stream and then ends is a path that died.
        prop_assert!(accepted.is_some() || !matches!(ended, Ended::PathDied(_)), "{ended:?}");
    }
}
