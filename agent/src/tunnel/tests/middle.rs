//! Somebody who ends TLS in the middle with a host key of his own, and passes the rest on.

use protocol::refusal::RefusalCode;
use protocol::tunnel::{Challenge, Frame, Welcome};
use protocol::version::VERSIONS;

use super::handshake::client_channel;
use super::*;
use crate::tunnel::channel::{Channel, QUICK, STRETCHING};
use crate::tunnel::password::{Challenged, Context};
use crate::tunnel::{Step, software};

#[tokio::test]
async fn both_ends_notice_the_middle_and_no_try_is_charged() {
    let host = Host::new();

    let (client, served) = meet_in_the_middle(&host, &credentials(PASSWORD), None).await;

    assert!(
        matches!(client, Err(TunnelError::ManInTheMiddle)),
        "{client:?}"
    );
    assert!(
        matches!(served, Err(TunnelError::ManInTheMiddle)),
        "{served:?}"
    );
    assert_eq!(host.gate.counts(), (1, 1));
}

#[tokio::test]
async fn a_middle_that_blames_the_password_is_noticed_all_the_same() {
    let host = Host::new();
    let lie = Some(RefusalCode::WrongPassword);

    let (client, served) = meet_in_the_middle(&host, &credentials(PASSWORD), lie).await;

    assert!(
        matches!(client, Err(TunnelError::ManInTheMiddle)),
        "{client:?}"
    );
    assert!(
        matches!(served, Err(TunnelError::ManInTheMiddle)),
        "{served:?}"
    );
}

#[tokio::test]
async fn a_wrong_password_through_the_middle_is_a_wrong_password() {
    let host = Host::new();

    let (client, served) = meet_in_the_middle(&host, &credentials("Wrong-horse-1"), None).await;

    assert!(
        matches!(client, Err(TunnelError::WrongPassword)),
        "{client:?}"
    );
    assert!(
        matches!(served, Err(TunnelError::WrongPassword)),
        "{served:?}"
    );
    assert_eq!(host.gate.counts(), (1, 0));
}

#[tokio::test]
async fn a_pinned_client_notices_the_middle_before_it_says_anything() {
    let host = Host::new();
    let mut credentials = credentials(PASSWORD);
    credentials.pin = Some(host.key);

    let (client, _) = meet_in_the_middle(&host, &credentials, None).await;

    assert!(
        matches!(client, Err(TunnelError::ChangedHostKey { .. })),
        "{client:?}"
    );
    assert_eq!(host.gate.counts(), (0, 0));
}

#[tokio::test]
async fn a_host_that_knows_the_password_but_not_this_tunnel_is_a_middle() {
    let (near, far) = duplex(64 * 1024);
    let lying = async {
        let acceptor = TlsAcceptor::from(identity().0);
        let stream = acceptor.accept(far).await.unwrap();
        let mut channel = Channel::new(TlsStream::Server(stream));
        let frame = channel.receive(QUICK, Step::Hello).await.unwrap();
        let Frame::Hello(hello) = frame else {
            panic!("{frame:?}");
        };
        let (user, id) = (&hello.user, &hello.computer_id);
        let context = Context::new(hello.versions, VERSIONS, id, user).unwrap();
        let ke1 = hello.ke1.as_slice();
        let (_, ke2) = Challenged::start(&record(), user, ke1, context).unwrap();
        let challenge = Challenge {
            versions: VERSIONS,
            software: software(),
            ke2,
        };
        channel
            .send(challenge.into(), Step::Challenge)
            .await
            .unwrap();
        channel.receive(STRETCHING, Step::Proof).await.unwrap();
        let welcome = Welcome {
            version: 1,
            mac: Secret::new([0; 32]),
            tag: Host::new().tag(1),
            message: Text::default(),
        };
        channel.send(welcome.into(), Step::Welcome).await.unwrap();
    };
    let credentials = credentials(PASSWORD);

    let (client, ()) = tokio::join!(connect(near, &credentials), lying);

    assert!(
        matches!(client, Err(TunnelError::ManInTheMiddle)),
        "{client:?}"
    );
}

/// `lie`: what the middle tells the client instead of the host's refusal.
async fn meet_in_the_middle(
    host: &Host,
    credentials: &Credentials,
    lie: Option<RefusalCode>,
) -> (ClientResult, HostResult) {
    let (client_io, near) = duplex(64 * 1024);
    let (far, host_io) = duplex(64 * 1024);
    let middle = async {
        let acceptor = TlsAcceptor::from(identity().0);
        let stream = acceptor.accept(near).await.unwrap();
        let mut near = Channel::new(TlsStream::Server(stream));
        let mut far = client_channel(far).await;
        // Ends when either side has had enough.
        let _ = forward(&mut near, &mut far, lie).await;
    };
    let (client, served, ()) = tokio::join!(
        connect(client_io, credentials),
        host.accept(host_io),
        middle
    );
    (client, served)
}

async fn forward(
    near: &mut Channel<DuplexStream>,
    far: &mut Channel<DuplexStream>,
    lie: Option<RefusalCode>,
) -> Result<(), TunnelError> {
    let hello = near.receive(QUICK, Step::Hello).await?;
    far.send(hello, Step::Hello).await?;
    let challenge = far.receive(QUICK, Step::Challenge).await?;
    near.send(challenge, Step::Challenge).await?;
    let proof = near.receive(STRETCHING, Step::Proof).await?;
    far.send(proof, Step::Proof).await?;
    let answer = far.receive(QUICK, Step::Welcome).await?;
    let answer = lie.map_or(answer, |code| Frame::Refused(code.into()));
    near.send(answer, Step::Welcome).await
}
