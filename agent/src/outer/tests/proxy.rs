//! Through proxies: real ones, strict ones, and things that are no proxy.

use std::net::SocketAddr;

use protocol::file::entry::Entry;
use protocol::outer::Ping;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::board::{Board, Ca, Certificate, entry, options, receive};
use super::soon;
use crate::config::{Login, Password, Proxy, ProxyServer};
use crate::outer::{Options, Outer, OuterError, ProxyRefusal, Target};

/// A name that only the proxies of these tests can resolve.
pub(super) const NAME: &str = "relay.only-the-proxy-knows.invalid:443";

pub(super) fn server(address: SocketAddr, credentials: Option<(&str, &str)>) -> ProxyServer {
    let own = |(user, password): (&str, &str)| {
        let password = Zeroizing::new(password.to_owned());
        Login::User(user.to_owned(), Password(password))
    };
    ProxyServer {
        address: address.to_string().parse().expect("is an endpoint"),
        login: credentials.map_or(Login::LoggedOn, own),
    }
}

/// An agent that finds its board under [`NAME`] behind a proxy.
pub(super) fn agent(ca: &Ca, proxy: Proxy) -> Outer {
    let (entry, options) = behind(ca, proxy);
    Outer::new(&entry, options).expect("is prepared")
}

/// Its entry file, and the rest of what it goes by.
pub(super) fn behind(ca: &Ca, proxy: Proxy) -> (Entry, Options) {
    let mut entry = entry(&[ca], &[]);
    entry.addresses = vec![NAME.into()];
    let mut options = options();
    options.proxy = proxy;
    options.user_agent = "Mozilla/5.0 (chosen)".into();
    (entry, options)
}

/// Answers the first caller with `talk`, and joins it to `board` if that says so.
async fn proxy<T, F>(board: Option<SocketAddr>, talk: T) -> (SocketAddr, oneshot::Receiver<Vec<u8>>)
where
    T: FnOnce(TcpStream) -> F + Send + 'static,
    F: Future<Output = (TcpStream, Vec<u8>)> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("is bound");
    let (heard, hears) = oneshot::channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("accepts");
        let (mut stream, said) = talk(stream).await;
        let _ = heard.send(said);
        if let Some(board) = board {
            let mut onward = TcpStream::connect(board).await.expect("reaches the board");
            // Ends when either side is done with the test.
            let _ = copy_bidirectional(&mut stream, &mut onward).await;
        }
    });
    (address, hears)
}

/// An HTTP proxy that answers every request in the same way.
async fn http_proxy(
    board: Option<SocketAddr>,
    answer: Vec<u8>,
) -> (SocketAddr, oneshot::Receiver<Vec<u8>>) {
    proxy(board, |mut stream| async move {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.expect("reads"));
        }
        stream.write_all(&answer).await.expect("answers");
        (stream, request)
    })
    .await
}

/// A SOCKS5 proxy that wants `password` if there is one, and answers with `reply`.
async fn socks_proxy(
    board: Option<SocketAddr>,
    password: Option<&'static str>,
    reply: u8,
) -> (SocketAddr, oneshot::Receiver<Vec<u8>>) {
    proxy(board, move |mut stream| async move {
        let greeting = read(&mut stream, 2).await;
        let methods = read(&mut stream, greeting[1]).await;
        let method = if password.is_some() { 2 } else { 0 };
        let chosen = if methods.contains(&method) {
            method
        } else {
            0xff
        };
        stream.write_all(&[5, chosen]).await.expect("answers");
        if let (Some(password), 2) = (password, chosen) {
            let user_length = read(&mut stream, 2).await[1];
            read(&mut stream, user_length).await;
            let length = read(&mut stream, 1).await[0];
            let right = read(&mut stream, length).await == password.as_bytes();
            stream
                .write_all(&[1, u8::from(!right)])
                .await
                .expect("answers");
            if !right {
                return (stream, Vec::new());
            }
        }
        if chosen == 0xff {
            return (stream, Vec::new());
        }
        let mut request = read(&mut stream, 5).await;
        request.extend(read(&mut stream, request[4] + 2).await);
        stream
            .write_all(&[5, reply, 0, 1, 127, 0, 0, 1, 0, 80])
            .await
            .expect("answers");
        (stream, request)
    })
    .await
}

async fn read(stream: &mut TcpStream, count: u8) -> Vec<u8> {
    let mut bytes = vec![0; usize::from(count)];
    stream.read_exact(&mut bytes).await.expect("reads");
    bytes
}

/// Opens a leg through the proxy and sends a frame over it.
pub(super) async fn works(board: &Board, agent: &Outer) {
    let (connection, mut accepted) =
        soon(async { tokio::join!(agent.leg(&Target::Entry), board.accept()) }).await;
    let mut connection = connection.expect("connects through the proxy");
    connection
        .send(&Ping { number: 4 }.into())
        .await
        .expect("sends");
    assert_eq!(
        soon(receive(&mut accepted)).await,
        Ping { number: 4 }.into()
    );
}

async fn refusal(proxy: Proxy) -> ProxyRefusal {
    let agent = agent(&Ca::new("Tasuki CA of test"), proxy);
    let error = soon(agent.leg(&Target::Entry)).await;
    let error = error.expect_err("does not get through");
    let OuterError::Proxy { source, .. } = error else {
        panic!("a refusal by the proxy, not {error:?}");
    };
    source
}

async fn http_refusal(answer: impl Into<Vec<u8>>) -> ProxyRefusal {
    let (address, _heard) = http_proxy(None, answer.into()).await;
    refusal(Proxy::Http(server(address, None))).await
}

#[tokio::test]
async fn http_proxy_gets_name_and_user_agent_and_no_credentials_that_it_does_not_ask_for() {
    let ca = Ca::new("Tasuki CA of test");
    let board = Board::start(&ca, Certificate::of("tokyo-1")).await;
    let answer = b"HTTP/1.0 200 Connection established\r\nVia: 1.1 test\r\n\r\n";
    let (address, heard) = http_proxy(Some(board.address()), answer.to_vec()).await;
    let server = server(address, Some(("taro", "pass:word")));

    works(&board, &agent(&ca, Proxy::Http(server))).await;

    let request = String::from_utf8(heard.await.expect("is told")).expect("is text");
    let expected = format!(
        "CONNECT {NAME} HTTP/1.1\r\nHost: {NAME}\r\nUser-Agent: Mozilla/5.0 (chosen)\r\n\
         Proxy-Connection: keep-alive\r\n\r\n"
    );
    assert_eq!(request, expected);
}

#[tokio::test]
async fn http_answer_is_read_to_its_end_and_not_further() {
    // What the other side says at once behind the answer reaches the TLS client: it calls
    // that no TLS, instead of waiting for bytes that were swallowed.
    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    answer.extend_from_slice(b"220 mail.example ready");
    let (address, _heard) = http_proxy(None, answer).await;
    let agent = agent(
        &Ca::new("Tasuki CA of test"),
        Proxy::Http(server(address, None)),
    );

    let error = soon(agent.leg(&Target::Entry))
        .await
        .expect_err("is no board");

    assert!(
        matches!(&error, OuterError::NotTls { beginning, .. } if beginning == "220 m"),
        "{error:?}"
    );
}

#[tokio::test]
async fn http_statuses_are_told_apart() {
    let forbidden = http_refusal("HTTP/1.1 403 Forbidden\x1b[2J by policy\r\n\r\n").await;
    let no_way = http_refusal("HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
    let unavailable = http_refusal("HTTP/1.1 503 \r\n\r\n").await;

    assert!(matches!(no_way, ProxyRefusal::NoWay { .. }), "{no_way:?}");
    assert!(
        matches!(unavailable, ProxyRefusal::NoWay { .. }),
        "{unavailable:?}"
    );
    // A status line with an escape sequence is no HTTP at all.
    assert!(
        matches!(forbidden, ProxyRefusal::Unusable { .. }),
        "{forbidden:?}"
    );
    let forbidden = http_refusal("HTTP/1.1 403 Forbidden by policy\r\n\r\n").await;
    let ProxyRefusal::Forbidden { answer, .. } = forbidden else {
        panic!("a prohibition, not {forbidden:?}");
    };
    assert_eq!(answer, "403 Forbidden by policy");
    for answer in ["HTTP/1.1 302 Found\r\n\r\n", "HTTP/1.1 511 Log in\r\n\r\n"] {
        let portal = http_refusal(answer).await;
        assert!(matches!(portal, ProxyRefusal::Portal { .. }), "{portal:?}");
    }
}

#[tokio::test]
async fn rubbish_from_an_http_proxy_is_told_as_such() {
    let endless = [&b"HTTP/1.1 200 OK\r\n"[..], &b"X: y\r\n".repeat(4000)].concat();
    let cases = [
        Vec::new(),
        b"\x05\x00".to_vec(),
        b"HTTP/1.1 200 OK\r\n".to_vec(),
        b"SSH-2.0-OpenSSH\r\n\r\n".to_vec(),
        endless,
    ];
    for case in cases {
        let (address, _heard) = http_proxy(None, case.clone()).await;
        let refusal = refusal(Proxy::Http(server(address, None))).await;

        let beginning = String::from_utf8_lossy(&case[..case.len().min(20)]).into_owned();
        assert!(
            matches!(
                refusal,
                ProxyRefusal::Unusable { .. } | ProxyRefusal::Unreachable(_)
            ),
            "{beginning:?}: {refusal:?}"
        );
    }
}

#[tokio::test]
async fn http_answer_may_be_as_long_as_its_limit_and_no_longer() {
    let answer = |length: usize| {
        let (head, tail) = ("HTTP/1.1 502 Bad\r\nX: ", "\r\n\r\n");
        format!(
            "{head}{}{tail}",
            "y".repeat(length - head.len() - tail.len())
        )
    };

    let at_limit = http_refusal(answer(8192)).await;
    let past_limit = http_refusal(answer(8193)).await;

    assert!(
        matches!(at_limit, ProxyRefusal::NoWay { .. }),
        "{at_limit:?}"
    );
    assert!(
        matches!(past_limit, ProxyRefusal::Unusable { .. }),
        "{past_limit:?}"
    );
}

#[tokio::test]
async fn socks_proxy_gets_the_name_unresolved() {
    let ca = Ca::new("Tasuki CA of test");
    let board = Board::start(&ca, Certificate::of("tokyo-1")).await;
    let (address, heard) = socks_proxy(Some(board.address()), None, 0).await;

    works(&board, &agent(&ca, Proxy::Socks5(server(address, None)))).await;

    let request = heard.await.expect("is told");
    let (name, port) = NAME.split_once(':').expect("has a port");
    assert_eq!(request[..4], [5, 1, 0, 3]);
    assert_eq!(request[5..5 + name.len()], *name.as_bytes());
    assert_eq!(port, "443");
    assert_eq!(request[5 + name.len()..], 443_u16.to_be_bytes());
}

#[tokio::test]
async fn socks_proxy_gets_the_password_it_wants() {
    let ca = Ca::new("Tasuki CA of test");
    let board = Board::start(&ca, Certificate::of("tokyo-1")).await;
    let (address, _heard) = socks_proxy(Some(board.address()), Some("secret"), 0).await;
    let server = server(address, Some(("taro", "secret")));

    works(&board, &agent(&ca, Proxy::Socks5(server))).await;
}

#[tokio::test]
async fn socks_proxy_that_misses_the_right_password_says_so() {
    for credentials in [None, Some(("taro", "wrong"))] {
        let (address, _heard) = socks_proxy(None, Some("secret"), 0).await;

        let refusal = refusal(Proxy::Socks5(server(address, credentials))).await;

        let right = match credentials {
            None => matches!(refusal, ProxyRefusal::NoUser { .. }),
            Some(_) => matches!(refusal, ProxyRefusal::Authentication { .. }),
        };
        assert!(right, "{credentials:?}: {refusal:?}");
    }
}

#[tokio::test]
async fn socks_replies_are_told_apart() {
    for (reply, forbidden) in [
        (1, false),
        (2, true),
        (3, false),
        (4, false),
        (5, false),
        (6, false),
        (7, true),
    ] {
        let (address, _heard) = socks_proxy(None, None, reply).await;

        let refusal = refusal(Proxy::Socks5(server(address, None))).await;

        let right = if forbidden {
            matches!(refusal, ProxyRefusal::Forbidden { .. })
        } else {
            matches!(refusal, ProxyRefusal::NoWay { .. })
        };
        assert!(right, "reply {reply}: {refusal:?}");
    }
}

#[tokio::test]
async fn rubbish_from_a_socks_proxy_is_told_as_such() {
    for case in [
        &b""[..],
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x05\x07",
        b"\x05\x00\x05\x00\x01\x01",
    ] {
        let (address, _heard) = proxy(None, move |mut stream| async move {
            read(&mut stream, 3).await;
            stream.write_all(case).await.expect("answers");
            stream.shutdown().await.expect("closes");
            let mut rest = Vec::new();
            // Reads on, so that the answer is not thrown away by a reset.
            let _ = stream.read_to_end(&mut rest).await;
            (stream, rest)
        })
        .await;

        let refusal = refusal(Proxy::Socks5(server(address, None))).await;

        assert!(
            matches!(refusal, ProxyRefusal::Unusable { .. }),
            "{case:?}: {refusal:?}"
        );
    }
}

#[tokio::test]
async fn proxy_that_is_not_there_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("is bound");
    drop(listener);

    for proxy in [
        Proxy::Http(server(address, None)),
        Proxy::Socks5(server(address, None)),
    ] {
        let refusal = refusal(proxy).await;

        assert!(
            matches!(refusal, ProxyRefusal::Unreachable(_)),
            "{refusal:?}"
        );
    }
}
