//! One request and what a web server says to it, by hyper.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, join, split};
use tokio::task::JoinSet;

/// Largest status line with headers.
const HEAD_MAX: usize = 16 * 1024;

#[derive(Debug)]
pub(super) enum Wrong {
    /// It is no HTTP.
    Form,
    /// It is more than was asked for.
    Length,
    Lost(io::Error),
}

impl From<hyper::Error> for Wrong {
    fn from(error: hyper::Error) -> Self {
        if error.is_parse_too_large() {
            return Self::Length;
        }
        if error.is_parse() {
            return Self::Form;
        }
        // With its causes: hyper's own text is "connection error" and the like.
        Self::Lost(io::Error::other(format!("{:#}", anyhow::Error::new(error))))
    }
}

impl From<Box<dyn Error + Send + Sync>> for Wrong {
    fn from(error: Box<dyn Error + Send + Sync>) -> Self {
        if error.is::<LengthLimitError>() {
            return Self::Length;
        }
        match error.downcast::<hyper::Error>() {
            Ok(error) => Self::from(*error),
            Err(error) => Self::Lost(io::Error::other(error)),
        }
    }
}

/// The answer to `request`. Its body has at most `limit` bytes, and is left out where the status is
/// not 200.
pub(super) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    request: Request<Empty<Bytes>>,
    limit: usize,
) -> Result<Response<Bytes>, Wrong> {
    let (reader, writer) = split(stream);
    let (mut requests, connection) = http1::Builder::new()
        .max_buf_size(HEAD_MAX)
        .handshake(TokioIo::new(join(Abrupt(reader), writer)))
        .await?;
    // It ends with this function.
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let (head, body) = requests.send_request(request).await?.into_parts();
    let body = if head.status == StatusCode::OK {
        Limited::new(body, limit).collect().await?.to_bytes()
    } else {
        Bytes::new()
    };
    Ok(Response::from_parts(head, body))
}

/// Takes an end without the goodbye of TLS, which servers often leave out, for an end: HTTP tells
/// whether all came.
struct Abrupt<R>(R);

impl<R: AsyncRead + Unpin> AsyncRead for Abrupt<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(
            match ready!(Pin::new(&mut self.0).poll_read(context, bytes)) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
                read => read,
            },
        )
    }
}
