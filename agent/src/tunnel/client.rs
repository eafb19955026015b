//! The client's end of the handshake.
//!
//! TLS, pin, `Hello`, `Challenge`, `Proof`, `Welcome`: nothing goes to a host whose key is
//! not the pinned one, and no stream before the host has proved that it sees this tunnel.

use protocol::codec::Bytes;
use protocol::id::{ComputerId, HostKey};
use protocol::refusal::{Refusal, RefusalCode};
use protocol::tag::ReturnTag;
use protocol::text::Text;
use protocol::tunnel::{Challenge, Frame, Hello, Proof, Welcome};
use protocol::version::VERSIONS;
use rustls::pki_types::{IpAddr, Ipv4Addr, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::spawn_blocking;
use tokio_rustls::{TlsConnector, TlsStream};
use zeroize::Zeroizing;

use super::binding::{Exporter, Speaker};
use super::channel::{Channel, QUICK, in_time};
use super::mux::Role;
use super::password::{Context, Login, LoginError, SessionKey};
use super::{Step, Tunnel, TunnelError, software, tls};

/// Whom the client wants, and how it proves that it may.
#[derive(Clone)]
pub struct Credentials {
    pub computer_id: ComputerId,
    /// Empty where the host has one password and no users.
    pub user: Text<64>,
    pub password: Zeroizing<String>,
    /// The host key of an earlier success; another one is refused before anything else.
    pub pin: Option<HostKey>,
}

/// What the client keeps of a success.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// To be pinned.
    pub host_key: HostKey,
    /// To be shown at the next `Connect`.
    pub tag: ReturnTag,
    /// From the management, for the user; may be empty.
    pub message: Text<1000>,
    /// The tunnel's version.
    pub version: u16,
}

/// Makes a tunnel over `io`, the raw connection to the host: [`greet`] and
/// [`Greeted::log_in`] in one, where the password is known beforehand.
///
/// # Errors
/// [`TunnelError`] says who is to blame; `io` is closed then.
pub async fn connect<IO>(
    io: IO,
    credentials: &Credentials,
) -> Result<(Tunnel, Admitted), TunnelError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    greet(io, credentials.pin).await?.log_in(credentials).await
}

/// A host that has shown its key, which is the pinned one if there is a pin. Nothing but TLS
/// has passed; now the user may be asked for the password.
pub struct Greeted<IO> {
    channel: Channel<IO>,
    host_key: HostKey,
    exporter: Exporter,
}

/// Begins a tunnel: TLS, and the look at the host's key.
///
/// # Errors
/// [`TunnelError::ChangedHostKey`] beside what TLS may say; `io` is closed then.
pub async fn greet<IO>(io: IO, pin: Option<HostKey>) -> Result<Greeted<IO>, TunnelError>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let connector = TlsConnector::from(tls::client_config().map_err(TunnelError::Tls)?);
    // rustls wants a name; nobody sees or checks it.
    let name = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([0; 4])));
    let stream = in_time(QUICK, Step::Tls, connector.connect(name, io)).await?;
    let (_, connection) = stream.get_ref();
    let certificate = connection.peer_certificates().and_then(<[_]>::first);
    let missing = TunnelError::Tls(rustls::Error::NoCertificatesPresented);
    let host_key = tls::host_key(certificate.ok_or(missing)?).map_err(TunnelError::Tls)?;
    if let Some(expected) = pin.filter(|pin| *pin != host_key) {
        let found = host_key;
        return Err(TunnelError::ChangedHostKey { expected, found });
    }
    tls::check_alpn(connection).map_err(TunnelError::Tls)?;
    let exporter = Exporter::of(connection).map_err(TunnelError::Tls)?;
    Ok(Greeted {
        channel: Channel::new(TlsStream::Client(stream)),
        host_key,
        exporter,
    })
}

impl<IO> Greeted<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    /// The key that the host has shown; nothing vouches for it yet but the pin.
    pub fn host_key(&self) -> HostKey {
        self.host_key
    }

    /// Proves the password to the host, and the host to this client.
    ///
    /// # Errors
    /// [`TunnelError`] says who is to blame; the connection is closed then.
    pub async fn log_in(
        self,
        credentials: &Credentials,
    ) -> Result<(Tunnel, Admitted), TunnelError> {
        // On the heap: the handshake's state is large and soon gone.
        Box::pin(self.prove(credentials)).await
    }

    async fn prove(mut self, credentials: &Credentials) -> Result<(Tunnel, Admitted), TunnelError> {
        let (login, ke1) = Login::start(&credentials.password).map_err(login_error)?;
        let challenge = self.ask(credentials, ke1).await?;
        let versions = challenge.versions;
        let (ke3, key) = match stretch(login, credentials, challenge).await {
            Err(TunnelError::WrongPassword) => {
                // The host knows by this, as by silence, that the try was no success.
                let refusal = Refusal::new(RefusalCode::WrongPassword);
                self.channel.refuse(&refusal, Step::Proof).await;
                return Err(TunnelError::WrongPassword);
            }
            result => result?,
        };
        let mac = self.exporter.mac(&key, Speaker::Client);
        let proof = Proof { ke3, mac };
        self.channel.send(proof.into(), Step::Proof).await?;
        let welcome = self.receive_welcome().await?;
        if welcome.mac != self.exporter.mac(&key, Speaker::Host) {
            return Err(TunnelError::ManInTheMiddle);
        }
        if VERSIONS.agree(versions) != Ok(welcome.version) {
            return Err(TunnelError::BadVersion(welcome.version));
        }
        let tunnel = Tunnel::start(self.channel.into_tls(), Role::Client);
        Ok((tunnel, admitted(welcome, self.host_key)))
    }

    /// Sends `Hello` and waits for the challenge.
    async fn ask(
        &mut self,
        credentials: &Credentials,
        ke1: Bytes<128>,
    ) -> Result<Challenge, TunnelError> {
        let hello = Hello {
            versions: VERSIONS,
            software: software(),
            computer_id: credentials.computer_id.clone(),
            user: credentials.user.clone(),
            ke1,
        };
        self.channel.send(hello.into(), Step::Hello).await?;
        let frame = self.channel.receive(QUICK, Step::Challenge).await?;
        if let Frame::Challenge(challenge) = frame {
            Ok(challenge)
        } else if let Frame::Refused(refusal) = frame {
            Err(TunnelError::Refused(Box::new(refusal)))
        } else {
            Err(unexpected(&frame, Step::Challenge))
        }
    }

    /// Waits for the host's proof; OPAQUE has told us by now that the password is right.
    async fn receive_welcome(&mut self) -> Result<Welcome, TunnelError> {
        let frame = self.channel.receive(QUICK, Step::Welcome).await?;
        if let Frame::Welcome(welcome) = frame {
            Ok(welcome)
        } else if let Frame::Refused(refusal) = frame {
            Err(refused_though_right(refusal))
        } else {
            Err(unexpected(&frame, Step::Welcome))
        }
    }
}

/// Third step of the login, off the runtime's threads: it takes long on purpose.
async fn stretch(
    login: Login,
    credentials: &Credentials,
    challenge: Challenge,
) -> Result<(Bytes<128>, SessionKey), TunnelError> {
    let context = Context::new(
        VERSIONS,
        challenge.versions,
        &credentials.computer_id,
        &credentials.user,
    )?;
    let password = credentials.password.clone();
    let stretching =
        spawn_blocking(move || login.finish(&password, challenge.ke2.as_slice(), &context));
    let result = stretching.await.map_err(|_| TunnelError::Resources)?;
    result.map_err(login_error)
}

/// What the host says after OPAQUE has told us that the password is right.
fn refused_though_right(refusal: Refusal) -> TunnelError {
    let middle = [RefusalCode::ManInTheMiddle, RefusalCode::WrongPassword];
    if middle.contains(&refusal.code) {
        TunnelError::ManInTheMiddle
    } else {
        TunnelError::Refused(Box::new(refusal))
    }
}

fn admitted(welcome: Welcome, host_key: HostKey) -> Admitted {
    Admitted {
        host_key,
        tag: welcome.tag,
        message: welcome.message,
        version: welcome.version,
    }
}

pub(super) fn login_error(error: LoginError) -> TunnelError {
    match error {
        LoginError::Wrong => TunnelError::WrongPassword,
        LoginError::Malformed => TunnelError::BadPasswordMessage,
        LoginError::TooLong => TunnelError::PasswordTooLong,
        LoginError::Resources => TunnelError::Resources,
    }
}

pub(super) fn unexpected(frame: &Frame<'_>, step: Step) -> TunnelError {
    let found = frame.name();
    TunnelError::UnexpectedFrame { step, found }
}
