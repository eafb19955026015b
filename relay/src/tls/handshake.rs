//! The handshake of the outer hop: rustls does it, fed with one record at a time.
//!
//! Nothing is read once it is over, so that the first frame is left to [`super::sealed`].

use std::io::{self, ErrorKind};
use std::sync::Arc;

use rustls::server::{Acceptor, ClientHello};
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::record::{HEADER, RecordExact};
use crate::limits;

/// Shakes hands as `choose` says, who sees the peer's first message. What comes next is for
/// [`super::sealed`].
///
/// # Errors
/// The connection broke, or the peer or its TLS will not do; it has been sent the alert that says
/// so.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    socket: S,
    choose: impl FnOnce(&ClientHello<'_>) -> Arc<ServerConfig>,
) -> io::Result<(Box<ServerConnection>, RecordExact<S>)> {
    let mut records = RecordExact::new(socket);
    let mut tls = Box::new(begin(&mut records, choose).await?);
    loop {
        // Also the alert of a handshake that failed, and the TLS ticket of one that did not.
        let processed = tls.process_new_packets();
        let sent = send(&mut records, |out| tls.write_tls(out)).await;
        if let Err(error) = processed {
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        sent?;
        if !tls.is_handshaking() {
            return Ok((tls, records));
        }
        let record = read(&mut records).await?;
        let mut rest = record.as_slice();
        while !rest.is_empty() {
            tls.read_tls(&mut rest)?;
        }
    }
}

/// Reads the peer's first message, however many records it takes.
async fn begin<S: AsyncRead + AsyncWrite + Unpin>(
    records: &mut RecordExact<S>,
    choose: impl FnOnce(&ClientHello<'_>) -> Arc<ServerConfig>,
) -> io::Result<ServerConnection> {
    let mut acceptor = Acceptor::default();
    let (error, mut alert) = loop {
        let record = read(records).await?;
        let mut rest = record.as_slice();
        while !rest.is_empty() {
            acceptor.read_tls(&mut rest)?;
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let config = choose(&accepted.client_hello());
                match accepted.into_connection(config) {
                    Ok(tls) => return Ok(tls),
                    Err(failed) => break failed,
                }
            }
            Err(failed) => break failed,
        }
    };
    // The peer's fault is the news; whether it hears of it is not.
    let _ = send(records, |out| alert.write(out)).await;
    Err(io::Error::new(ErrorKind::InvalidData, error))
}

/// One record, whole.
async fn read<S: AsyncRead + Unpin>(records: &mut RecordExact<S>) -> io::Result<Vec<u8>> {
    let mut record = Vec::with_capacity(HEADER + limits::HANDSHAKE_RECORD_MAX);
    loop {
        if records.read_buf(&mut record).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if records.is_between_records() {
            return Ok(record);
        }
    }
}

/// Sends all that `write` has to say.
async fn send<S: AsyncWrite + Unpin>(
    records: &mut RecordExact<S>,
    mut write: impl FnMut(&mut dyn io::Write) -> io::Result<usize>,
) -> io::Result<()> {
    let mut out = Vec::new();
    while write(&mut out)? > 0 {}
    records.write_all(&out).await
}
