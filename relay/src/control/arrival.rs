//! What a new connection turns out to be: handshake, first frame, and whom it is handed to.
//!
//! Everything here is bounded by two deadlines, and happens before anybody has proven anything.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use protocol::outer::Frame;
use protocol::refusal::{Refusal, RefusalCode};
use protocol::version::{Outdated, VERSIONS, Versions};
use rustls::{CertificateError, ContentType, Error as TlsError, PeerIncompatible};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::debug;

use super::admission::Attempt;
use super::connection::{Connection, ReceiveError};
use super::counters::HandshakeFailure;
use super::shared::{Shared, Unproven};
use super::stream::Stream;
use super::{leg, link, refusal};
use crate::tls::record::RecordError;
use crate::tls::sealed::Sealed;
use crate::tls::{Purpose, handshake, host_key::host_key};

/// What a connection turned out to be, ready to be served to its end.
type Service = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves one connection to its end.
pub(super) async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    unproven: Unproven,
    shared: Arc<Shared>,
) {
    // In boxes, so that a link that lives for weeks does not keep the room that its beginning took.
    if let Some((purpose, connection)) = Box::pin(shake_hands(socket, peer, &shared)).await {
        attend(purpose, connection, unproven, shared).await;
    }
}

/// Serves a connection from its first frame to its end.
pub(super) fn attend(
    purpose: Purpose,
    connection: Connection,
    unproven: Unproven,
    shared: Arc<Shared>,
) -> impl Future<Output = ()> + Send {
    let first = Box::pin(first_frame(purpose, connection, unproven, shared));
    async move {
        if let Some(service) = first.await {
            service.await;
        }
    }
}

async fn first_frame(
    purpose: Purpose,
    mut connection: Connection,
    unproven: Unproven,
    shared: Arc<Shared>,
) -> Option<Service> {
    let peer = connection.peer;
    let first = timeout(shared.settings.timing.first_frame, connection.receive()).await;
    let frame = match first {
        Ok(Ok(frame)) => frame,
        Ok(Err(ReceiveError::Closed | ReceiveError::Broken(_))) => {
            fail(&shared, peer, HandshakeFailure::Closed);
            return None;
        }
        Ok(Err(error @ (ReceiveError::Frame(_) | ReceiveError::Record(_)))) => {
            debug!(%peer, %error, "First frame is none");
            let refusal = shared.failed(
                peer.ip(),
                Attempt::Handshake,
                refusal::plain(RefusalCode::BadFrame),
            );
            refuse(connection, refusal, &shared).await;
            return None;
        }
        Err(_) => {
            fail(&shared, peer, HandshakeFailure::Deadline);
            return None;
        }
    };
    match (purpose, frame) {
        (Purpose::Link, Frame::Register(register)) => Some(Box::pin(link::serve(
            connection,
            Box::new(register),
            unproven,
            shared,
        ))),
        (Purpose::Leg, Frame::Connect(request)) => Some(Box::pin(leg::connect(
            connection, request, unproven, shared,
        ))),
        (Purpose::Leg, Frame::Join(request)) => {
            Some(Box::pin(async move {
                leg::join(connection, request, shared).await;
                // It counts until it is joined, or has read that it is not.
                drop(unproven);
            }))
        }
        (purpose, frame) => {
            debug!(%peer, ?purpose, frame = frame.name(), "First frame is the wrong one");
            let refusal = shared.failed(
                peer.ip(),
                Attempt::Handshake,
                refusal::plain(RefusalCode::BadFrame),
            );
            refuse(connection, refusal, &shared).await;
            None
        }
    }
}

/// What every agent must pass, whatever it has come for. Gives the version to speak.
pub(super) fn greet(
    peer: SocketAddr,
    versions: Versions,
    shared: &Shared,
) -> Result<u16, Box<Refusal>> {
    if let Some(refusal) = shared.bar(peer.ip()) {
        return Err(refusal);
    }
    VERSIONS.agree(versions).map_err(|outdated| {
        refusal::never(match outdated {
            Outdated::Us => RefusalCode::BoardTooOld,
            Outdated::Peer => RefusalCode::AgentTooOld,
        })
    })
}

/// Says no, and counts it.
pub(super) async fn refuse(connection: Connection, refusal: Box<Refusal>, shared: &Shared) {
    debug!(peer = %connection.peer, code = refusal.code.label(), "Refused");
    shared.counters.count_refused(refusal.code);
    Box::pin(connection.refuse(*refusal, shared.settings.timing.linger)).await;
}

async fn shake_hands(
    socket: TcpStream,
    peer: SocketAddr,
    shared: &Shared,
) -> Option<(Purpose, Connection)> {
    let outcome = timeout(
        shared.settings.timing.handshake,
        accept_tls(socket, peer, shared),
    )
    .await;
    let failure = match outcome {
        Ok(Ok(accepted)) => return Some(accepted),
        Ok(Err(failure)) => failure,
        Err(_) => HandshakeFailure::Deadline,
    };
    fail(shared, peer, failure);
    None
}

async fn accept_tls(
    socket: TcpStream,
    peer: SocketAddr,
    shared: &Shared,
) -> Result<(Purpose, Connection), HandshakeFailure> {
    let failure = |error| {
        debug!(%peer, %error, "TLS failed");
        failure(&error)
    };
    let mut purpose = None;
    let accepted = handshake::accept(socket, |hello| {
        purpose = Purpose::of(hello);
        // Without a purpose any of the configurations will do, to send the alert that says so.
        shared.tls.config(purpose.unwrap_or(Purpose::Leg))
    });
    let (tls, records) = accepted.await.map_err(failure)?;
    let purpose = purpose.ok_or(HandshakeFailure::WrongPurpose)?;
    let certificate = tls.peer_certificates().and_then(<[_]>::first);
    let host_key = certificate.and_then(host_key);
    let sealed = Sealed::new(*tls, records).map_err(|error| failure(error.into()))?;
    Ok((
        purpose,
        Connection::new(Stream::Tls(sealed), peer, host_key),
    ))
}

fn fail(shared: &Shared, peer: SocketAddr, failure: HandshakeFailure) {
    debug!(%peer, cause = failure.label(), "Handshake failed");
    shared.counters.count_handshake_failure(failure);
    shared.note_failure(peer.ip(), Attempt::Handshake);
}

fn failure(error: &io::Error) -> HandshakeFailure {
    let Some(inner) = error.get_ref() else {
        return HandshakeFailure::Closed;
    };
    if let Some(error) = inner.downcast_ref() {
        return tls_failure(error);
    }
    match inner.downcast_ref() {
        Some(RecordError::NotTls) => HandshakeFailure::NotTls,
        Some(RecordError::TooLarge) => HandshakeFailure::TooLarge,
        None => HandshakeFailure::Closed,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "rustls adds errors with every release"
)]
fn tls_failure(error: &TlsError) -> HandshakeFailure {
    match error {
        TlsError::InvalidMessage(_) => HandshakeFailure::NotTls,
        TlsError::AlertReceived(_)
        | TlsError::InappropriateMessage {
            got_type: ContentType::Alert,
            ..
        } => HandshakeFailure::Alert,
        TlsError::NoApplicationProtocol => HandshakeFailure::WrongPurpose,
        TlsError::NoCertificatesPresented
        | TlsError::InvalidCertificate(
            CertificateError::BadEncoding | CertificateError::BadSignature,
        ) => HandshakeFailure::HostKey,
        TlsError::PeerIncompatible(
            PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::SupportedVersionsExtensionRequired
            // The first thing that rustls misses in a ClientHello of before TLS 1.2.
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired,
        ) => HandshakeFailure::OldTls,
        _ => HandshakeFailure::Other,
    }
}
