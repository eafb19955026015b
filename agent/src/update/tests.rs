use std::cell::Cell;
use std::time::Duration;

use protocol::secret::Secret;
use protocol::sign::SigningKey;

use super::*;
use crate::state::StateDir;

const HOUR: Duration = Duration::from_secs(3600);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&Secret::new([seed; 32])).expect("is a seed")
}

fn announced(version: &str, seed: u8) -> Vec<u8> {
    let announcement = Announcement {
        version: version.parse().expect("a version"),
        page: None,
        note: None,
        packages: Vec::new(),
    };
    announcement.to_signed_text(&key(seed)).into_bytes()
}

/// A PC of version 1.2.0, in front of what a web server says.
struct Desk {
    _root: tempfile::TempDir,
    lookout: Lookout,
    asked: Cell<usize>,
    now: SystemTime,
}

impl Desk {
    fn new(update: Option<&str>) -> Self {
        let root = tempfile::tempdir().expect("temporary folder");
        let state = StateDir::open(Some(root.path())).expect("opens");
        let entry = Entry {
            name: "Lab".into(),
            generation: 1,
            addresses: vec!["127.0.0.1:443".into()],
            update: update.map(str::to_owned),
            ca: Vec::new(),
            registrar: Vec::new(),
            deployment_key: key(1).public_key(),
        };
        let client = state.client().expect("opens");
        let mut lookout = client.lookout(&entry, &Proxy::None, "me");
        lookout.version = Version::new(1, 2, 0);
        Self {
            _root: root,
            lookout,
            asked: Cell::default(),
            now: SystemTime::UNIX_EPOCH + 500_000 * HOUR,
        }
    }

    /// What a program that starts now tells, and whether it has asked.
    async fn start(&self, answer: Result<Vec<u8>, HttpsError>) -> (Option<String>, bool) {
        let before = self.asked.get();
        let fetch = async |address: &str| {
            assert_eq!(address, "https://www.example/t/tasuki-agents.toml");
            self.asked.set(before + 1);
            answer
        };
        let told = self.lookout.look_if_due_by(self.now, fetch).await;
        let told = told.map(|news| news.version.to_string());
        (told, self.asked.get() > before)
    }

    async fn look(&self, answer: Vec<u8>) -> Result<Option<News>, LookError> {
        let fetch = async |_: &str| Ok(answer);
        self.lookout.look_by(self.now, fetch).await
    }
}

fn told(version: &str) -> Option<String> {
    Some(version.to_owned())
}

#[tokio::test]
async fn somebody_asks_once_a_day_and_tells_what_is_known_each_time() {
    let mut desk = Desk::new(Some("https://www.example/t/"));
    let new = || Ok(announced("1.3.0", 1));

    assert_eq!(desk.start(new()).await, (told("1.3.0"), true));
    desk.now += 23 * HOUR;
    assert_eq!(desk.start(new()).await, (told("1.3.0"), false));
    desk.now += HOUR;
    assert_eq!(
        desk.start(Ok(announced("1.4.0", 1))).await,
        (told("1.4.0"), true)
    );
    // The program has been updated.
    desk.lookout.version = Version::new(1, 4, 0);
    assert_eq!(desk.start(new()).await, (None, false));
}

#[tokio::test]
async fn failures_are_tried_again_after_an_hour_and_take_nothing_away() {
    let mut desk = Desk::new(Some("https://www.example/t"));
    desk.start(Ok(announced("1.3.0", 1))).await;
    for failure in [
        Err(HttpsError::Slow),
        Ok(b"<html>Log in here".to_vec()),
        Ok(announced("9.0.0", 2)),
        Ok(Vec::new()),
    ] {
        desk.now += 25 * HOUR;
        assert_eq!(desk.start(failure).await, (told("1.3.0"), true));
        desk.now += HOUR - Duration::from_secs(1);
        assert!(!desk.start(Err(HttpsError::Slow)).await.1);
        desk.now += Duration::from_secs(1);
        assert!(desk.start(Err(HttpsError::Slow)).await.1);
    }
    let gone = HttpsError::Status {
        address: "www.example:443".parse().expect("is an endpoint"),
        status: 404,
    };
    desk.now += HOUR;
    assert_eq!(desk.start(Err(gone)).await, (None, true), "taken away");
}

#[tokio::test]
async fn only_a_higher_version_is_news() {
    let desk = Desk::new(Some("https://www.example/t"));
    for (version, is_news) in [
        ("1.2.1", true),
        ("1.2.0", false),
        ("1.2.0+later", false),
        ("1.2.0-rc.1", false),
        ("1.1.9", false),
        ("1.10.0", true),
        ("2.0.0-rc.1", true),
    ] {
        let news = desk.look(announced(version, 1)).await.expect("is signed");
        assert_eq!(news.is_some(), is_news, "{version}");
        if let Some(news) = news {
            assert_eq!(news.page.as_str(), "https://www.example/t");
        }
    }
}

#[tokio::test]
async fn whoever_asks_hears_of_a_wrong_signature_and_of_no_address() {
    let desk = Desk::new(Some("https://www.example/t"));
    let foreign = desk.look(announced("9.0.0", 2)).await;
    assert!(
        matches!(
            &foreign,
            Err(LookError::Announcement {
                source: AnnouncementError::Signature,
                ..
            })
        ),
        "{foreign:?}"
    );
    assert_eq!(desk.lookout.known(), None);

    let nowhere = Desk::new(None);
    let looked = nowhere.look(announced("9.0.0", 1)).await;
    assert!(matches!(looked, Err(LookError::NoAddress)), "{looked:?}");
    assert_eq!(nowhere.start(Err(HttpsError::Slow)).await, (None, false));
}

#[test]
fn what_somebody_has_put_into_the_state_is_not_believed() {
    let desk = Desk::new(Some("https://www.example/t"));
    for text in [announced("9.0.0", 2), b"rubbish".to_vec(), Vec::new()] {
        let text = String::from_utf8(text).expect("UTF-8");
        let next = Some(desk.now);
        announcement_cache::write(&desk.lookout.folder, &Kept { next, text });
        assert_eq!(desk.lookout.known(), None);
    }
}
