//! `viewer ADDRESS type < LINE`, `viewer ADDRESS flood`: a viewer without a screen, for tests under
//! Wine.
//!
//! It does what FreeRDP does not: `type` sends letters of any script, not keys; `flood` sends pieces
//! of a message that never ends, until the session does, and fails where it does not.

use std::borrow::Cow;
use std::io::stdin;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use ironrdp_connector::{
    ClientConnector, ClientConnectorState, Config, ConnectionResult, Credentials, DesktopSize,
};
use ironrdp_core::{WriteBuf, encode_vec, impl_as_any};
use ironrdp_pdu::PduResult;
use ironrdp_pdu::gcc::{ChannelName, KeyboardType};
use ironrdp_pdu::input::fast_path::{FastPathInput, FastPathInputEvent, KeyboardFlags};
use ironrdp_pdu::mcs::SendDataRequest;
use ironrdp_pdu::rdp::capability_sets::MajorPlatformType;
use ironrdp_pdu::rdp::client_info::{PerformanceFlags, TimezoneInfo};
use ironrdp_pdu::x224::X224;
use ironrdp_svc::{SvcClientProcessor, SvcMessage, SvcProcessor};
use ironrdp_tokio::{TokioFramed, single_sequence_step};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncWriteExt, copy, sink, split};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where a flood stops: whoever has taken so much has no limit.
const FLOOD: usize = 1 << 30;
const PIECE: usize = 16 * 1024;
/// The first of several pieces ([MS-RDPBCGR] 2.2.6.1.1).
const FIRST: u32 = 1;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().context("no address")?.parse()?;
    let what = arguments.next().context("nothing to do")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (stream, session) = connect(address).await?;
        match what.as_str() {
            "type" => {
                let line = stdin().lines().next().context("nothing to type")??;
                type_all(stream, &line).await
            }
            "flood" => flood(stream, &session).await,
            _ => bail!("{what} is nothing that it does"),
        }
    })
}

/// Presses and lets go of each letter, and waits until the other end has done all of it.
async fn type_all(stream: TlsStream<TcpStream>, text: &str) -> Result<()> {
    let (mut source, mut sink_half) = split(stream);
    let typing = async {
        for unit in text.encode_utf16() {
            for flags in [KeyboardFlags::empty(), KeyboardFlags::RELEASE] {
                let event = FastPathInputEvent::UnicodeKeyboardEvent(flags, unit);
                sink_half
                    .write_all(&encode_vec(&FastPathInput::single(event))?)
                    .await?;
            }
        }
        sink_half.shutdown().await?;
        anyhow::Ok(())
    };
    // What it would show is thrown away. However the session ends, all has been read by then.
    let mut nowhere = sink();
    let (typed, _) = tokio::join!(typing, copy(&mut source, &mut nowhere));
    typed
}

/// Sends pieces of a message of the clipboard's.
async fn flood(stream: TlsStream<TcpStream>, session: &ConnectionResult) -> Result<()> {
    let channel_id = session
        .static_channels
        .get_channel_id_by_type::<Clipboard>()
        .context("the clipboard has no channel")?;
    let mut piece = Vec::from(u32::MAX.to_le_bytes());
    piece.extend(FIRST.to_le_bytes());
    piece.resize(PIECE, 0);
    let request = encode_vec(&X224(SendDataRequest {
        initiator_id: session.user_channel_id,
        channel_id,
        user_data: Cow::Owned(piece),
    }))?;
    let (mut source, mut sink_half) = split(stream);
    let flooding = async {
        for _ in 0..FLOOD / PIECE {
            if sink_half.write_all(&request).await.is_err() {
                return true;
            }
        }
        false
    };
    let mut nowhere = sink();
    let is_stopped = tokio::select! {
        is_stopped = flooding => is_stopped,
        _ = copy(&mut source, &mut nowhere) => true,
    };
    ensure!(is_stopped, "all of it was taken");
    Ok(())
}

/// Logs on, and asks for a channel of the clipboard's.
async fn connect(address: SocketAddr) -> Result<(TlsStream<TcpStream>, ConnectionResult)> {
    let mut connector = ClientConnector::new(config(), address).with_static_channel(Clipboard);
    let mut buffer = WriteBuf::new();
    let mut framed = TokioFramed::new(TcpStream::connect(address).await?);
    while !connector.should_perform_security_upgrade() {
        single_sequence_step(&mut framed, &mut connector, &mut buffer).await?;
    }
    let name = ServerName::IpAddress(address.ip().into());
    let stream = tls()?
        .connect(name, framed.into_inner_no_leftover())
        .await?;
    connector.mark_security_upgrade_as_done();
    let mut framed = TokioFramed::new(stream);
    loop {
        single_sequence_step(&mut framed, &mut connector, &mut buffer).await?;
        if let ClientConnectorState::Connected { result } = connector.state {
            return Ok((framed.into_inner().0, result));
        }
    }
}

fn config() -> Config {
    Config {
        desktop_size: DesktopSize {
            width: 1024,
            height: 768,
        },
        desktop_scale_factor: 0,
        enable_tls: true,
        enable_credssp: false,
        credentials: Credentials::UsernamePassword {
            username: "demo".to_owned(),
            password: String::new(),
        },
        domain: None,
        client_build: 0,
        client_name: "viewer".to_owned(),
        keyboard_type: KeyboardType::IbmEnhanced,
        keyboard_subtype: 0,
        keyboard_functional_keys_count: 12,
        keyboard_layout: 0,
        ime_file_name: String::new(),
        bitmap: None,
        dig_product_id: String::new(),
        client_dir: String::new(),
        alternate_shell: String::new(),
        work_dir: String::new(),
        platform: MajorPlatformType::UNIX,
        hardware_id: None,
        request_data: None,
        autologon: false,
        enable_audio_playback: false,
        performance_flags: PerformanceFlags::empty(),
        license_cache: None,
        timezone_info: TimezoneInfo::default(),
        compression_type: None,
        enable_server_pointer: false,
        pointer_software_rendering: false,
        multitransport_flags: None,
    }
}

/// A channel in which nothing is heard.
#[derive(Debug)]
struct Clipboard;

impl_as_any!(Clipboard);

impl SvcProcessor for Clipboard {
    fn channel_name(&self) -> ChannelName {
        ChannelName::from_static(b"cliprdr\0")
    }

    fn process(&mut self, _: &[u8]) -> PduResult<Vec<SvcMessage>> {
        Ok(Vec::new())
    }
}

impl SvcClientProcessor for Clipboard {}

fn tls() -> Result<TlsConnector> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Believes every certificate: the tunnel has proved who is there.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
