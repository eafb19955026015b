//! The client's end of the handshake.

use protocol::id::{ComputerId, HostKey};
use protocol::tag::ReturnTag;
use protocol::text::Text;
use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

use super::{Tunnel, TunnelError};

/// Whom the client wants, and how it proves that it may.
#[derive(Clone)]
pub struct Credentials {
    pub computer_id: ComputerId,
    /// Empty where the host has one password and no users.
    pub user: Text<64>,
    pub password: Zeroizing<String>,
    /// The host key of an earlier success; another one is refused before any prompt.
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

/// A host that has shown its key, which is the pinned one if there is a pin. Nothing but TLS
/// has passed yet; whoever holds this may ask the user for the password now.
#[derive(Debug)]
pub struct Greeted<IO> {
    io: IO,
}

/// Begins a tunnel over `io`, the raw connection to the host: TLS and the look at the host key.
///
/// # Errors
/// [`TunnelError::ChangedHostKey`] before anything is sent; `io` is closed then.
pub async fn greet<IO>(io: IO, pin: Option<&HostKey>) -> Result<Greeted<IO>, TunnelError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let _ = pin;
    Ok(Greeted { io })
}

impl<IO> Greeted<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    /// The key that the host has shown; nothing vouches for it yet but the pin.
    pub fn host_key(&self) -> HostKey {
        unimplemented!()
    }

    /// Proves the password to the host and the host to the client.
    ///
    /// # Errors
    /// [`TunnelError`] says who is to blame; the connection is closed then.
    pub async fn log_in(
        self,
        credentials: &Credentials,
    ) -> Result<(Tunnel, Admitted), TunnelError> {
        let _ = (self.io, credentials);
        unimplemented!()
    }
}

/// Both at once, where the password is known beforehand.
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
    greet(io, credentials.pin.as_ref())
        .await?
        .log_in(credentials)
        .await
}
