//! A burst of messages about the network is one change.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// Joining a wireless network sends dozens of messages; they are one change once this
/// long has passed without another.
const QUIET: Duration = Duration::from_millis(500);
/// A network that never comes to rest is told of all the same.
pub(super) const BURST_MAX: Duration = Duration::from_secs(3);

/// A burst being waited out: its last message came before `quiet`, it ends by `end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Burst {
    quiet: Instant,
    end: Instant,
}

/// Waits until a burst of messages has begun and ended. What is known of it stays in `burst`,
/// so that a caller who gives up and comes back loses nothing.
pub(super) async fn settle<M: Future<Output = io::Result<()>>>(
    burst: &mut Option<Burst>,
    next_message: impl Fn() -> M,
) -> io::Result<()> {
    if burst.is_none() {
        next_message().await?;
        let now = Instant::now();
        *burst = Some(Burst {
            quiet: now + QUIET,
            end: now + BURST_MAX,
        });
    }
    while let Some(now) = *burst {
        match timeout_at(now.quiet.min(now.end), next_message()).await {
            Ok(result) => {
                result?;
                let quiet = Instant::now() + QUIET;
                *burst = Some(Burst { quiet, ..now });
            }
            Err(_elapsed) => *burst = None,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    /// A network that sends a message every 100 ms for as long as told, then none.
    async fn messages(start: Instant, lasting: Duration) -> io::Result<()> {
        sleep(Duration::from_millis(100)).await;
        if start.elapsed() > lasting {
            std::future::pending().await
        }
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn burst_is_one_change_once_it_is_over() {
        let (start, lasting) = (Instant::now(), Duration::from_secs(1));
        let mut burst = None;

        settle(&mut burst, || messages(start, lasting))
            .await
            .expect("changes");

        let told = start.elapsed();
        assert!(
            told >= lasting + QUIET && told <= lasting + QUIET * 2,
            "told after {told:?}"
        );
        let again = settle(&mut burst, || messages(start, lasting));
        assert!(
            tokio::time::timeout(BURST_MAX, again).await.is_err(),
            "told of one burst twice"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn network_without_rest_is_told_of_all_the_same() {
        let start = Instant::now();

        let settled = settle(&mut None, || messages(start, Duration::MAX)).await;

        settled.expect("changes");
        let told = start.elapsed();
        assert!(
            told >= BURST_MAX && told <= BURST_MAX + QUIET,
            "told after {told:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn burst_begun_before_a_cancelled_wait_is_not_lost() {
        let (start, lasting) = (Instant::now(), Duration::from_millis(150));
        let mut burst = None;
        let first = settle(&mut burst, || messages(start, lasting));
        assert!(
            tokio::time::timeout(Duration::from_millis(200), first)
                .await
                .is_err()
        );

        let second = settle(&mut burst, || messages(start, lasting));

        let told = tokio::time::timeout(BURST_MAX, second).await;
        told.expect("is told").expect("changes");
    }
}
