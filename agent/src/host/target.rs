//! The desktop that a stream leads to: a service of this PC, or a program that is one.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::config::Target;
use crate::junction::{self, Carried};
use crate::tunnel::Stream;

/// How long a program may take to end once nobody speaks to it any more: it lets go of what is
/// pressed.
const END_WAIT: Duration = Duration::from_secs(2);

/// How much of what a program says comes into the log, in bytes.
const SAID_MAX: u64 = 16 * 1024;

/// One stream's way to the desktop.
pub(super) enum Desktop {
    Service(TcpStream),
    /// It ends with this.
    Program(Box<Child>),
}

impl Desktop {
    pub(super) async fn open(target: &Target, session: u64) -> io::Result<Self> {
        match target {
            Target::Service(address) => {
                let local = TcpStream::connect(address).await?;
                local.set_nodelay(true)?;
                Ok(Self::Service(local))
            }
            Target::Program(program) => {
                let mut child = Command::new(&program.path)
                    .args(&program.arguments)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .kill_on_drop(true)
                    .spawn()?;
                if let Some(said) = child.stderr.take() {
                    tokio::spawn(log(said, session));
                }
                Ok(Self::Program(Box::new(child)))
            }
        }
    }

    /// Carries both directions until both have ended or one breaks. Once only.
    pub(super) async fn join(&mut self, stream: &mut Stream) -> Carried {
        match self {
            Self::Service(local) => junction::join(stream, local).await,
            Self::Program(child) => match (child.stdout.take(), child.stdin.take()) {
                (Some(source), Some(sink)) => junction::join_halves(stream, source, sink).await,
                _ => Carried::default(),
            },
        }
    }

    /// Comes after the last byte, or when there shall be no more of them.
    pub(super) async fn end(self) {
        if let Self::Program(mut child) = self {
            // Whoever stays is killed right after this.
            let _ = timeout(END_WAIT, child.wait()).await;
        }
    }
}

/// Writes down what a program has said when it ends, or has said too much.
async fn log(said: ChildStderr, session: u64) {
    let mut text = Vec::new();
    // What came before a break counts as well.
    let _ = said.take(SAID_MAX).read_to_end(&mut text).await;
    let said = String::from_utf8_lossy(&text);
    if !said.is_empty() {
        tracing::warn!(session, said = said.trim_end(), "Desktop program said");
    }
}
