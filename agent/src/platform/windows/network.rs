//! Changes of interfaces, addresses and routes, told by Windows, and its waking up.

use std::io;
use std::sync::Arc;

use agent_windows::network::Watch;
use tokio::sync::Notify;

use crate::platform::burst::{Burst, settle};

/// Tells when the network has changed.
#[derive(Debug)]
pub struct NetworkChanges {
    told: Arc<Notify>,
    /// What is known of the burst that is going on.
    burst: Option<Burst>,
    _watch: Watch,
}

impl NetworkChanges {
    /// Starts watching.
    pub fn watch() -> io::Result<Self> {
        let told = Arc::new(Notify::new());
        let teller = Arc::clone(&told);
        Ok(Self {
            _watch: Watch::start(move || teller.notify_one())?,
            told,
            burst: None,
        })
    }

    /// Waits for the next change; a burst of them is one change. Cancel safe.
    pub async fn changed(&mut self) -> io::Result<()> {
        let told = &self.told;
        settle(&mut self.burst, || async {
            told.notified().await;
            Ok(())
        })
        .await
    }
}
