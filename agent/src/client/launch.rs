//! Starts the viewer and waits for it. The only place of this program that starts another.

use std::net::SocketAddr;
use std::process::ExitStatus;

use tokio::process::{Child, Command};

/// The viewer could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("the viewer '{0}' is not installed")]
    NotInstalled(String),
    #[error("the viewer '{program}' cannot be started: {source}")]
    Io {
        program: String,
        source: std::io::Error,
    },
}

/// A viewer that runs. It ends when this is dropped: without its tunnel it has nothing to show.
#[derive(Debug)]
pub struct Viewer {
    child: Child,
}

impl Viewer {
    /// Starts `program` with `arguments`, then the address to connect to, then `more`.
    pub fn start(
        program: &str,
        arguments: &[String],
        address: SocketAddr,
        more: &[String],
    ) -> Result<Self, LaunchError> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg(format!("/v:{address}"))
            .args(more)
            .kill_on_drop(true);
        tracing::debug!(?command, "Starting the viewer");
        match command.spawn() {
            Ok(child) => Ok(Self { child }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(LaunchError::NotInstalled(program.to_owned()))
            }
            Err(source) => Err(LaunchError::Io {
                program: program.to_owned(),
                source,
            }),
        }
    }

    /// The process, whose tree may use the loopback listener; `None` once it has ended.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it ends. Cancel safe.
    pub async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }
}
