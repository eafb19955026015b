//! The board list kept for the next start. It is signed, so damage does no harm; it is
//! sent again on the next link, so losing it does none either.

use tracing::warn;

use super::folder::Folder;
use super::sealed;

const BOARD_LIST: &str = "board-list";

/// The list kept, not verified.
pub(crate) fn read(folder: &Folder) -> Option<Vec<u8>> {
    let text = match folder.read_text(BOARD_LIST) {
        Ok(text) => text?,
        Err(error) => {
            warn!(%error, "Dropping the board list kept");
            return None;
        }
    };
    match sealed::unseal(BOARD_LIST, &text) {
        Ok(bytes) => Some(bytes.to_vec()),
        Err(reason) => {
            let path = folder.path_of(BOARD_LIST);
            warn!(path = %path.display(), reason, "Dropping the board list kept");
            None
        }
    }
}

/// Keeps a list; a full disk only costs the next start some time.
pub(crate) fn write(folder: &Folder, bytes: &[u8]) {
    let text = folder.sealed(BOARD_LIST, bytes);
    if let Err(error) = text.and_then(|text| folder.write(BOARD_LIST, text.as_bytes())) {
        warn!(%error, "Cannot keep the board list");
    }
}
