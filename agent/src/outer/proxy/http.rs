//! HTTP CONNECT (RFC 9110, 9.3.6) with Basic authentication (RFC 7617).

use data_encoding::BASE64;
use protocol::text::Text;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::config::{Endpoint, ProxyServer};
use crate::outer::ProxyRefusal;

/// Largest answer, status line and headers.
const ANSWER_MAX: usize = 8 * 1024;
const HEADERS_MAX: usize = 64;

/// Asks the proxy at the other end of `stream` for a connection to the board.
pub(super) async fn connect(
    mut stream: TcpStream,
    server: &ProxyServer,
    user_agent: &str,
    address: &Endpoint,
) -> Result<TcpStream, ProxyRefusal> {
    let request = request(server, user_agent, address);
    let sent = stream.write_all(request.as_bytes()).await;
    sent.map_err(ProxyRefusal::Unreachable)?;
    let answer = read_answer(&mut stream).await?;
    judge(answer, address)?;
    Ok(stream)
}

fn request(server: &ProxyServer, user_agent: &str, address: &Endpoint) -> Zeroizing<String> {
    let mut request = Zeroizing::new(format!(
        "CONNECT {address} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: {user_agent}\r\n"
    ));
    if let Some((user, password)) = &server.credentials {
        let plain = Zeroizing::new(format!("{user}:{}", *password.0));
        let coded = Zeroizing::new(BASE64.encode(plain.as_bytes()));
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&coded);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

struct Answer {
    code: u16,
    /// Printable, from the status line.
    reason: String,
    /// Authentication schemes asked for.
    schemes: String,
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
    let schemes = response.headers.iter().filter(|header| {
        header.name.eq_ignore_ascii_case("Proxy-Authenticate") && !header.value.is_empty()
    });
    let schemes: Vec<String> = schemes
        .filter_map(|header| {
            std::str::from_utf8(header.value)
                .ok()?
                .split_whitespace()
                .next()
        })
        .map(printable)
        .collect();
    let answer = Answer {
        code: response.code.unwrap_or_default(),
        reason: printable(response.reason.unwrap_or_default()),
        schemes: schemes.join(", "),
    };
    Ok(Some((length, answer)))
}

fn printable(text: &str) -> String {
    Text::<80>::lossy(text).to_string()
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
        407 => Err(ProxyRefusal::Authentication {
            asked: answer.schemes,
        }),
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
