//! The running host's socket, a file in its folder.

use std::fs::Permissions;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::net::{UnixListener, UnixStream};

const SOCKET: &str = "control.sock";

/// Where commands knock.
#[derive(Debug)]
pub(crate) struct ControlListener(UnixListener);

impl ControlListener {
    /// Opens the socket in `folder`. The caller holds the run lock, so a socket that lies there
    /// is what a killed host left behind.
    pub(crate) fn bind(folder: &Path) -> io::Result<Self> {
        let path = folder.join(SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Self(listener))
    }

    /// Waits for the next command. Cancel safe.
    pub(crate) async fn accept(&mut self) -> io::Result<UnixStream> {
        self.0.accept().await.map(|(stream, _)| stream)
    }
}

/// Knocks at the host that runs on `folder`; `None` if there is none.
pub(crate) async fn reach_control(folder: &Path) -> io::Result<Option<UnixStream>> {
    match UnixStream::connect(folder.join(SOCKET)).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if nobody_listens(error.kind()) => Ok(None),
        Err(error) => Err(error),
    }
}

fn nobody_listens(kind: ErrorKind) -> bool {
    kind == ErrorKind::NotFound || kind == ErrorKind::ConnectionRefused
}
