//! A small file from a web server, by the ways that lead to relays: one GET over HTTPS.
//!
//! What is fetched has a signature of its own; TLS keeps strangers from wasting this PC's time.
//! The CAs are those that this PC's system trusts. Everything is bounded: the whole time, the
//! answer, redirects. `url` is where to go, `exchange` one request and
//! its answer.

mod exchange;
mod url;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::LOCATION;
use hyper::{Response, StatusCode};
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::{CertificateError, ClientConfig};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use self::exchange::{Wrong, exchange};
use self::url::Url;
use super::error::OuterError;
use super::proxy::{self, Routes};
use super::{WAY_DEADLINE, Worst};
use crate::config::{Endpoint, Proxy};
use crate::platform;

/// From the first name to the last byte.
const TOTAL: Duration = Duration::from_secs(60);
const REDIRECTS_MAX: usize = 3;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    #[error("'{0}' is no HTTPS address")]
    Address(String),
    /// No connection, with a proxy or without.
    #[error(transparent)]
    Way(OuterError),
    #[error("the CAs of this PC cannot be used: {0}")]
    Authorities(#[source] rustls::Error),
    /// No CA of this PC vouches for the server.
    #[error("certificate of {address} is not trusted: {reason}")]
    Untrusted { address: Endpoint, reason: String },
    #[error("TLS with {address}: {source}")]
    Tls {
        address: Endpoint,
        source: io::Error,
    },
    #[error("connection to {address} lost: {source}")]
    Lost {
        address: Endpoint,
        source: io::Error,
    },
    #[error("{address} answers {status}")]
    Status { address: Endpoint, status: u16 },
    #[error("redirected {REDIRECTS_MAX} times, or to somewhere that is not https://")]
    Redirect,
    #[error("{address} does not speak HTTP")]
    NotHttp { address: Endpoint },
    #[error("{address} sends more than is allowed")]
    TooLong { address: Endpoint },
    #[error("it takes more than {} seconds", TOTAL.as_secs())]
    Slow,
}

/// How to get there.
#[derive(Debug, Clone, Copy)]
pub struct Browser<'b> {
    pub proxy: &'b Proxy,
    pub user_agent: &'b str,
}

impl Browser<'_> {
    /// The file at `address`, of at most `limit` bytes.
    ///
    /// # Errors
    /// There is none, or not in time.
    pub async fn get(&self, address: &str, limit: usize) -> Result<Vec<u8>, HttpsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = rustls_platform_verifier::Verifier::new(provider);
        let verifier = verifier.map_err(HttpsError::Authorities)?;
        let visit = Visit::new(*self, Arc::new(verifier), limit);
        visit.get(address, TOTAL).await
    }
}

/// One file being fetched.
struct Visit<'b> {
    browser: Browser<'b>,
    routes: Routes,
    config: Arc<ClientConfig>,
    limit: usize,
}

impl<'b> Visit<'b> {
    fn new(browser: Browser<'b>, verifier: Arc<dyn ServerCertVerifier>, limit: usize) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider has suites for TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Self {
            browser,
            routes: Routes::new(browser.proxy.clone(), Arc::new(platform::ProxySystem)),
            config: Arc::new(config),
            limit,
        }
    }

    async fn get(&self, address: &str, total: Duration) -> Result<Vec<u8>, HttpsError> {
        let url = address.parse::<Url>();
        let url = url.map_err(|_| HttpsError::Address(address.to_owned()))?;
        let fetched = timeout(total, self.follow(url)).await;
        fetched.unwrap_or(Err(HttpsError::Slow))
    }

    async fn follow(&self, mut url: Url) -> Result<Vec<u8>, HttpsError> {
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.ask(&url).await?;
            let status = answer.status();
            if status == StatusCode::OK {
                return Ok(answer.into_body().into());
            }
            let location = answer.headers().get(LOCATION);
            let Some(location) = location.filter(|_| status.is_redirection()) else {
                let (address, status) = (url.endpoint, status.as_u16());
                return Err(HttpsError::Status { address, status });
            };
            let location = location.to_str().map_err(|_| HttpsError::Redirect)?;
            url = url.join(location).map_err(|_| HttpsError::Redirect)?;
        }
        Err(HttpsError::Redirect)
    }

    async fn ask(&self, url: &Url) -> Result<Response<Bytes>, HttpsError> {
        let address = &url.endpoint;
        let stream = self.connect(address).await?;
        let stream = self.shake_hands(stream, address).await?;
        let request = url.request(self.browser.user_agent);
        let answer = exchange(stream, request, self.limit).await;
        answer.map_err(|wrong| {
            let address = address.clone();
            match wrong {
                Wrong::Form => HttpsError::NotHttp { address },
                Wrong::Length => HttpsError::TooLong { address },
                Wrong::Lost(source) => HttpsError::Lost { address, source },
            }
        })
    }

    /// Tries the ways to a server, as those to a relay are.
    async fn connect(&self, address: &Endpoint) -> Result<TcpStream, HttpsError> {
        let mut worst = Worst::default();
        let mut tries = self.routes.to(address).await;
        while let Some(way) = tries.next().await {
            let open = proxy::open(&way, self.browser.user_agent, address, self.routes.system());
            let error = match timeout(WAY_DEADLINE, open).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => error,
                Err(_elapsed) => OuterError::NoAnswer {
                    address: address.clone(),
                    connected: false,
                },
            };
            tries.failed(&error);
            worst.take(error, way.address().cloned());
        }
        if let Some(trouble) = tries.trouble() {
            worst.take(trouble, None);
        }
        Err(HttpsError::Way(worst.into_failure().error))
    }

    async fn shake_hands(
        &self,
        stream: TcpStream,
        address: &Endpoint,
    ) -> Result<TlsStream<TcpStream>, HttpsError> {
        let name = ServerName::try_from(address.host.clone());
        let name = name.map_err(|_| HttpsError::Address(address.to_string()))?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(name, stream).await.map_err(|source| {
            let address = address.clone();
            match refusal(&source) {
                Some(error) => {
                    let reason = error.to_string();
                    HttpsError::Untrusted { address, reason }
                }
                None => HttpsError::Tls { address, source },
            }
        })
    }
}

/// What is wrong with a certificate, where that is what stopped the handshake.
fn refusal(error: &io::Error) -> Option<&CertificateError> {
    let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    if let rustls::Error::InvalidCertificate(error) = inner {
        Some(error)
    } else {
        None
    }
}
