//! Who gets in, who does not, and what each end says.

use protocol::refusal::RefusalCode;
use protocol::tunnel::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::tunnel::channel::{Channel, QUICK};
use crate::tunnel::password::Login;
use crate::tunnel::{Step, software};

#[tokio::test]
async fn right_password_opens_a_tunnel_and_is_refunded() {
    let host = Host::new();

    let (client, served) = host.meet(&credentials(PASSWORD)).await;

    let (client, admitted) = client.unwrap();
    let served = served.unwrap();
    assert_eq!(admitted.host_key, host.key);
    assert!(admitted.tag.is_from(&host.side.tag_key));
    assert!(admitted.tag.has_slot(&host.side.slot_key));
    assert_eq!(admitted.message, host.side.message);
    assert_eq!(admitted.version, 1);
    assert_eq!(host.gate.counts(), (1, 1));
    let mut stream = client.open().unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut far = served.accept().await.unwrap();
    let mut bytes = [0; 5];
    far.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"hello");
}

#[tokio::test]
async fn wrong_password_is_told_at_both_ends_and_stays_charged() {
    let host = Host::new();

    let (client, served) = host.meet(&credentials("Wrong-horse-1")).await;

    assert!(matches!(client, Err(TunnelError::WrongPassword)));
    assert!(matches!(served, Err(TunnelError::WrongPassword)));
    assert_eq!(host.gate.counts(), (1, 0));
}

#[tokio::test]
async fn unknown_user_with_the_right_password_is_a_wrong_password() {
    let host = Host::new();
    let mut credentials = credentials(PASSWORD);
    credentials.user = Text::lossy("somebody");

    let (client, served) = host.meet(&credentials).await;

    assert!(matches!(client, Err(TunnelError::WrongPassword)));
    assert!(matches!(served, Err(TunnelError::WrongPassword)));
    assert_eq!(host.gate.attempt.get().unwrap().user.as_str(), "somebody");
}

#[tokio::test]
async fn unknown_user_gets_a_challenge_of_the_same_shape() {
    let host = Host::new();
    let mut lengths = Vec::new();

    for user in ["", "somebody"] {
        let (near, far) = duplex(64 * 1024);
        let hello = hello(user, "office-pc", protocol::version::VERSIONS);
        let asking = async {
            let mut channel = client_channel(near).await;
            channel.send(hello.into(), Step::Hello).await.unwrap();
            let frame = channel.receive(QUICK, Step::Challenge).await.unwrap();
            let Frame::Challenge(challenge) = frame else {
                panic!("{frame:?}");
            };
            challenge.ke2.as_slice().len()
        };
        let (length, _) = tokio::join!(asking, host.accept(far));
        lengths.push(length);
    }

    assert_eq!(lengths, [320, 320]);
}

#[tokio::test]
async fn changed_host_key_is_refused_before_anything_is_sent() {
    let host = Host::new();
    let (_, pinned) = identity();
    let mut credentials = credentials(PASSWORD);
    credentials.pin = Some(pinned);

    let (client, served) = host.meet(&credentials).await;

    let Err(TunnelError::ChangedHostKey { expected, found }) = client else {
        panic!("{client:?}");
    };
    assert_eq!((expected, found), (pinned, host.key));
    assert!(matches!(served, Err(TunnelError::Closed(Step::Hello))));
    assert_eq!(host.gate.counts(), (0, 0));
}

#[tokio::test]
async fn pinned_host_key_is_accepted() {
    let host = Host::new();
    let mut credentials = credentials(PASSWORD);
    credentials.pin = Some(host.key);

    let (client, _) = host.meet(&credentials).await;

    client.unwrap();
}

#[tokio::test]
async fn a_tag_of_this_host_is_kept_and_a_forged_one_replaced() {
    let mut host = Host::new();
    host.caller.tag = Some(host.tag(7));
    let (client, _served) = host.meet(&credentials(PASSWORD)).await;
    assert_eq!(client.unwrap().1.tag, host.tag(7));
    assert_eq!(host.gate.attempt.get().unwrap().tag, Some([7; 8]));

    let mut host = Host::new();
    let other = Secret::new([9; 32]);
    host.caller.tag = Some(ReturnTag::new([7; 8], &host.side.slot_key, &other));
    let (client, _served) = host.meet(&credentials(PASSWORD)).await;
    assert_ne!(client.unwrap().1.tag.id, [7; 8]);
    assert_eq!(host.gate.attempt.get().unwrap().tag, None);
}

#[tokio::test]
async fn refusal_of_the_gate_reaches_the_client_whole() {
    let mut host = Host::new();
    let refusal =
        Refusal::new(RefusalCode::LockedOut).retry_after(std::time::Duration::from_secs(90));
    host.gate.refusal = Some(refusal.clone());

    let (client, served) = host.meet(&credentials(PASSWORD)).await;

    for error in [client.unwrap_err(), served.unwrap_err()] {
        assert!(matches!(error, TunnelError::Refused(found) if *found == refusal));
    }
}

#[tokio::test]
async fn version_and_computer_are_checked_before_the_gate() {
    let cases = [
        ("office-pc", (2, 9), RefusalCode::HostTooOld),
        ("office-pc", (0, 0), RefusalCode::ClientTooOld),
        ("other-pc", (1, 1), RefusalCode::WrongComputer),
    ];
    for (computer, (min, max), expected) in cases {
        let host = Host::new();
        let (near, far) = duplex(64 * 1024);
        let hello = hello("", computer, protocol::version::Versions { min, max });
        let asking = async {
            let mut channel = client_channel(near).await;
            channel.send(hello.into(), Step::Hello).await.unwrap();
            let frame = channel.receive(QUICK, Step::Challenge).await.unwrap();
            let Frame::Refused(refusal) = frame else {
                panic!("{frame:?}");
            };
            refusal.code
        };

        let (code, served) = tokio::join!(asking, host.accept(far));

        assert_eq!(code, expected);
        assert!(matches!(served, Err(TunnelError::Refused(_))));
        assert_eq!(host.gate.counts(), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn every_step_has_a_deadline_at_the_host() {
    let host = Host::new();
    let (near, far) = duplex(64 * 1024);
    let served = host.accept(far).await;
    assert!(matches!(served, Err(TunnelError::TimedOut(Step::Tls))));
    drop(near);

    let (near, far) = duplex(64 * 1024);
    let silent = async {
        let channel = client_channel(near).await;
        std::future::pending::<()>().await;
        drop(channel);
    };
    tokio::select! {
        () = silent => {}
        served = host.accept(far) => {
            assert!(matches!(served, Err(TunnelError::TimedOut(Step::Hello))));
        }
    }

    let (near, far) = duplex(64 * 1024);
    let silent = async {
        let mut channel = client_channel(near).await;
        let hello = hello("", "office-pc", protocol::version::VERSIONS);
        channel.send(hello.into(), Step::Hello).await.unwrap();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = silent => {}
        served = host.accept(far) => {
            assert!(matches!(served, Err(TunnelError::TimedOut(Step::Proof))));
        }
    }
    assert_eq!(host.gate.counts(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn every_step_has_a_deadline_at_the_client() {
    let (near, far) = duplex(64 * 1024);
    let client = connect(near, &credentials(PASSWORD)).await;
    assert!(matches!(client, Err(TunnelError::TimedOut(Step::Tls))));
    drop(far);

    let (near, far) = duplex(64 * 1024);
    let silent = async {
        let acceptor = TlsAcceptor::from(identity().0);
        let stream = acceptor.accept(far).await.unwrap();
        std::future::pending::<()>().await;
        drop(stream);
    };
    let credentials = credentials(PASSWORD);
    tokio::select! {
        () = silent => {}
        client = connect(near, &credentials) => {
            assert!(matches!(client, Err(TunnelError::TimedOut(Step::Challenge))));
        }
    }
}

#[tokio::test]
async fn tls_is_1_3_with_the_hybrid_key_exchange_and_our_alpn() {
    let (near, far) = duplex(64 * 1024);

    let (client, host) = tls_pair(near, far).await;

    let (_, connection) = client.get_ref();
    assert_eq!(
        connection.protocol_version(),
        Some(rustls::ProtocolVersion::TLSv1_3)
    );
    let group = connection.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), rustls::NamedGroup::X25519MLKEM768);
    assert_eq!(connection.alpn_protocol(), Some(&b"tasuki-tunnel/1"[..]));
    drop(host);
}

#[tokio::test]
async fn a_host_without_an_ed25519_key_is_no_host() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let params = CertificateParams::new(vec!["host.tasuki".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let mut host = Host::new();
    host.side.tls = tls::server_config(certificate.der().clone(), private).unwrap();

    let (client, served) = host.meet(&credentials(PASSWORD)).await;

    assert!(matches!(client, Err(TunnelError::Tls(_))), "{client:?}");
    assert!(matches!(served, Err(TunnelError::Tls(_))), "{served:?}");
}

#[test]
fn credentials_and_context_fit_their_longest_fields() {
    let name = "a".repeat(31).parse().unwrap();
    let user = Text::lossy(&"u".repeat(64));
    let versions = protocol::version::VERSIONS;

    let context = crate::tunnel::password::Context::new(versions, versions, &name, &user);

    assert!(context.is_ok());
}

/// A client's channel after TLS, for tests that speak for themselves.
pub(super) async fn client_channel<IO>(io: IO) -> Channel<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let connector = TlsConnector::from(tls::client_config().unwrap());
    let name = ServerName::try_from("host.tasuki").unwrap();
    Channel::new(TlsStream::Client(
        connector.connect(name, io).await.unwrap(),
    ))
}

pub(super) fn hello(
    user: &str,
    computer: &str,
    versions: protocol::version::Versions,
) -> protocol::tunnel::Hello {
    let (_, ke1) = Login::start(PASSWORD).unwrap();
    protocol::tunnel::Hello {
        versions,
        software: software(),
        computer_id: computer.parse().unwrap(),
        user: Text::lossy(user),
        ke1,
    }
}
