//! Proxies as an office network has them, as small as they can be.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use super::Target;

/// A proxy that lets only `proxy-user` with the password `proxy:pass` through.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    /// What it carries.
    carried: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// HTTP CONNECT with Basic authentication.
    pub(crate) fn http() -> Self {
        Self::new(|stream| accept_http(stream, None))
    }

    /// The same for an address whose name nobody else knows.
    pub(crate) fn http_to(address: SocketAddr) -> Self {
        Self::new(move |stream| accept_http(stream, Some(address)))
    }

    /// SOCKS5 with user name and password (RFC 1928, RFC 1929).
    pub(crate) fn socks5() -> Self {
        Self::new(accept_socks5)
    }

    fn new(
        accept: impl Fn(&TcpStream) -> Option<(String, TcpStream)> + Send + Sync + 'static,
    ) -> Self {
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let carried: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let (seen, keep) = (Arc::clone(&requests), Arc::clone(&carried));
        let target = Target::new(move |stream| {
            if let Some((request, onward)) = accept(&stream) {
                seen.lock()
                    .expect("no test fails while it holds it")
                    .push(request);
                keep.lock()
                    .expect("no test fails while it holds it")
                    .push(stream.try_clone().expect("a second handle"));
                join(&stream, &onward);
            }
        });
        Self {
            address: target.address,
            requests,
            carried,
        }
    }

    /// Cuts whatever it carries, as some do after a while.
    pub(crate) fn cut(&self) {
        let mut carried = self
            .carried
            .lock()
            .expect("no test fails while it holds it");
        for stream in carried.drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// What was asked for and granted.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests
            .lock()
            .expect("no test fails while it holds it")
            .clone()
    }
}

fn accept_http(mut stream: &TcpStream, known: Option<SocketAddr>) -> Option<(String, TcpStream)> {
    let mut lines = BufReader::with_capacity(1, stream).lines();
    let mut request = String::new();
    while let Some(Ok(line)) = lines.next() {
        if line.is_empty() {
            break;
        }
        request = request + &line + "\n";
    }
    // printf %s proxy-user:proxy:pass | base64
    if !request.contains("Basic cHJveHktdXNlcjpwcm94eTpwYXNz") {
        let denial = "HTTP/1.1 407 Who are you?\r\nProxy-Authenticate: Basic realm=\"office\"\r\n\
                      Content-Length: 0\r\n\r\n";
        let _ = stream.write_all(denial.as_bytes());
        return None;
    }
    let target = request.strip_prefix("CONNECT ")?.split(' ').next()?;
    let onward = match known {
        Some(address) => TcpStream::connect(address),
        None => TcpStream::connect(target),
    };
    let onward = onward.ok()?;
    stream.write_all(b"HTTP/1.1 200 Go\r\n\r\n").ok()?;
    Some((request, onward))
}

fn accept_socks5(mut stream: &TcpStream) -> Option<(String, TcpStream)> {
    let take = |length: usize| {
        let mut bytes = vec![0; length];
        (&mut &*stream).read_exact(&mut bytes).ok()?;
        Some(bytes)
    };
    let methods = usize::from(take(2)?[1]);
    if !take(methods)?.contains(&2) {
        let _ = stream.write_all(&[5, 0xff]);
        return None;
    }
    (&mut &*stream).write_all(&[5, 2]).ok()?;
    let user = usize::from(take(2)?[1]);
    let user = take(user)?;
    let password = usize::from(take(1)?[0]);
    let right = take(password)? == b"proxy:pass" && user == b"proxy-user";
    (&mut &*stream).write_all(&[1, u8::from(!right)]).ok()?;
    if !right {
        return None;
    }
    let head = take(4)?;
    let host = match head[3] {
        1 => take(4)?
            .iter()
            .map(u8::to_string)
            .collect::<Vec<_>>()
            .join("."),
        _ => {
            let length = usize::from(take(1)?[0]);
            String::from_utf8(take(length)?).ok()?
        }
    };
    let port = take(2)?;
    let target = format!("{host}:{}", u16::from_be_bytes([port[0], port[1]]));
    let onward = TcpStream::connect(&target).ok()?;
    stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).ok()?;
    Some((target, onward))
}

/// Copies both ways, each until its own end.
fn join(left: &TcpStream, right: &TcpStream) {
    std::thread::scope(|scope| {
        scope.spawn(|| copy(left, right));
        copy(right, left);
    });
}

fn copy(mut source: &TcpStream, mut sink: &TcpStream) {
    // A break is the business of those who speak through the proxy.
    let _ = std::io::copy(&mut source, &mut sink);
    let _ = sink.shutdown(Shutdown::Write);
}
