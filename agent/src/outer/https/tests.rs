//! Fetching from a real HTTPS server on this machine, with each of its moods.

use std::net::Ipv4Addr;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, server};

use super::*;

const LIMIT: usize = 1_000;
const BROWSER: Browser<'static> = Browser {
    proxy: &Proxy::None,
    user_agent: "tasuki/test",
};

type Caller = server::TlsStream<TcpStream>;

/// An HTTPS server on loopback and what vouches for it.
struct Server {
    address: String,
    verifier: Arc<dyn ServerCertVerifier>,
    _task: JoinHandle<()>,
}

impl Server {
    /// `answer` gets each request's path and its caller.
    async fn start<F>(answer: impl Fn(String, Caller) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let authority_key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = authority.self_signed(&authority_key).expect("signs");
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().expect("a key");
        let names = vec![Ipv4Addr::LOCALHOST.to_string()];
        let certificate = CertificateParams::new(names).expect("names");
        let certificate = certificate.signed_by(&key, &issuer).expect("signs");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("a version")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("fits");
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).expect("is a CA");
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("binds");
        let address = format!("https://{}", listener.local_addr().expect("is bound"));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut caller) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = caller.read_u8().await else {
                        break;
                    };
                    request.push(byte);
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                tokio::spawn(answer(path, caller));
            }
        });
        Self {
            address,
            verifier: verifier.build().expect("has a root"),
            _task: task,
        }
    }

    async fn get(&self, path: &str, total: Duration) -> Result<String, HttpsError> {
        let visit = Visit::new(BROWSER, Arc::clone(&self.verifier), LIMIT);
        let bytes = visit.get(&format!("{}{path}", self.address), total).await?;
        Ok(String::from_utf8(bytes).expect("UTF-8"))
    }
}

/// Says it, and hangs up without the goodbye of TLS, as many servers do.
async fn say(mut caller: Caller, text: String) {
    // The other side may have gone.
    let _ = caller.write_all(text.as_bytes()).await;
    let _ = caller.flush().await;
}

fn found(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn what_lies_there_comes_also_after_a_redirect() {
    let server = Server::start(async |path: String, caller| {
        let text = match path.as_str() {
            "/here" => found("hello"),
            "/moved" => "HTTP/1.1 301 Moved\r\nLocation: /here\r\n\r\n".to_owned(),
            "/round" => "HTTP/1.1 302 Found\r\nLocation: /round\r\n\r\n".to_owned(),
            "/plain" => "HTTP/1.1 302 Found\r\nLocation: http://a.example/\r\n\r\n".to_owned(),
            "/half" => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell".to_owned(),
            "/talk" => "220 mail.example ESMTP\r\n".to_owned(),
            "/less" => "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n".to_owned(),
            _ => "HTTP/1.1 404 Not Found\r\n\r\n".to_owned(),
        };
        say(caller, text).await;
    })
    .await;
    let get = async |path| server.get(path, TOTAL).await;

    assert_eq!(get("/here").await.expect("is there"), "hello");
    assert_eq!(get("/moved").await.expect("is there"), "hello");
    assert!(matches!(get("/round").await, Err(HttpsError::Redirect)));
    assert!(matches!(get("/plain").await, Err(HttpsError::Redirect)));
    let half = get("/half").await;
    assert!(
        matches!(&half, Err(HttpsError::Lost { source, .. }) if source.to_string().contains("before")),
        "{half:?}"
    );
    for path in ["/talk", "/less"] {
        let got = get(path).await;
        assert!(matches!(got, Err(HttpsError::NotHttp { .. })), "{got:?}");
    }
    assert!(matches!(
        get("/gone").await,
        Err(HttpsError::Status { status: 404, .. })
    ));
}

/// What comes of a server that says `text` and hangs up.
async fn got(text: String) -> Result<String, HttpsError> {
    let server = Server::start(move |_path, caller| say(caller, text.clone())).await;
    server.get("/", TOTAL).await
}

#[tokio::test]
async fn a_body_ends_by_length_by_chunks_or_with_the_connection() {
    let length = found("hello");
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n\
                  3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    let hinted = format!("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{length}");
    let bare = "HTTP/1.0 200 OK\r\n\r\nhello".to_owned();
    let half = chunks.split_at(chunks.len() - 5).0.to_owned();
    for text in [length, chunks.to_owned(), hinted, bare] {
        assert_eq!(got(text).await.expect("is whole"), "hello");
    }
    let got = got(half).await;
    assert!(matches!(got, Err(HttpsError::Lost { .. })), "{got:?}");
}

#[tokio::test]
async fn a_body_has_its_limit_and_not_one_byte_more() {
    for length in [LIMIT, LIMIT + 1] {
        let text = "x".repeat(length);
        for answer in [
            found(&text),
            format!("HTTP/1.1 200 OK\r\n\r\n{text}"),
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                 1\r\nx\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                length - 1,
                "x".repeat(length - 1)
            ),
        ] {
            let got = got(answer).await;
            if length == LIMIT {
                assert_eq!(got.expect("is allowed"), text);
            } else {
                assert!(matches!(got, Err(HttpsError::TooLong { .. })), "{got:?}");
            }
        }
    }
}

#[tokio::test]
async fn silence_and_drops_of_bytes_end_in_time() {
    const PATIENCE: Duration = Duration::from_millis(500);
    let server = Server::start(async |path: String, mut caller: Caller| {
        if path == "/drops" {
            let beginning = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n";
            let _ = caller.write_all(beginning.as_bytes()).await;
            while caller.write_all(b"x").await.is_ok() && caller.flush().await.is_ok() {
                tokio::time::sleep(PATIENCE / 10).await;
            }
        }
        // Never a word, and never an end.
        std::future::pending::<()>().await;
        drop(caller);
    })
    .await;

    for path in ["/silence", "/drops"] {
        let got = server.get(path, PATIENCE).await;
        assert!(matches!(got, Err(HttpsError::Slow)), "{path}: {got:?}");
    }
}

#[tokio::test]
async fn bytes_without_end_are_not_kept() {
    let server = Server::start(async |path: String, mut caller: Caller| {
        let beginning = if path == "/headers" {
            "HTTP/1.1 200 OK\r\nX: "
        } else {
            "HTTP/1.1 200 OK\r\n\r\n"
        };
        let _ = caller.write_all(beginning.as_bytes()).await;
        while caller.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;

    for path in ["/headers", "/body"] {
        let got = server.get(path, TOTAL).await;
        assert!(
            matches!(got, Err(HttpsError::TooLong { .. })),
            "{path}: {got:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_asked_for_nothing() {
    let server = Server::start(async |_path, caller| say(caller, found("hello")).await).await;
    let stranger = Server::start(async |_path, caller| say(caller, found("hello")).await).await;

    let visit = Visit::new(BROWSER, Arc::clone(&stranger.verifier), LIMIT);
    let got = visit.get(&server.address, TOTAL).await;
    assert!(matches!(got, Err(HttpsError::Untrusted { .. })), "{got:?}");
    // The CAs of this system do not vouch for it either.
    let got = BROWSER.get(&server.address, LIMIT).await;
    assert!(matches!(got, Err(HttpsError::Untrusted { .. })), "{got:?}");
}

#[tokio::test]
async fn nobody_there_and_no_tls_are_named() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("binds");
    let address = format!("https://{}", listener.local_addr().expect("is bound"));
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("is called");
        let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").await;
    });

    let got = BROWSER.get(&address, LIMIT).await;
    assert!(matches!(got, Err(HttpsError::Tls { .. })), "{got:?}");
    task.await.expect("ends");
    let got = BROWSER.get(&address, LIMIT).await;
    let nowhere = OuterError::weight;
    assert!(
        matches!(&got, Err(HttpsError::Way(error)) if nowhere(error) == 2),
        "{got:?}"
    );
    let got = BROWSER.get("http://127.0.0.1/", LIMIT).await;
    assert!(matches!(got, Err(HttpsError::Address(_))), "{got:?}");
}
