//! The host's end of the handshake.
//!
//! TLS, `Hello`, version, [`Gate`], `Challenge`, `Proof`, `Welcome`. A try is charged before
//! the challenge leaves, since a challenge is all that a guess needs. Must never answer an
//! unknown user otherwise than a known one.

use std::net::IpAddr;
use std::sync::Arc;

use protocol::id::ComputerId;
use protocol::refusal::{Refusal, RefusalCode};
use protocol::secret::Secret;
use protocol::tag::ReturnTag;
use protocol::text::Text;
use protocol::tunnel::{Challenge, Frame, Hello, Welcome};
use protocol::version::{Outdated, VERSIONS};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::binding::{Exporter, Speaker};
use super::channel::{Channel, QUICK, STRETCHING, in_time};
use super::client::{login_error, unexpected};
use super::mux::Role;
use super::password::{Challenged, Context, PasswordRecord};
use super::{Step, Tunnel, TunnelError, software, tls};

/// What a host brings to every tunnel.
#[derive(Debug, Clone)]
pub struct HostSide {
    /// From [`super::tls::server_config`].
    pub tls: Arc<ServerConfig>,
    pub computer_id: ComputerId,
    /// Makes tags that the board believes.
    pub slot_key: Secret<32>,
    /// Makes tags that this host believes.
    pub tag_key: Secret<32>,
    /// From the management, shown to the user; may be empty.
    pub message: Text<1000>,
}

/// Who calls, as the `Invite` said.
#[derive(Debug, Clone)]
pub struct Caller {
    pub address: IpAddr,
    /// As shown by the client; not yet believed.
    pub tag: Option<ReturnTag>,
}

/// One try to pass the password check, as the gate sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub address: IpAddr,
    /// Empty: the host's own password.
    pub user: Text<64>,
    /// Name of the return tag that this host made for the caller, checked.
    pub tag: Option<[u8; 8]>,
}

/// Decides who may try a password, and keeps count.
pub trait Gate: Send + Sync {
    /// Checks address rules, that a password is set, and the lockout, in this order;
    /// charges the try and hands out the record to try it against.
    ///
    /// # Errors
    /// The refusal that the caller shall read; nothing is charged then.
    fn admit(&self, attempt: &Attempt) -> Result<Arc<PasswordRecord>, Box<Refusal>>;

    /// Takes the charge back: the password was right.
    fn refund(&self, attempt: &Attempt);
}

/// Makes a tunnel over `io`, the raw connection to a client.
///
/// # Errors
/// [`TunnelError`] says who is to blame; the client was told what it may know, `io` is closed.
pub async fn accept<IO>(
    io: IO,
    side: &HostSide,
    caller: &Caller,
    gate: &dyn Gate,
) -> Result<Tunnel, TunnelError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // On the heap: the handshake's state is large and soon gone.
    Box::pin(receive(io, side, caller, gate)).await
}

async fn receive<IO>(
    io: IO,
    side: &HostSide,
    caller: &Caller,
    gate: &dyn Gate,
) -> Result<Tunnel, TunnelError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut channel, exporter) = shake_hands(io, side).await?;
    let hello = receive_hello(&mut channel).await?;
    let kept = caller.tag.as_ref().filter(|tag| tag.is_from(&side.tag_key));
    let attempt = Attempt {
        address: caller.address,
        user: hello.user.clone(),
        tag: kept.map(|tag| tag.id),
    };
    let admission = check(&hello, side)
        .map_err(|code| Box::new(code.into()))
        .and_then(|version| gate.admit(&attempt).map(|record| (version, record)));
    let (version, record) = match admission {
        Ok(admission) => admission,
        Err(refusal) => return Err(refuse(channel, refusal, Step::Hello).await),
    };
    // From here on the try is charged, whatever becomes of the connection.
    let proven = prove(&mut channel, &hello, &record, &exporter).await;
    match proven {
        Ok(_) | Err(TunnelError::ManInTheMiddle) => gate.refund(&attempt),
        Err(_) => {}
    }
    let mac = match proven {
        Ok(mac) => mac,
        Err(error) => return Err(refuse_proof(channel, error).await),
    };
    let tag = match kept {
        Some(tag) => tag.clone(),
        None => fresh_tag(side)?,
    };
    let welcome = Welcome {
        version,
        mac,
        tag,
        message: side.message.clone(),
    };
    channel.send(welcome.into(), Step::Welcome).await?;
    Ok(Tunnel::start(channel.into_tls(), Role::Host))
}

async fn shake_hands<IO>(io: IO, side: &HostSide) -> Result<(Channel<IO>, Exporter), TunnelError>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let acceptor = TlsAcceptor::from(Arc::clone(&side.tls));
    let stream = in_time(QUICK, Step::Tls, acceptor.accept(io)).await?;
    let (_, connection) = stream.get_ref();
    tls::check_alpn(connection).map_err(TunnelError::Tls)?;
    let exporter = Exporter::of(connection).map_err(TunnelError::Tls)?;
    Ok((Channel::new(TlsStream::Server(stream)), exporter))
}

async fn receive_hello<IO>(channel: &mut Channel<IO>) -> Result<Hello, TunnelError>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let frame = channel.receive(QUICK, Step::Hello).await?;
    if let Frame::Hello(hello) = frame {
        Ok(hello)
    } else {
        Err(unexpected(&frame, Step::Hello))
    }
}

/// What can be said without counting anything: the version, and that this is the computer meant.
fn check(hello: &Hello, side: &HostSide) -> Result<u16, RefusalCode> {
    let version = VERSIONS
        .agree(hello.versions)
        .map_err(|outdated| match outdated {
            Outdated::Us => RefusalCode::HostTooOld,
            Outdated::Peer => RefusalCode::ClientTooOld,
        })?;
    if hello.computer_id == side.computer_id {
        Ok(version)
    } else {
        Err(RefusalCode::WrongComputer)
    }
}

/// The password check and its binding; gives the host's own MAC.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "every frame that does not belong here is refused alike"
)]
async fn prove<IO>(
    channel: &mut Channel<IO>,
    hello: &Hello,
    record: &PasswordRecord,
    exporter: &Exporter,
) -> Result<Secret<32>, TunnelError>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let context = Context::new(hello.versions, VERSIONS, &hello.computer_id, &hello.user)?;
    let (challenged, ke2) = Challenged::start(record, &hello.user, hello.ke1.as_slice(), context)
        .map_err(login_error)?;
    let challenge = Challenge {
        versions: VERSIONS,
        software: software(),
        ke2,
    };
    channel.send(challenge.into(), Step::Challenge).await?;
    let proof = match channel.receive(STRETCHING, Step::Proof).await? {
        Frame::Proof(proof) => proof,
        // An honest client notices by itself that its password is wrong.
        Frame::Refused(refusal) if refusal.code == RefusalCode::WrongPassword => {
            return Err(TunnelError::WrongPassword);
        }
        other => return Err(unexpected(&other, Step::Proof)),
    };
    let key = challenged
        .finish(proof.ke3.as_slice())
        .map_err(login_error)?;
    if proof.mac == exporter.mac(&key, Speaker::Client) {
        Ok(exporter.mac(&key, Speaker::Host))
    } else {
        Err(TunnelError::ManInTheMiddle)
    }
}

/// Tells the client why its proof was none, as far as it may know.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "of other errors the connection, or the host, is past telling"
)]
async fn refuse_proof<IO>(channel: Channel<IO>, error: TunnelError) -> TunnelError
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let code = match error {
        TunnelError::WrongPassword => RefusalCode::WrongPassword,
        TunnelError::ManInTheMiddle => RefusalCode::ManInTheMiddle,
        TunnelError::BadFrame { .. }
        | TunnelError::UnexpectedFrame { .. }
        | TunnelError::BadPasswordMessage => RefusalCode::BadFrame,
        _ => return error,
    };
    channel.refuse(&code.into(), Step::Proof).await;
    error
}

async fn refuse<IO>(channel: Channel<IO>, refusal: Box<Refusal>, step: Step) -> TunnelError
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    channel.refuse(&refusal, step).await;
    TunnelError::Refused(refusal)
}

fn fresh_tag(side: &HostSide) -> Result<ReturnTag, TunnelError> {
    let mut id = [0; 8];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| TunnelError::Resources)?;
    Ok(ReturnTag::new(id, &side.slot_key, &side.tag_key))
}
