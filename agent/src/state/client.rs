//! The client's part of the state, DIR/client: one line for each computer in each file.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use protocol::codec::{Reader, Wire, Writer};
use protocol::file::entry::Entry;
use protocol::id::{ComputerId, HostKey};
use protocol::tag::ReturnTag;
use tracing::{debug, warn};
use zeroize::Zeroizing;

use super::folder::{Access, Folder};
use super::{StateError, ViewerSettings, entry};
use crate::config::Proxy;
use crate::outer::Boards;
use crate::update::Lookout;

/// Pins matter: a damaged file is an error.
const PINS: &str = "pins";
const TAGS: &str = "tags";
const HISTORY: &str = "history";
/// Computers remembered; the one used longest ago is forgotten first. Pins are never dropped.
const REMEMBERED_MAX: usize = 200;
const PINS_MAX: usize = 1000;

/// What a client keeps.
#[derive(Debug, Clone)]
pub struct ClientState {
    folder: Folder,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    pub computer_id: ComputerId,
    /// Empty where the host has no users.
    pub user: String,
    /// Kept to the second.
    pub last: SystemTime,
}

impl ClientState {
    pub(super) fn new(folder: Folder) -> Self {
        Self { folder }
    }

    /// As [`super::HostState::adopt_entry`].
    pub fn adopt_entry(&self, source: &str) -> Result<Entry, StateError> {
        entry::adopt(&self.folder, source)
    }

    /// The entry file in force.
    pub fn entry(&self) -> Result<Option<Entry>, StateError> {
        entry::read(&self.folder)
    }

    /// The entry file in force, or a newer one that was put beside this program; `None` when
    /// this PC has never had one.
    pub fn newest_entry(&self) -> Result<Option<Entry>, StateError> {
        let kept = self.entry()?;
        let beside = entry::beside_executable().and_then(|path| std::fs::read_to_string(path).ok());
        let Some(source) = beside else {
            return Ok(kept);
        };
        match (self.adopt_entry(&source), kept) {
            // An older one does not matter.
            (Err(error), Some(kept)) => {
                debug!(%error, "Entry file beside the program is not used");
                Ok(Some(kept))
            }
            (adopted, _) => adopted.map(Some),
        }
    }

    /// Settings of the viewer that hold for one connection, DIR/client/viewer.
    pub fn viewer_settings(&self) -> Result<ViewerSettings, StateError> {
        Folder::open(self.folder.path_of("viewer")).map(ViewerSettings::new)
    }

    /// The board list, from the cache if there is a good one.
    pub fn boards(&self, entry: &Entry) -> Boards {
        Boards::open(entry.registrar.clone(), Some(self.folder.clone()))
    }

    /// Where to look for newer versions.
    pub fn lookout(&self, entry: &Entry, proxy: &Proxy, user_agent: &str) -> Lookout {
        Lookout::new(self.folder.clone(), entry, proxy, user_agent)
    }

    /// The host key that this computer showed at the first success.
    pub fn pin(&self, computer_id: &ComputerId) -> Result<Option<HostKey>, StateError> {
        Ok(find(self.pins()?, computer_id))
    }

    /// Keeps the host key of a computer.
    pub fn set_pin(&self, computer_id: &ComputerId, key: &HostKey) -> Result<(), StateError> {
        let writer = self.folder.writer()?;
        let mut pins = self.pins()?;
        pins.retain(|(id, _)| id != computer_id);
        if pins.len() >= PINS_MAX {
            return Err(self.folder.damaged(PINS, "it holds too many computers"));
        }
        pins.insert(0, (computer_id.clone(), *key));
        writer.write(PINS, pin_text(&pins).as_bytes(), Access::Owner)
    }

    /// What the host gave this client after the last success.
    pub fn tag(&self, computer_id: &ComputerId) -> Result<Option<ReturnTag>, StateError> {
        Ok(find(self.tags()?, computer_id))
    }

    /// Keeps a return tag.
    pub fn set_tag(&self, computer_id: &ComputerId, tag: &ReturnTag) -> Result<(), StateError> {
        let writer = self.folder.writer()?;
        let mut tags = self.tags()?;
        tags.retain(|(id, _)| id != computer_id);
        tags.insert(0, (computer_id.clone(), tag.clone()));
        tags.truncate(REMEMBERED_MAX);
        writer.write(TAGS, tag_text(&tags).as_bytes(), Access::Owner)
    }

    /// Forgets pin and tag of a computer. False: nothing was known of it.
    pub fn forget_host(&self, computer_id: &ComputerId) -> Result<bool, StateError> {
        let writer = self.folder.writer()?;
        let (mut pins, mut tags) = (self.pins()?, self.tags()?);
        let before = pins.len() + tags.len();
        pins.retain(|(id, _)| id != computer_id);
        tags.retain(|(id, _)| id != computer_id);
        writer.write(PINS, pin_text(&pins).as_bytes(), Access::Owner)?;
        writer.write(TAGS, tag_text(&tags).as_bytes(), Access::Owner)?;
        Ok(pins.len() + tags.len() < before)
    }

    /// Whom this client has visited, newest first.
    pub fn history(&self) -> Result<Vec<Visit>, StateError> {
        self.cached(HISTORY, |line| {
            let (seconds, rest) = line.split_once(' ')?;
            let (id, user) = rest.split_once(' ')?;
            let last = UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok()?))?;
            Some(Visit {
                computer_id: id.parse().ok()?,
                user: user.to_owned(),
                last,
            })
        })
    }

    /// Puts a visit at the top of the history.
    pub fn remember(&self, visit: &Visit) -> Result<(), StateError> {
        let writer = self.folder.writer()?;
        let mut visits = self.history()?;
        visits.retain(|past| past.computer_id != visit.computer_id);
        visits.insert(0, visit.clone());
        visits.truncate(REMEMBERED_MAX);
        let lines: String = visits.iter().map(history_line).collect();
        writer.write(HISTORY, lines.as_bytes(), Access::Owner)
    }

    fn pins(&self) -> Result<Vec<(ComputerId, HostKey)>, StateError> {
        let text = self.folder.read_text(PINS)?.unwrap_or_default();
        let lines = text.lines().enumerate();
        lines
            .map(|(index, line)| {
                let pin = line
                    .split_once(' ')
                    .and_then(|(id, key)| Some((id.parse().ok()?, key.parse().ok()?)));
                pin.ok_or_else(|| {
                    self.folder
                        .damaged(PINS, format!("line {} holds no pin", index + 1))
                })
            })
            .collect()
    }

    fn tags(&self) -> Result<Vec<(ComputerId, ReturnTag)>, StateError> {
        self.cached(TAGS, |line| {
            let (id, tag) = line.split_once(' ')?;
            let bytes = Zeroizing::new(BASE64.decode(tag.as_bytes()).ok()?);
            let mut reader = Reader::new(&bytes);
            let tag = ReturnTag::decode(&mut reader).ok()?;
            reader.finish().ok()?;
            Some((id.parse().ok()?, tag))
        })
    }

    /// The lines of a file that can be done without; damage is logged and dropped.
    fn cached<T>(
        &self,
        name: &str,
        read_line: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, StateError> {
        let text = match self.folder.read_text(name) {
            Ok(text) => text.unwrap_or_default(),
            Err(StateError::Damaged { path, reason }) => {
                warn!(path = %path.display(), reason, "Dropping a damaged file");
                Zeroizing::default()
            }
            Err(error) => return Err(error),
        };
        let total = text.lines().count();
        let good: Vec<T> = text.lines().filter_map(read_line).collect();
        if good.len() < total {
            let path = self.folder.path_of(name);
            warn!(path = %path.display(), lines = total - good.len(), "Dropping damaged lines");
        }
        Ok(good)
    }
}

fn find<T>(entries: Vec<(ComputerId, T)>, computer_id: &ComputerId) -> Option<T> {
    let mut entries = entries.into_iter();
    entries
        .find(|(id, _)| id == computer_id)
        .map(|(_, value)| value)
}

fn pin_text(pins: &[(ComputerId, HostKey)]) -> String {
    pins.iter()
        .map(|(id, key)| format!("{id} {key}\n"))
        .collect()
}

fn tag_text(tags: &[(ComputerId, ReturnTag)]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    for (id, tag) in tags {
        let mut buffer = Zeroizing::new([0; 32]);
        let mut writer = Writer::new(buffer.as_mut());
        tag.encode(&mut writer).expect("a return tag has 32 bytes");
        text.push_str(&format!("{id} {}\n", BASE64.encode(buffer.as_ref())));
    }
    text
}

/// A clock before 1970 is written as 1970; a user name never holds a line end, to be sure.
fn history_line(visit: &Visit) -> String {
    let since = visit.last.duration_since(UNIX_EPOCH).unwrap_or_default();
    let user = visit.user.replace(['\r', '\n'], " ");
    format!("{} {} {user}\n", since.as_secs(), visit.computer_id)
}

#[cfg(test)]
mod tests {
    use protocol::id::PublicKey;
    use protocol::secret::Secret;

    use super::*;
    use crate::state::StateDir;

    fn client() -> (tempfile::TempDir, ClientState) {
        let root = tempfile::tempdir().expect("temporary folder");
        let state = StateDir::open(Some(root.path())).expect("opens");
        let client = state.client().expect("opens");
        (root, client)
    }

    fn id(text: &str) -> ComputerId {
        text.parse().expect("is an ID")
    }

    fn tag(number: u8) -> ReturnTag {
        ReturnTag::new([number; 8], &Secret::new([1; 32]), &Secret::new([2; 32]))
    }

    fn visit(computer_id: &str, user: &str, seconds: u64) -> Visit {
        Visit {
            computer_id: id(computer_id),
            user: user.to_owned(),
            last: UNIX_EPOCH + Duration::from_secs(seconds),
        }
    }

    #[test]
    fn pins_and_tags_are_kept_for_each_computer_and_forgotten_together() {
        let (_root, client) = client();
        client
            .set_pin(&id("a"), &PublicKey([1; 32]))
            .expect("keeps");
        client
            .set_pin(&id("b"), &PublicKey([2; 32]))
            .expect("keeps");
        client
            .set_pin(&id("a"), &PublicKey([3; 32]))
            .expect("replaces");
        client.set_tag(&id("a"), &tag(1)).expect("keeps");

        assert_eq!(
            client.pin(&id("a")).expect("reads"),
            Some(PublicKey([3; 32]))
        );
        assert_eq!(client.tag(&id("a")).expect("reads"), Some(tag(1)));
        assert!(client.forget_host(&id("a")).expect("forgets"));

        assert_eq!(client.pin(&id("a")).expect("reads"), None);
        assert_eq!(client.tag(&id("a")).expect("reads"), None);
        assert_eq!(
            client.pin(&id("b")).expect("reads"),
            Some(PublicKey([2; 32]))
        );
        assert!(!client.forget_host(&id("a")).expect("nothing to forget"));
    }

    #[test]
    fn damaged_pins_are_an_error_but_damaged_tags_and_history_are_dropped() {
        let (root, client) = client();
        let folder = root.path().join("client");
        for name in [PINS, TAGS, HISTORY] {
            std::fs::write(folder.join(name), "rubbish\n").expect("writes");
        }

        assert!(matches!(
            client.pin(&id("a")),
            Err(StateError::Damaged { .. })
        ));
        assert_eq!(client.tag(&id("a")).expect("dropped"), None);
        assert_eq!(client.history().expect("dropped"), []);
        client.set_tag(&id("a"), &tag(1)).expect("keeps");
        assert_eq!(client.tag(&id("a")).expect("reads"), Some(tag(1)));
        std::fs::write(folder.join(TAGS), [0xff, 0xfe]).expect("writes");
        assert_eq!(client.tag(&id("a")).expect("dropped"), None);
    }

    #[test]
    fn history_is_newest_first_with_one_line_for_each_computer() {
        let (_root, client) = client();
        for (computer, user, seconds) in [("a", "", 1), ("b", "taro yamada", 2), ("a", "", 3)] {
            client
                .remember(&visit(computer, user, seconds))
                .expect("keeps");
        }

        let history = client.history().expect("reads");

        assert_eq!(history, [visit("a", "", 3), visit("b", "taro yamada", 2)]);
    }

    #[test]
    fn history_forgets_the_oldest_beyond_its_limit() {
        let (_root, client) = client();
        let lines = |count: usize| -> String {
            (0..count).map(|index| format!("1 pc-{index} \n")).collect()
        };
        std::fs::write(client.folder.path_of(HISTORY), lines(REMEMBERED_MAX - 1)).expect("writes");

        client.remember(&visit("at-limit", "", 2)).expect("keeps");
        assert_eq!(client.history().expect("reads").len(), REMEMBERED_MAX);

        client.remember(&visit("past-limit", "", 3)).expect("keeps");
        let history = client.history().expect("reads");
        assert_eq!(history.len(), REMEMBERED_MAX);
        assert_eq!(history[0], visit("past-limit", "", 3));
        let oldest = id(&format!("pc-{}", REMEMBERED_MAX - 2));
        assert!(history.iter().all(|visit| visit.computer_id != oldest));
    }
}
