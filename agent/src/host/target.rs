//! The desktop that a stream leads to: a service of this PC, or a program that is one.

use std::io;
use std::process::Stdio;
use std::sync::Weak;
use std::time::Duration;

use protocol::desktop::LEAVE_FULL_SCREEN;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::config::Target;
use crate::junction::{self, Carried};
use crate::tunnel::Stream;

/// How long a program may take to end once nobody speaks to it any more: it lets go of what is
/// pressed.
const END_WAIT: Duration = Duration::from_secs(2);

/// How much of what a program says comes into the log, in bytes.
const SAID_MAX: u64 = 16 * 1024;

/// Between two wishes to leave full screen. A program that says more waits until it is heard.
const WISH_PAUSE: Duration = Duration::from_secs(1);

/// One stream's way to the desktop.
pub(super) enum Desktop {
    Service(TcpStream),
    /// It ends with this.
    Program(Box<Child>),
}

impl Desktop {
    /// `wishes` hears when somebody at home wants to leave full screen.
    pub(super) async fn open(
        target: &Target,
        session: u64,
        wishes: Weak<Notify>,
    ) -> io::Result<Self> {
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
                    tokio::spawn(listen(said, session, wishes));
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

/// Passes wishes on, and writes down what else a program has said when it ends, or has said too
/// much.
async fn listen(said: ChildStderr, session: u64, wishes: Weak<Notify>) {
    let mut said = BufReader::new(said.take(SAID_MAX));
    let mut text = Vec::new();
    loop {
        let start = text.len();
        // What came before a break counts as well.
        let Ok(count @ 1..) = said.read_until(b'\n', &mut text).await else {
            break;
        };
        if text[start..].trim_ascii_end() == LEAVE_FULL_SCREEN.as_bytes() {
            text.truncate(start);
            // In a session that has ended it is as good as anything else.
            if let Some(wishes) = wishes.upgrade() {
                wishes.notify_one();
                // It takes no room from the log.
                let left = said.get_ref().limit() + u64::try_from(count).unwrap_or(0);
                said.get_mut().set_limit(left);
                sleep(WISH_PAUSE).await;
            }
        }
    }
    let said = String::from_utf8_lossy(&text);
    if !said.is_empty() {
        tracing::warn!(session, said = said.trim_end(), "Desktop program said");
    }
}
