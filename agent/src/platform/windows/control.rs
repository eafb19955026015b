//! The running host's named pipe. Its name comes from the folder. Windows lets the system,
//! administrators and the user who runs the host in, unless told otherwise.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tokio::net::windows::named_pipe::{
    ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions,
};

/// ERROR_FILE_NOT_FOUND: nobody has made a pipe of this name.
const NOT_FOUND: i32 = 2;
/// ERROR_PIPE_BUSY: the host is about to make the pipe's next end.
const BUSY: i32 = 231;

const PAUSE: Duration = Duration::from_millis(20);

/// Where commands knock.
#[derive(Debug)]
pub(crate) struct ControlListener {
    name: OsString,
    /// The end that the next command gets.
    next: NamedPipeServer,
}

impl ControlListener {
    /// Opens the pipe of `folder`.
    pub(crate) fn bind(folder: &Path) -> io::Result<Self> {
        let name = name(folder)?;
        // Somebody else's pipe of this name is an error, not a place to join.
        let next = ServerOptions::new()
            .first_pipe_instance(true)
            .reject_remote_clients(true)
            .create(&name)?;
        Ok(Self { name, next })
    }

    /// Waits for the next command. Cancel safe.
    pub(crate) async fn accept(&mut self) -> io::Result<NamedPipeServer> {
        self.next.connect().await?;
        let next = ServerOptions::new()
            .reject_remote_clients(true)
            .create(&self.name)?;
        Ok(std::mem::replace(&mut self.next, next))
    }
}

/// Knocks at the host that runs on `folder`; `None` if there is none.
pub(crate) async fn reach_control(folder: &Path) -> io::Result<Option<NamedPipeClient>> {
    let name = name(folder)?;
    loop {
        match ClientOptions::new().open(&name) {
            Ok(pipe) => return Ok(Some(pipe)),
            Err(error) if error.raw_os_error() == Some(NOT_FOUND) => return Ok(None),
            // Our caller gives up after a while.
            Err(error) if error.raw_os_error() == Some(BUSY) => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The same however the folder is written: Windows does not tell capitals from small letters.
fn name(folder: &Path) -> io::Result<OsString> {
    let folder = std::path::absolute(folder)?;
    let folder = folder.to_string_lossy().to_lowercase();
    let hash = HEXLOWER.encode(&Sha256::digest(folder)[..16]);
    Ok(format!(r"\\.\pipe\tasuki-host-{hash}").into())
}
