//! HTTP CONNECT (RFC 9110, 9.3.6), with the login that the proxy asks for.

use std::sync::Arc;

use protocol::text::Text;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::login::{self, Authorization, Challenge, Logins};
use super::system::System;
use super::{dial_proxy, refused};
use crate::config::{Endpoint, ProxyServer};
use crate::outer::{OuterError, ProxyRefusal};

/// Largest answer, status line and headers.
const ANSWER_MAX: usize = 8 * 1024;
const HEADERS_MAX: usize = 64;
/// The largest page that may stand between two steps of a login.
const PAGE_MAX: usize = 64 * 1024;
/// Requests in one go: three schemes of a few rounds each end before.
const REQUESTS_MAX: usize = 16;

/// Asks the proxy for a connection to the board.
pub(super) async fn connect(
    server: &ProxyServer,
    user_agent: &str,
    address: &Endpoint,
    system: &Arc<dyn System>,
) -> Result<TcpStream, OuterError> {
    let refused = |refusal| refused(server, refusal);
    let mut logins = Logins::new(server, system);
    let mut stream = dial_proxy(server).await?;
    // Nobody is named before the proxy asks: most never do.
    let mut said: Option<Authorization> = None;
    for _ in 0..REQUESTS_MAX {
        let request = request(user_agent, address, said.as_ref());
        let sent = stream.write_all(request.as_bytes()).await;
        sent.map_err(|error| refused(ProxyRefusal::Unreachable(error)))?;
        let answer = read_answer(&mut stream).await.map_err(refused)?;
        if answer.code != 407 {
            return judge(answer, address).map(|()| stream).map_err(refused);
        }
        let next = logins.answer(&answer.offers).await.map_err(refused)?;
        if next.begins {
            // Whatever the proxy does with the connection on which it has asked.
            stream = dial_proxy(server).await?;
        } else {
            pass_page(&mut stream, &answer.page)
                .await
                .map_err(refused)?;
        }
        said = Some(next);
    }
    Err(refused(unusable("it asks who is here again and again")))
}

fn request(
    user_agent: &str,
    address: &Endpoint,
    said: Option<&Authorization>,
) -> Zeroizing<String> {
    let mut request = Zeroizing::new(format!(
        "CONNECT {address} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: {user_agent}\r\n\
         Proxy-Connection: keep-alive\r\n"
    ));
    if let Some(said) = said {
        request.push_str("Proxy-Authorization: ");
        request.push_str(&said.text);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

struct Answer {
    code: u16,
    /// Printable, from the status line.
    reason: String,
    offers: Vec<Challenge>,
    page: Page,
}

/// What stands behind an answer that is no yes (RFC 9112, 6.3).
#[derive(Debug, PartialEq, Eq)]
enum Page {
    Bytes(usize),
    Chunks,
    /// It goes on until the connection ends.
    Endless,
}

/// Reads the answer up to its last byte and not one further: what follows comes from the board.
async fn read_answer(stream: &mut TcpStream) -> Result<Answer, ProxyRefusal> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        let peeked = stream
            .peek(&mut chunk)
            .await
            .map_err(ProxyRefusal::Unreachable)?;
        if peeked == 0 {
            return Err(unusable("it closed the connection"));
        }
        let before = bytes.len();
        bytes.extend_from_slice(&chunk[..peeked]);
        let (end, answer) = match parse(&bytes)? {
            Some((length, answer)) => (length, Some(answer)),
            None => (bytes.len(), None),
        };
        if end > ANSWER_MAX {
            return Err(unusable("its answer has no end"));
        }
        let taken = &mut chunk[..end - before];
        stream
            .read_exact(taken)
            .await
            .map_err(ProxyRefusal::Unreachable)?;
        if let Some(answer) = answer {
            return Ok(answer);
        }
    }
}

/// The answer and its length, if it is whole.
fn parse(bytes: &[u8]) -> Result<Option<(usize, Answer)>, ProxyRefusal> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(unusable("it does not speak HTTP")),
    };
    let values = |name| {
        let named = response
            .headers
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.filter_map(|header| std::str::from_utf8(header.value).ok())
    };
    let has = |name, word| values(name).any(|value| value.to_ascii_lowercase().contains(word));
    let ends = has("Connection", "close") || has("Proxy-Connection", "close");
    let stays = has("Connection", "keep-alive") || has("Proxy-Connection", "keep-alive");
    let page = if ends || (response.version == Some(0) && !stays) {
        Page::Endless
    } else if has("Transfer-Encoding", "chunked") {
        Page::Chunks
    } else {
        let length = values("Content-Length").next();
        length
            .and_then(|length| length.trim().parse().ok())
            .map_or(Page::Endless, Page::Bytes)
    };
    let answer = Answer {
        code: response.code.unwrap_or_default(),
        reason: Text::<80>::lossy(response.reason.unwrap_or_default()).to_string(),
        offers: values("Proxy-Authenticate")
            .flat_map(login::offers)
            .collect(),
        page,
    };
    Ok(Some((length, answer)))
}

/// Reads the page behind an answer, so that the next one can come on the same connection.
async fn pass_page(stream: &mut TcpStream, page: &Page) -> Result<(), ProxyRefusal> {
    match page {
        Page::Bytes(length) if *length > PAGE_MAX => Err(too_long()),
        Page::Bytes(length) => pass(stream, *length).await,
        Page::Chunks => {
            let mut rest = PAGE_MAX;
            loop {
                let length = chunk_length(stream).await?;
                rest = rest.checked_sub(length).ok_or_else(too_long)?;
                // Behind each chunk stands the end of a line; behind the last nothing else does,
                // as long as it has no trailers, which nobody sends.
                pass(stream, length + 2).await?;
                if length == 0 {
                    return Ok(());
                }
            }
        }
        Page::Endless => Err(ProxyRefusal::LoginCut),
    }
}

async fn pass(stream: &mut TcpStream, length: usize) -> Result<(), ProxyRefusal> {
    let mut page = stream.take(u64::try_from(length).unwrap_or_default());
    let passed = tokio::io::copy(&mut page, &mut tokio::io::sink()).await;
    match passed {
        Ok(passed) if usize::try_from(passed) == Ok(length) => Ok(()),
        Ok(_) => Err(ProxyRefusal::LoginCut),
        Err(error) => Err(ProxyRefusal::Unreachable(error)),
    }
}

/// Reads the line before a chunk (RFC 9112, 7.1).
async fn chunk_length(stream: &mut TcpStream) -> Result<usize, ProxyRefusal> {
    let mut line = Vec::new();
    while line.len() < 64 {
        let byte = stream.read_u8().await;
        line.push(byte.map_err(|_| ProxyRefusal::LoginCut)?);
        match httparse::parse_chunk_size(&line) {
            Ok(httparse::Status::Complete((_, length))) => {
                return usize::try_from(length).map_err(|_| too_long());
            }
            Ok(httparse::Status::Partial) => {}
            Err(_) => break,
        }
    }
    Err(unusable("it does not speak HTTP"))
}

fn too_long() -> ProxyRefusal {
    unusable("its answer has no end")
}

fn unusable(reason: &str) -> ProxyRefusal {
    ProxyRefusal::Unusable {
        reason: reason.to_owned(),
    }
}

fn judge(answer: Answer, address: &Endpoint) -> Result<(), ProxyRefusal> {
    let address = address.clone();
    let said = format!("{} {}", answer.code, answer.reason);
    let said = said.trim_end().to_owned();
    match answer.code {
        200..=299 => Ok(()),
        // Elsewhere is a page for a browser; so is 511 (RFC 6585, 6).
        300..=399 | 511 => Err(ProxyRefusal::Portal { answer: said }),
        // Bad gateway, unavailable, gateway timeout: it tried.
        502..=504 => Err(ProxyRefusal::NoWay {
            address,
            answer: said,
        }),
        _ => Err(ProxyRefusal::Forbidden {
            address,
            answer: said,
        }),
    }
}
