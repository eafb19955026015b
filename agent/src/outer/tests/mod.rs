//! The outer hop against boards, proxies and impostors made here, over loopback.

mod board;
mod board_list;
mod frames;
mod login;
mod office;
mod proxy;
mod trust;

use std::time::Duration;

use tokio::time::timeout;

/// What hangs longer than this hangs for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits, but not for ever.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future)
        .await
        .expect("takes no longer than the test's patience")
}
