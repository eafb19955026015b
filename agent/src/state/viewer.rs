//! Settings of the viewer that hold for one connection: `mstsc` has a single file of them for
//! everything that it does, which belongs to its user.
//!
//! Before the file is changed, a note in DIR/client/viewer keeps what was there. It is removed
//! when everything has been put back; after `kill -9` or a power cut the next start of this
//! program does that.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::StateError;
use super::folder::{Access, Folder, Writer, failed};
use super::rdp_file::{self, Change, Setting};

const NOTE: &str = "note";
/// The viewer's file has some 3 KB. Twice this, in base64, has to fit into the note.
const SETTINGS_MAX: u64 = 64 * 1024;

/// Changes the viewer's settings, for one connection at a time.
#[derive(Debug, Clone)]
pub struct ViewerSettings {
    folder: Folder,
}

/// Settings that hold until this is dropped. Nobody else gets at them before.
pub struct Changed<'s> {
    writer: Writer<'s>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    file: PathBuf,
    /// The whole file as it was and as it was to become, in base64.
    before: String,
    after: String,
    changes: Vec<Change>,
}

impl ViewerSettings {
    pub(super) fn new(folder: Folder) -> Self {
        Self { folder }
    }

    /// Puts back what a program left that could not do so itself. Where another one is busy with
    /// its connection, there is nothing to do; where it cannot be done, the next change says why.
    pub fn put_back_leftovers(&self) {
        match self.folder.writer_now() {
            Ok(writer) => drop(writer.map(|writer| Changed { writer })),
            Err(error) => warn!(%error, "The viewer's settings cannot be looked at"),
        }
    }

    /// Gives `file` these settings. Waits a while for another connection that is being opened.
    pub(crate) fn change(
        &self,
        file: &Path,
        wanted: &[Setting],
    ) -> Result<Changed<'_>, StateError> {
        let changed = Changed {
            writer: self.folder.writer()?,
        };
        changed.put_back()?;
        let before = read(file)?;
        let (after, changes) = rdp_file::change(&before, wanted).map_err(|_| no_text(file))?;
        let note = Note {
            file: file.to_owned(),
            before: BASE64.encode(&before),
            after: BASE64.encode(&after),
            changes,
        };
        let note = serde_json::to_vec(&note);
        let note = note.map_err(|error| self.folder.damaged(NOTE, error.to_string()))?;
        changed.writer.write(NOTE, &note, Access::Owner)?;
        // If this fails half-way, dropping `changed` mends it.
        write(file, &after)?;
        Ok(changed)
    }
}

impl Changed<'_> {
    fn put_back(&self) -> Result<(), StateError> {
        let folder = self.writer.folder();
        let Some(bytes) = folder.read(NOTE)? else {
            return Ok(());
        };
        let note: Note = serde_json::from_slice(&bytes)
            .map_err(|error| folder.damaged(NOTE, error.to_string()))?;
        let whole = |text: &str| {
            let bytes = BASE64.decode(text.as_bytes());
            bytes.map_err(|error| folder.damaged(NOTE, error.to_string()))
        };
        let (before, after) = (whole(&note.before)?, whole(&note.after)?);
        let now = read(&note.file)?;
        let then = if [&before, &after].iter().any(|whole| is_part(&now, whole)) {
            before
        } else {
            // Somebody else has changed it too, perhaps the viewer itself.
            rdp_file::put_back(&now, &note.changes).map_err(|_| no_text(&note.file))?
        };
        if then != now {
            write(&note.file, &then)?;
        }
        self.writer.remove(NOTE)
    }
}

/// Whether this is `whole`, or what is left of it where writing was cut off: its beginning, and
/// zeros where nothing had come to the disk yet.
fn is_part(now: &[u8], whole: &[u8]) -> bool {
    let same = |(now, then): (&u8, &u8)| now == then || *now == 0;
    now.len() <= whole.len() && now.iter().zip(whole).all(same)
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.put_back() {
            // The note is still there, and the next start tries again.
            warn!(%error, "The viewer's settings are not put back yet");
        }
    }
}

fn no_text(file: &Path) -> StateError {
    StateError::Damaged {
        path: file.to_owned(),
        reason: "it is no text".to_owned(),
    }
}

/// Empty if there is no such file.
fn read(file: &Path) -> Result<Vec<u8>, StateError> {
    let opened = match OpenOptions::new().read(true).open(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened.map_err(failed("open", file))?,
    };
    let mut bytes = Vec::new();
    opened
        .take(SETTINGS_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed("read", file))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > SETTINGS_MAX) {
        return Err(StateError::Damaged {
            path: file.to_owned(),
            reason: "it is too large".to_owned(),
        });
    }
    Ok(bytes)
}

/// Writes into the file that is there: Windows refuses to make a new one in the place of one that
/// is hidden, as this one is. The note mends what is left half written.
fn write(file: &Path, bytes: &[u8]) -> Result<(), StateError> {
    if bytes.is_empty() {
        return match std::fs::remove_file(file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", file)(error)),
            Ok(()) | Err(_) => Ok(()),
        };
    }
    let mut opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(file)
        .map_err(failed("open", file))?;
    opened
        .set_len(0)
        .and_then(|()| opened.write_all(bytes))
        .and_then(|()| opened.sync_all())
        .map_err(failed("write", file))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    const DRIVES: Setting = Setting {
        name: "drivestoredirect:s",
        value: "*",
    };
    const BEFORE: &[u8] = b"session bpp:i:32\r\ndrivestoredirect:s:\r\nusername:s:taro";

    struct Place {
        root: tempfile::TempDir,
        settings: ViewerSettings,
    }

    impl Place {
        fn new() -> Self {
            let root = tempfile::tempdir().expect("temporary folder");
            let settings = settings(root.path());
            Self { root, settings }
        }

        fn file(&self) -> PathBuf {
            self.root.path().join("Default.rdp")
        }

        fn now(&self) -> Option<Vec<u8>> {
            std::fs::read(self.file()).ok()
        }

        fn write(&self, bytes: &[u8]) {
            std::fs::write(self.file(), bytes).expect("writes");
        }

        /// Changes the file in a process that is killed before it puts anything back.
        fn change_and_die(&self) {
            let mut victim = Command::new(std::env::current_exe().expect("is known"))
                .args([
                    "--exact",
                    "state::viewer::tests::killed_program",
                    "--nocapture",
                ])
                .env(VICTIM, self.root.path())
                .stdout(Stdio::piped())
                .spawn()
                .expect("runs");
            let told = BufReader::new(victim.stdout.take().expect("is piped")).lines();
            let mut told = told.map_while(Result::ok);
            assert!(told.any(|line| line.contains("changed")), "it did not");
            victim.kill().expect("is killed");
            victim.wait().expect("ends");
            assert_ne!(self.now().as_deref(), Some(BEFORE));
        }
    }

    fn settings(root: &Path) -> ViewerSettings {
        ViewerSettings::new(Folder::open(root.join("viewer")).expect("opens"))
    }

    const VICTIM: &str = "TASUKI_TEST_VICTIM";

    /// Not a test of its own: what [`Place::change_and_die`] kills.
    #[test]
    fn killed_program() {
        let Some(root) = std::env::var_os(VICTIM).map(PathBuf::from) else {
            return;
        };
        let settings = settings(&root);
        let _changed = settings
            .change(&root.join("Default.rdp"), &[DRIVES])
            .expect("changes");
        println!("changed");
        loop {
            std::thread::park();
        }
    }

    #[test]
    fn settings_hold_until_they_are_dropped() {
        let place = Place::new();
        place.write(BEFORE);

        let changed = place.settings.change(&place.file(), &[DRIVES]);

        let now = String::from_utf8(place.now().expect("is there")).expect("is text");
        assert!(now.contains("drivestoredirect:s:*\r\n"), "{now}");
        drop(changed.expect("changes"));
        assert_eq!(place.now().as_deref(), Some(BEFORE));
    }

    #[test]
    fn a_file_that_was_not_there_goes_again() {
        let place = Place::new();

        let changed = place.settings.change(&place.file(), &[DRIVES]);

        assert!(place.now().is_some());
        drop(changed.expect("changes"));
        assert_eq!(place.now(), None);
    }

    #[test]
    fn what_a_killed_program_has_changed_is_put_back_at_the_next_start() {
        let place = Place::new();
        place.write(BEFORE);
        place.change_and_die();

        place.settings.put_back_leftovers();

        assert_eq!(place.now().as_deref(), Some(BEFORE));
        place.settings.put_back_leftovers();
    }

    #[test]
    fn the_next_connection_starts_from_what_was_there_before_the_killed_one() {
        let place = Place::new();
        place.write(BEFORE);
        place.change_and_die();

        drop(
            place
                .settings
                .change(&place.file(), &[DRIVES])
                .expect("changes"),
        );

        assert_eq!(place.now().as_deref(), Some(BEFORE));
    }

    #[test]
    fn half_a_file_is_made_whole_and_a_line_of_somebody_else_stays() {
        let place = Place::new();
        let halves: [&[u8]; 3] = [&BEFORE[..9], &[0; 20], b""];
        for half in halves {
            place.write(BEFORE);
            place.change_and_die();
            place.write(half);

            place.settings.put_back_leftovers();

            assert_eq!(place.now().as_deref(), Some(BEFORE));
        }
        place.change_and_die();
        place.write(b"drivestoredirect:s:*\r\nsession bpp:i:16\r\n");

        place.settings.put_back_leftovers();

        let expected: &[u8] = b"drivestoredirect:s:\r\nsession bpp:i:16\r\n";
        assert_eq!(place.now().as_deref(), Some(expected));
    }

    #[test]
    fn nobody_puts_back_what_another_connection_still_needs() {
        let place = Place::new();
        place.write(BEFORE);
        let changed = place.settings.change(&place.file(), &[DRIVES]);
        let now = place.now();

        settings(place.root.path()).put_back_leftovers();

        assert_eq!(place.now(), now);
        drop(changed.expect("changes"));
        assert_eq!(place.now().as_deref(), Some(BEFORE));
    }

    #[test]
    fn a_file_that_is_no_settings_is_left_alone() {
        let place = Place::new();
        let large = vec![b'x'; usize::try_from(SETTINGS_MAX).expect("fits") + 1];
        for bytes in [&[0xff, 0xfe, 1][..], &large] {
            place.write(bytes);

            let changed = place.settings.change(&place.file(), &[DRIVES]);

            assert!(matches!(changed.err(), Some(StateError::Damaged { .. })));
            assert_eq!(place.now().as_deref(), Some(bytes));
        }
    }
}
