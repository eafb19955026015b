//! Whether there is a newer version (A21): asked at the entry file's address at most once a day,
//! signed by the deployment, told to people. Nothing is installed.
//!
//! [`Lookout`] asks and remembers, `rhythm` says when, [`in_background`] does so while something
//! else goes on. The words are in `crate::message::update`.

mod rhythm;

#[cfg(test)]
mod tests;

use std::thread;
use std::time::SystemTime;

use protocol::file::announcement::{
    ANNOUNCEMENT_MAX, Announcement, AnnouncementError, FILE_NAME, HttpsAddress, Package,
};
use protocol::file::entry::Entry;
use protocol::id::PublicKey;
use semver::Version;
use tracing::{debug, warn};

use crate::config::Proxy;
use crate::outer::https::{Browser, HttpsError};
use crate::state::announcement_cache::{self, Kept};
use crate::state::folder::Folder;

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A version that is newer than this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    pub version: Version,
    /// Where people find it.
    pub page: HttpsAddress,
    /// The operator's own words.
    pub note: Option<String>,
    pub packages: Vec<Package>,
}

/// Why nobody knows whether there is one.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    #[error("the entry file names no address for new versions")]
    NoAddress,
    #[error(transparent)]
    Fetch(#[from] HttpsError),
    #[error("what lies at {address} {source}")]
    Announcement {
        address: String,
        source: AnnouncementError,
    },
}

/// Where an agent looks for newer versions, and what it has found.
#[derive(Debug, Clone)]
pub struct Lookout {
    folder: Folder,
    /// The folder of the web server.
    address: Option<String>,
    key: PublicKey,
    version: Version,
    proxy: Proxy,
    user_agent: String,
}

impl Lookout {
    pub(crate) fn new(folder: Folder, entry: &Entry, proxy: &Proxy, user_agent: &str) -> Self {
        Self {
            folder,
            address: entry.update.clone(),
            key: entry.deployment_key,
            version: VERSION.parse().expect("Cargo takes nothing else"),
            proxy: proxy.clone(),
            user_agent: user_agent.to_owned(),
        }
    }

    /// What was found the last time that somebody looked.
    pub fn known(&self) -> Option<News> {
        let kept = announcement_cache::read(&self.folder);
        self.news_in(kept.text.as_bytes()).ok().flatten()
    }

    /// Looks now. None: nothing newer is announced.
    ///
    /// # Errors
    /// Nobody can tell.
    pub async fn look(&self, now: SystemTime) -> Result<Option<News>, LookError> {
        self.look_by(now, async |address| self.fetch(address).await)
            .await
    }

    /// What is known, after a look if it is time for one. What goes wrong is for the log.
    pub async fn look_if_due(&self, now: SystemTime) -> Option<News> {
        self.look_if_due_by(now, async |address| self.fetch(address).await)
            .await
    }

    async fn fetch(&self, address: &str) -> Result<Vec<u8>, HttpsError> {
        let browser = Browser {
            proxy: &self.proxy,
            user_agent: &self.user_agent,
        };
        browser.get(address, ANNOUNCEMENT_MAX).await
    }

    async fn look_by(
        &self,
        now: SystemTime,
        fetch: impl AsyncFnOnce(&str) -> Result<Vec<u8>, HttpsError>,
    ) -> Result<Option<News>, LookError> {
        let folder = self.address.as_deref().ok_or(LookError::NoAddress)?;
        let address = format!("{}/{FILE_NAME}", folder.trim_end_matches('/'));
        // Whatever becomes of it, and even if this program is killed meanwhile.
        let mut kept = announcement_cache::read(&self.folder);
        kept.next = now.checked_add(rhythm::AFTER_FAILURE);
        announcement_cache::write(&self.folder, &kept);
        let bytes = match fetch(&address).await {
            Ok(bytes) => bytes,
            // Operators take the file away when nothing is to be announced any more.
            Err(HttpsError::Status { status: 404, .. }) => {
                self.keep(String::new(), now);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let news = self.news_in(&bytes);
        let news = news.map_err(|source| LookError::Announcement { address, source })?;
        self.keep(String::from_utf8_lossy(&bytes).into_owned(), now);
        Ok(news)
    }

    async fn look_if_due_by(
        &self,
        now: SystemTime,
        fetch: impl AsyncFnOnce(&str) -> Result<Vec<u8>, HttpsError>,
    ) -> Option<News> {
        let next = announcement_cache::read(&self.folder).next;
        if self.address.is_none() || !rhythm::is_due(next, now) {
            return self.known();
        }
        match self.look_by(now, fetch).await {
            Ok(news) => news,
            Err(error @ LookError::Announcement { .. }) => {
                warn!(%error, "Announcement of new versions refused");
                self.known()
            }
            Err(error) => {
                debug!(%error, "Nobody can tell whether there is a newer version");
                self.known()
            }
        }
    }

    fn keep(&self, text: String, now: SystemTime) {
        let next = now.checked_add(rhythm::AFTER_ANSWER);
        announcement_cache::write(&self.folder, &Kept { next, text });
    }

    fn news_in(&self, bytes: &[u8]) -> Result<Option<News>, AnnouncementError> {
        let Announcement {
            version,
            page,
            note,
            packages,
        } = Announcement::open(bytes, &self.key)?;
        let folder = || self.address.as_deref()?.parse().ok();
        let Some(page) = page.or_else(folder) else {
            return Ok(None);
        };
        Ok(version.cmp_precedence(&self.version).is_gt().then(|| News {
            version,
            page,
            note: note.map(|note| note.to_string()),
            packages,
        }))
    }
}

/// Looks on a thread of its own, if it is time to, and tells what is known then. Holds nothing up:
/// the thread ends with the program.
pub fn in_background(
    lookout: Lookout,
    now: SystemTime,
    tell: impl FnOnce(Option<News>) + Send + 'static,
) {
    look_aside(move |runtime| tell(runtime.block_on(lookout.look_if_due(now))));
}

/// The same for somebody who has asked for it, and hears what goes wrong, too.
pub fn now_in_background(
    lookout: Lookout,
    now: SystemTime,
    tell: impl FnOnce(Result<Option<News>, LookError>) + Send + 'static,
) {
    look_aside(move |runtime| tell(runtime.block_on(lookout.look(now))));
}

/// A thread and a runtime of its own: Windows may ask the network while it looks at a certificate,
/// and blocks meanwhile.
fn look_aside(work: impl FnOnce(&tokio::runtime::Runtime) + Send + 'static) {
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => work(&runtime),
            Err(error) => warn!(%error, "Cannot look for new versions"),
        }
    });
}
