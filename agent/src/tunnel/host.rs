//! The host's end of the handshake.

use std::net::IpAddr;
use std::sync::Arc;

use protocol::id::ComputerId;
use protocol::refusal::Refusal;
use protocol::secret::Secret;
use protocol::tag::ReturnTag;
use protocol::text::Text;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};

use super::password::PasswordRecord;
use super::{Tunnel, TunnelError};

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
    fn admit(&self, attempt: &Attempt) -> Result<Arc<PasswordRecord>, Refusal>;

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
    let _ = (io, side, caller, gate);
    unimplemented!()
}
