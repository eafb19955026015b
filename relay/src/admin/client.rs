//! The operator's end of the admin socket, for `status`, `drain` and `registrar export`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::status::Status;
use super::view::View;
pub(crate) use super::view::duration;
use super::{Answer, Request};
use crate::limits;

/// An answer is at most this long; a status has some 4 KiB.
const ANSWER_MAX: u64 = 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("no relay listens on {0}; is it running, and are you its user or root?")]
    Unreachable(PathBuf, #[source] io::Error),
    #[error("the relay did not answer")]
    Silent(#[from] io::Error),
    #[error("the relay's answer is not understood; is it of another version?")]
    Unclear(#[from] serde_json::Error),
    #[error("the relay says: {0}")]
    Refused(String),
    #[error("the export is cut off")]
    CutOff,
}

/// Asks for the status.
///
/// # Errors
/// The relay does not answer.
pub fn status(socket: &Path) -> Result<Status, AdminError> {
    let (answer, _) = ask(socket, &Request::Status)?;
    if let Answer::Status(status) = answer {
        Ok(*status)
    } else {
        Err(unexpected(answer))
    }
}

/// The status for a person.
pub fn to_text(status: &Status) -> String {
    View(status).to_string()
}

/// Begins a drain; returns how many sessions are left.
///
/// # Errors
/// The relay does not answer, or refuses.
pub fn drain(socket: &Path, deadline: Duration) -> Result<usize, AdminError> {
    let request = Request::Drain {
        deadline_s: deadline.as_secs(),
    };
    let (answer, _) = ask(socket, &request)?;
    if let Answer::Draining { sessions } = answer {
        Ok(sessions)
    } else {
        Err(unexpected(answer))
    }
}

/// Copies every claim as a line of JSON.
///
/// # Errors
/// The relay does not answer, the export is cut off, or it cannot be written.
pub fn export(socket: &Path, mut to: impl Write) -> Result<(), AdminError> {
    let (answer, mut rest) = ask(socket, &Request::Export)?;
    if answer != Answer::Export {
        return Err(unexpected(answer));
    }
    let mut last = String::new();
    let mut line = String::new();
    while rest.read_line(&mut line)? > 0 {
        to.write_all(line.as_bytes())?;
        std::mem::swap(&mut last, &mut line);
        line.clear();
    }
    to.flush()?;
    if last.contains(r#""kind":"end""#) {
        Ok(())
    } else {
        Err(AdminError::CutOff)
    }
}

fn ask(socket: &Path, request: &Request) -> Result<(Answer, BufReader<UnixStream>), AdminError> {
    let mut stream = UnixStream::connect(socket)
        .map_err(|error| AdminError::Unreachable(socket.to_owned(), error))?;
    // Others may hold every place for a whole timeout before it is our turn.
    stream.set_read_timeout(Some(2 * limits::OPERATOR_TIMEOUT))?;
    stream.set_write_timeout(Some(limits::OPERATOR_TIMEOUT))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut reader = BufReader::new(stream);
    let mut answer = Vec::new();
    reader
        .by_ref()
        .take(ANSWER_MAX)
        .read_until(b'\n', &mut answer)?;
    Ok((serde_json::from_slice(&answer)?, reader))
}

fn unexpected(answer: Answer) -> AdminError {
    match answer {
        Answer::Error { message } => AdminError::Refused(message),
        Answer::Status(_) | Answer::Draining { .. } | Answer::Export => {
            AdminError::Refused("something else than what was asked".to_owned())
        }
    }
}
