//! What was announced last, and when to ask again. It is signed, so damage does no harm; losing
//! it costs one question.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::warn;

use super::folder::Folder;

const ANNOUNCEMENT: &str = "announcement";

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Nobody asks before.
    pub(crate) next: Option<SystemTime>,
    /// As it came, not verified; empty before the first one.
    pub(crate) text: String,
}

pub(crate) fn read(folder: &Folder) -> Kept {
    let text = match folder.read_text(ANNOUNCEMENT) {
        Ok(Some(text)) => text,
        Ok(None) => return Kept::default(),
        Err(error) => {
            warn!(%error, "Dropping the announcement kept");
            return Kept::default();
        }
    };
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let seconds = first.strip_prefix("next ").and_then(|it| it.parse().ok());
    Kept {
        next: seconds.and_then(|it| UNIX_EPOCH.checked_add(Duration::from_secs(it))),
        text: rest.to_owned(),
    }
}

/// A full disk only costs another question.
pub(crate) fn write(folder: &Folder, kept: &Kept) {
    let next = kept.next.unwrap_or(UNIX_EPOCH);
    let next = next.duration_since(UNIX_EPOCH).unwrap_or_default();
    let text = format!("next {}\n{}", next.as_secs(), kept.text);
    if let Err(error) = folder.write(ANNOUNCEMENT, text.as_bytes()) {
        warn!(%error, "Cannot keep the announcement");
    }
}
