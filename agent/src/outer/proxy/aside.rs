//! Calls of the system that may take long.

use std::io;
use std::thread::Builder;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

/// Nobody waits longer for one.
const WAIT: Duration = Duration::from_secs(10);
/// Calls at once. One that never ends keeps its place.
const SEATS_MAX: usize = 8;

static SEATS: Semaphore = Semaphore::const_new(SEATS_MAX);

/// Does `work` on a thread of its own: the runtime's end waits for its threads, and nobody knows
/// when Windows is done with a script that it fetches.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let done = async {
        let seat = SEATS.acquire().await.map_err(io::Error::other)?;
        let (tell, told) = oneshot::channel();
        Builder::new().name("aside".into()).spawn(move || {
            // Nobody may be waiting any more.
            let _ = tell.send(work());
            drop(seat);
        })?;
        told.await.map_err(io::Error::other)
    };
    let late = || io::Error::new(io::ErrorKind::TimedOut, "this PC's system does not answer");
    timeout(WAIT, done).await.map_err(|_elapsed| late())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_work_gives_comes_back() {
        assert_eq!(aside(|| 7).await.expect("is done"), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn work_without_an_end_is_not_waited_for() {
        let (let_go, held) = oneshot::channel::<()>();

        let waited = aside(move || held.blocking_recv()).await;

        assert_eq!(
            waited.expect_err("gives up").kind(),
            io::ErrorKind::TimedOut
        );
        drop(let_go);
    }
}
