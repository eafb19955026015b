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

/// Makes a tunnel over `io`, the raw connection to the host.
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
    let _ = (io, credentials);
    unimplemented!()
}
