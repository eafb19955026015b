//! Joins a stream of the tunnel with a local TCP connection, or with whatever else has two
//! directions: two flows that end apart.
//!
//! The end of one flow shuts its sink's write side and nothing more; the other goes on.
//! A connection that breaks breaks the stream, never the tunnel. Bytes are counted, not kept.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes moved at once in one direction: four full tunnel frames.
const BUFFER: usize = 64 * 1024;

/// What a joined pair has carried, and how it ended.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    /// Bytes from the tunnel to the local connection.
    pub(crate) to_local: u64,
    /// Bytes from the local connection to the tunnel.
    pub(crate) to_tunnel: u64,
    /// What broke, if the pair did not come to two orderly ends.
    pub(crate) error: Option<io::Error>,
}

/// Carries both directions until both have ended or one breaks.
pub(crate) async fn join<T>(tunnel: T, local: &mut TcpStream) -> Carried
where
    T: AsyncRead + AsyncWrite,
{
    let (source, sink) = local.split();
    let carried = join_halves(tunnel, source, sink).await;
    if carried.error.is_some() {
        // A reset, so that the local program does not take the break for an orderly end.
        // Where it cannot be had, the connection is closed all the same.
        let _ = local.set_zero_linger();
    }
    carried
}

/// The same for a local end in two halves. A half that has ended is dropped.
pub(crate) async fn join_halves<T, R, W>(tunnel: T, source: R, sink: W) -> Carried
where
    T: AsyncRead + AsyncWrite,
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (tunnel_source, tunnel_sink) = tokio::io::split(tunnel);
    let mut carried = Carried::default();
    let to_local = carry(tunnel_source, sink, &mut carried.to_local);
    let to_tunnel = carry(source, tunnel_sink, &mut carried.to_tunnel);
    let result = tokio::try_join!(to_local, to_tunnel);
    carried.error = result.err();
    carried
}

async fn carry<R, W>(mut source: R, mut sink: W, carried: &mut u64) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = source.read(&mut buffer).await?;
        if length == 0 {
            return sink.shutdown().await;
        }
        sink.write_all(&buffer[..length]).await?;
        sink.flush().await?;
        *carried += u64::try_from(length).expect("a buffer's length fits 64 bits");
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("is bound");
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        (near.expect("connect"), far.expect("accept").0)
    }

    #[tokio::test]
    async fn the_end_of_one_direction_leaves_the_other_open() {
        let (mut remote, tunnel) = tokio::io::duplex(1024);
        let (mut program, mut local) = connection().await;
        let joined = tokio::spawn(async move { join(tunnel, &mut local).await });
        let mut heard = Vec::new();

        program.write_all(b"question").await.expect("write");
        program.shutdown().await.expect("shut");
        let mut question = Vec::new();
        remote.read_to_end(&mut question).await.expect("read");
        for _ in 0..1000 {
            remote.write_all(b"answer").await.expect("write");
        }
        remote.shutdown().await.expect("shut");
        program.read_to_end(&mut heard).await.expect("read");

        assert_eq!(question, b"question");
        assert_eq!(heard, b"answer".repeat(1000));
        let carried = joined.await.expect("join ends");
        assert_eq!((carried.to_tunnel, carried.to_local), (8, 6000));
        assert!(carried.error.is_none());
    }

    #[tokio::test]
    async fn a_broken_stream_resets_the_local_connection() {
        let (mut program, mut local) = connection().await;
        let tunnel = broken();
        let carried = join(tunnel, &mut local).await;
        drop(local);

        let error = program.read(&mut [0; 8]).await.expect_err("is reset");

        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(carried.error.is_some());
    }

    /// A stream whose reading side breaks at once.
    fn broken() -> impl AsyncRead + AsyncWrite {
        tokio::io::join(Broken, tokio::io::sink())
    }

    struct Broken;

    impl AsyncRead for Broken {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _context: &mut std::task::Context<'_>,
            _buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            std::task::Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
        }
    }
}
