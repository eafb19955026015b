//! Board list: pieces put together, verified, kept, and held against certificates.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::board_list::{BOARD_LIST_MAX, BoardList, CertificateSerial, SignedBoardList};
use protocol::codec::DecodeError;
use protocol::id::PublicKey;
use protocol::outer::BoardListPart;
use protocol::sign::SignatureError;
use tokio::sync::watch;
use tracing::{info, warn};

use super::CertificateRefusal;
use super::tls::{BoardIdentity, without_zeros};
use crate::state::board_list_cache;
use crate::state::folder::Folder;

/// Why a board list is not taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BoardListError {
    #[error("a piece does not follow the one before it")]
    Disorder,
    #[error("it is larger than {BOARD_LIST_MAX} bytes")]
    TooLarge,
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] DecodeError),
    #[error("the registrar has not signed it")]
    Forged(#[from] SignatureError),
    #[error("it has expired")]
    Expired,
}

/// The newest board list, shared by all connections of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Boards(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registrar: Vec<PublicKey>,
    cache: Option<Folder>,
    /// INVARIANT: the serial only rises.
    newest: watch::Sender<Option<Arc<BoardList>>>,
}

impl Boards {
    /// Begins with the list kept in `cache`, if there is a good one; an expired one still
    /// tells what is revoked.
    pub(crate) fn open(registrar: Vec<PublicKey>, cache: Option<Folder>) -> Self {
        let kept = cache.as_ref().and_then(board_list_cache::read);
        let verified = kept.and_then(|bytes| match verify(&bytes, &registrar) {
            Ok(list) => Some(Arc::new(list)),
            Err(error) => {
                warn!(%error, "Dropping the board list kept");
                None
            }
        });
        Self(Arc::new(Inner {
            registrar,
            cache,
            newest: watch::Sender::new(verified),
        }))
    }

    /// Without a cache, for programs that keep no state.
    pub fn forgetful(registrar: Vec<PublicKey>) -> Self {
        Self::open(registrar, None)
    }

    /// Serial of the newest list, 0 for none: what `Register` and `Connect` carry.
    pub fn serial(&self) -> u64 {
        self.newest().map_or(0, |list| list.serial)
    }

    /// The newest list, which may have expired.
    pub fn newest(&self) -> Option<Arc<BoardList>> {
        self.0.newest.borrow().clone()
    }

    /// Tells of every newer list.
    pub fn subscribe(&self) -> watch::Receiver<Option<Arc<BoardList>>> {
        self.0.newest.subscribe()
    }

    /// Takes a list over and keeps it. False: it is not newer than what we have.
    pub fn accept(&self, bytes: &[u8], now: SystemTime) -> Result<bool, BoardListError> {
        let list = verify(bytes, &self.0.registrar)?;
        if is_expired(&list, now) {
            return Err(BoardListError::Expired);
        }
        let serial = list.serial;
        let newer = self.0.newest.send_if_modified(|newest| {
            let newer = newest.as_ref().is_none_or(|newest| newest.serial < serial);
            if newer {
                *newest = Some(Arc::new(list));
            }
            newer
        });
        if newer {
            info!(serial, "Board list taken over");
            if let Some(folder) = &self.0.cache {
                board_list_cache::write(folder, bytes);
            }
        }
        Ok(newer)
    }

    /// Whether the list lets us speak to this board. What is revoked stays revoked, but an
    /// expired list says nothing about boards that it does not know.
    pub(super) fn judge(
        &self,
        board: &BoardIdentity,
        now: SystemTime,
    ) -> Result<(), CertificateRefusal> {
        let Some(list) = self.newest() else {
            return Ok(());
        };
        let name = || board.name.clone();
        let revoked = |serial: &CertificateSerial| without_zeros(serial.as_slice()) == board.serial;
        if list.revoked.iter().any(revoked) {
            return Err(CertificateRefusal::Revoked { board: name() });
        }
        if list.board(&board.name).is_none() && !is_expired(&list, now) {
            return Err(CertificateRefusal::NotListed { board: name() });
        }
        Ok(())
    }
}

fn verify(bytes: &[u8], registrar: &[PublicKey]) -> Result<BoardList, BoardListError> {
    let signed = SignedBoardList::from_bytes(bytes)?;
    signed.verify(registrar)?;
    Ok(signed.list)
}

fn is_expired(list: &BoardList, now: SystemTime) -> bool {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs() >= list.expires
}

/// Puts the pieces of one list together.
#[derive(Debug, Default)]
pub struct Assembler {
    serial: u64,
    total: usize,
    /// INVARIANT: never longer than `total`, which is at most [`BOARD_LIST_MAX`].
    bytes: Vec<u8>,
}

impl Assembler {
    /// Takes the next piece; the last one gives the whole list, still to be verified.
    /// The first piece of a list drops what there is of another.
    pub fn take(&mut self, part: &BoardListPart) -> Result<Option<Vec<u8>>, BoardListError> {
        let number = |value: u32| usize::try_from(value).map_err(|_| BoardListError::TooLarge);
        let (offset, total) = (number(part.offset)?, number(part.total)?);
        if total > BOARD_LIST_MAX {
            return Err(BoardListError::TooLarge);
        }
        if offset == 0 {
            self.bytes.clear();
            (self.serial, self.total) = (part.serial, total);
        }
        let piece = part.bytes.as_slice();
        let follows = offset == self.bytes.len() && !piece.is_empty();
        let same = (part.serial, total) == (self.serial, self.total);
        if !follows || !same || piece.len() > total - offset {
            return Err(BoardListError::Disorder);
        }
        self.bytes.extend_from_slice(piece);
        if self.bytes.len() < total {
            return Ok(None);
        }
        Ok(Some(std::mem::take(&mut self.bytes)))
    }
}
