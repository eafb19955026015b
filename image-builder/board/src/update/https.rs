//! Fetching a bundle over HTTPS: one GET, read as it comes.
//!
//! The bundle's own signature decides what is taken; TLS keeps a stranger from wasting the board's
//! time. Everything is bounded: connecting, silence, the whole, redirects, headers.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, LOCATION, USER_AGENT};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::runtime::{self, Runtime};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

const REDIRECTS_MAX: usize = 3;
/// Bytes of an answer's headers and of what hyper reads ahead.
const BUFFER_MAX: usize = 64 * 1024;
const AGENT: &str = concat!("tasuki-board/", env!("CARGO_PKG_VERSION"));

/// How long anything may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until the answer's headers are there.
    pub answer: Duration,
    /// Between two bytes.
    pub silence: Duration,
    /// The whole. 64 MiB in this time are 75 kbit/s.
    pub total: Duration,
}

/// A board's.
pub const LIMITS: Limits = Limits {
    answer: Duration::from_secs(30),
    silence: Duration::from_secs(60),
    total: Duration::from_secs(7_200),
};

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("is no HTTPS address")]
    Address,
    #[error("has a CA (update_ca in the node file) that is no certificate in PEM")]
    Authority,
    #[error("cannot be reached: {0}")]
    Connect(#[from] io::Error),
    #[error("gives no answer in HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("answers {0}; is the bundle there, under that name?")]
    Status(StatusCode),
    #[error("is redirected {REDIRECTS_MAX} times, or to somewhere that is not https://")]
    Redirect,
}

/// The bundle on its way. Reading fails once it is too slow.
#[derive(Debug)]
pub struct Body {
    // Before the runtime, which has to outlive it.
    incoming: Incoming,
    rest: Bytes,
    runtime: Runtime,
    silence: Duration,
    deadline: Instant,
}

/// Asks for `address`. `ca` is the PEM of the only CA to trust; without it, those of browsers.
///
/// # Errors
/// No bundle is there.
pub fn get(address: &str, ca: Option<&str>, limits: Limits) -> Result<Body, FetchError> {
    let config = Arc::new(config(ca)?);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (incoming, deadline) = runtime.block_on(async {
        let deadline = Instant::now() + limits.total;
        let answer = timeout(limits.answer, follow(address, config));
        let answer = answer.await.map_err(|_| too_slow("no answer in time"))??;
        Ok::<_, FetchError>((answer.into_body(), deadline))
    })?;
    Ok(Body {
        incoming,
        rest: Bytes::new(),
        runtime,
        silence: limits.silence,
        deadline,
    })
}

fn too_slow(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, text)
}

fn config(ca: Option<&str>) -> Result<ClientConfig, FetchError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(pem) => {
            let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
            let certificate = certificate.map_err(|_| FetchError::Authority)?;
            roots.add(certificate).map_err(|_| FetchError::Authority)?;
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

async fn follow(
    address: &str,
    config: Arc<ClientConfig>,
) -> Result<Response<Incoming>, FetchError> {
    let mut address: Uri = address.parse().map_err(|_| FetchError::Address)?;
    for _ in 0..=REDIRECTS_MAX {
        let answer = ask(&address, Arc::clone(&config)).await?;
        let status = answer.status();
        if status == StatusCode::OK {
            return Ok(answer);
        }
        if !status.is_redirection() {
            return Err(FetchError::Status(status));
        }
        let next = answer.headers().get(LOCATION);
        let next = next.and_then(|next| next.to_str().ok()?.parse::<Uri>().ok());
        address = next
            .filter(|next| next.scheme_str() == Some("https"))
            .ok_or(FetchError::Redirect)?;
    }
    Err(FetchError::Redirect)
}

async fn ask(address: &Uri, config: Arc<ClientConfig>) -> Result<Response<Incoming>, FetchError> {
    let authority = address.authority().ok_or(FetchError::Address)?;
    let host = authority.host();
    // An IPv6 address stands in brackets.
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(plain.to_owned()).map_err(|_| FetchError::Address)?;
    let stream = TcpStream::connect((plain, authority.port_u16().unwrap_or(443))).await?;
    let stream = TlsConnector::from(config).connect(name, stream).await?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER_MAX)
        .handshake(TokioIo::new(stream))
        .await?;
    // It ends with the runtime, or when the server has said all; its error is the body's, too.
    tokio::spawn(connection);
    let path = address.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, authority.as_str())
        .header(USER_AGENT, AGENT)
        .body(Empty::<Bytes>::new())
        .map_err(|_| FetchError::Address)?;
    Ok(sender.send_request(request).await?)
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            let next = next(&mut self.incoming, self.silence, self.deadline);
            match self.runtime.block_on(next)? {
                Some(bytes) => self.rest = bytes,
                None => return Ok(0),
            }
        }
        let count = into.len().min(self.rest.len());
        let (to, _) = into.split_at_mut(count);
        to.copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}

/// The next bytes. None: the answer is complete.
async fn next(
    incoming: &mut Incoming,
    silence: Duration,
    deadline: Instant,
) -> io::Result<Option<Bytes>> {
    let frame = timeout_at(deadline, timeout(silence, incoming.frame())).await;
    let frame = frame
        .map_err(|_| too_slow("it takes too long"))?
        .map_err(|_| too_slow("nothing more comes"))?;
    match frame {
        None => Ok(None),
        // Trailers are nothing to us.
        Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
        Some(Err(error)) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)),
    }
}
