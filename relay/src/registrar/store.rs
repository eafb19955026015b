//! The registrar's memory across restarts: a redb file.
//!
//! Owns the file, and what to do when it fails: a corrupt one is moved aside, an unusable disk is
//! tried again later, and neither keeps the relay from starting or from serving known hosts.
//! Must never lose a claim that [`Store::write`] has acknowledged with [`Urgency::Now`].

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use protocol::claim::SignedClaim;
use protocol::id::{ComputerId, PublicKey};
use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, StorageError, Table,
    TableDefinition, TableError,
};
use tracing::{error, info, warn};

use super::book::{Book, Change, Rest};
use super::transfer::{claim_from_bytes, claim_to_bytes};
use crate::limits;

/// Computer ID to the signed claim as it travels.
const CLAIMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("claims");
/// Name given up to host key and end of rest in seconds since 1970.
const RESTS: TableDefinition<'_, &str, (&[u8; 32], u64)> = TableDefinition::new("rests");
const SERIALS: TableDefinition<'_, &str, u64> = TableDefinition::new("serials");
const CLAIM_SERIAL: &str = "claim";
const BOARD_LIST_SERIAL: &str = "board list";

const FILE_NAME: &str = "registrar.redb";
const ASIDE_NAME: &str = "registrar.redb.corrupt";

/// Another process has the store open.
#[derive(Debug)]
pub(super) struct InUse(pub(super) String);

/// What a store held when it was opened.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) claims: Vec<SignedClaim>,
    pub(super) rests: Vec<(ComputerId, Rest)>,
    pub(super) serial: u64,
    pub(super) board_list_serial: u64,
}

/// When a write must have reached the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Before the call returns.
    Now,
    /// By the next [`Store::flush`]: somebody else keeps it too.
    Whenever,
}

/// Why the store cannot be used now, for anyone to look at without waiting for the disk.
pub(super) type Trouble = Arc<RwLock<Option<String>>>;

/// Opens the file at a path; another one in tests, where disks fail on demand.
type Opener = fn(&Path) -> Result<Database, DatabaseError>;

/// The file, or the lack of it.
#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
    opener: Opener,
    state: State,
    /// Something was written that is not on the disk yet.
    unflushed: bool,
    trouble: Trouble,
}

#[derive(Debug)]
enum State {
    Open(Database),
    Closed { since: SystemTime },
}

enum OpenError {
    InUse,
    Corrupt(String),
    Unusable(String),
}

impl Store {
    /// Opens the store, or makes one.
    pub(super) fn open(directory: &Path, now: SystemTime) -> Result<(Self, Kept), InUse> {
        Self::open_with(directory, now, |path| builder().create(path))
    }

    fn open_with(directory: &Path, now: SystemTime, opener: Opener) -> Result<(Self, Kept), InUse> {
        let mut store = Self {
            directory: directory.to_owned(),
            opener,
            state: State::Closed { since: now },
            unflushed: false,
            trouble: Trouble::default(),
        };
        let kept = match store.try_open() {
            Ok(kept) => kept,
            Err(OpenError::InUse) => return Err(InUse(store.path().display().to_string())),
            Err(OpenError::Corrupt(reason) | OpenError::Unusable(reason)) => {
                store.fail(&reason, now);
                store.read_only()
            }
        };
        Ok((store, kept))
    }

    /// Opens the store again after a failure, if it is time to try.
    pub(super) fn reopen(&mut self, now: SystemTime) -> Option<Kept> {
        let State::Closed { since } = self.state else {
            return None;
        };
        // A clock that was set back must not stop the attempts.
        if now
            .duration_since(since)
            .is_ok_and(|passed| passed < limits::STORE_RETRY)
        {
            return None;
        }
        match self.try_open() {
            Ok(kept) => {
                info!("The registrar's store works again");
                Some(kept)
            }
            Err(OpenError::InUse) => {
                self.fail("another process has the store open", now);
                None
            }
            Err(OpenError::Corrupt(reason) | OpenError::Unusable(reason)) => {
                self.fail(&reason, now);
                None
            }
        }
    }

    /// Records a change; says whether it did.
    pub(super) fn write(
        &mut self,
        change: &Change,
        serial: u64,
        urgency: Urgency,
        now: SystemTime,
    ) -> bool {
        self.transact(urgency, now, |tables| {
            let id = change.claim.claim.computer_id.as_str();
            tables
                .claims
                .insert(id, claim_to_bytes(&change.claim).as_slice())?;
            tables.rests.remove(id)?;
            if let Some((name, rest)) = &change.given_up {
                tables.claims.remove(name.as_str())?;
                tables
                    .rests
                    .insert(name.as_str(), (&rest.host_key.0, rest.until))?;
            }
            tables.serials.insert(CLAIM_SERIAL, serial)?;
            Ok(())
        })
    }

    /// Makes the store hold what the book holds, and nothing else.
    pub(super) fn rewrite(
        &mut self,
        book: &Book,
        serial: u64,
        board_list_serial: u64,
        now: SystemTime,
    ) -> bool {
        self.transact(Urgency::Now, now, |tables| {
            tables.claims.retain(|_, _| false)?;
            tables.rests.retain(|_, _| false)?;
            for claim in book.claims() {
                let id = claim.claim.computer_id.as_str();
                tables.claims.insert(id, claim_to_bytes(claim).as_slice())?;
            }
            for (name, rest) in book.rests() {
                tables
                    .rests
                    .insert(name.as_str(), (&rest.host_key.0, rest.until))?;
            }
            tables.serials.insert(CLAIM_SERIAL, serial)?;
            tables
                .serials
                .insert(BOARD_LIST_SERIAL, board_list_serial)?;
            Ok(())
        })
    }

    /// Remembers the serial of the newest board list.
    pub(super) fn keep_board_list_serial(&mut self, serial: u64, now: SystemTime) {
        self.transact(Urgency::Whenever, now, |tables| {
            tables.serials.insert(BOARD_LIST_SERIAL, serial)?;
            Ok(())
        });
    }

    /// Brings to disk what was written [`Urgency::Whenever`].
    pub(super) fn flush(&mut self, now: SystemTime) {
        if self.unflushed {
            self.transact(Urgency::Now, now, |_| Ok(()));
        }
    }

    /// Why nothing can be written now.
    pub(super) fn trouble(&self) -> Trouble {
        Arc::clone(&self.trouble)
    }

    fn transact(
        &mut self,
        urgency: Urgency,
        now: SystemTime,
        write: impl FnOnce(&mut Tables<'_>) -> Result<(), StorageError>,
    ) -> bool {
        let State::Open(database) = &self.state else {
            return false;
        };
        match transact(database, urgency, write) {
            Ok(()) => {
                self.unflushed = urgency == Urgency::Whenever;
                true
            }
            Err(reason) => {
                self.fail(&reason.to_string(), now);
                false
            }
        }
    }

    fn try_open(&mut self) -> Result<Kept, OpenError> {
        let unusable = |error: io::Error| OpenError::Unusable(error.to_string());
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
            .map_err(unusable)?;
        let (database, kept) = match self.open_file() {
            Err(OpenError::Corrupt(reason)) => {
                self.move_aside(&reason).map_err(unusable)?;
                self.open_file()?
            }
            opened => opened?,
        };
        // Without this the file itself may be missing after a power cut.
        File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(unusable)?;
        self.state = State::Open(database);
        self.unflushed = false;
        self.set_trouble(None);
        Ok(kept)
    }

    fn open_file(&self) -> Result<(Database, Kept), OpenError> {
        let database = (self.opener)(&self.path())?;
        let kept = read(&database)?;
        Ok((database, kept))
    }

    /// What a store that cannot be written holds: a card that has gone read-only still tells.
    fn read_only(&self) -> Kept {
        let database = builder().open_read_only(self.path());
        database
            .ok()
            .and_then(|database| read(&database).ok())
            .unwrap_or_default()
    }

    fn move_aside(&self, reason: &str) -> io::Result<()> {
        let aside = self.directory.join(ASIDE_NAME);
        error!(
            reason,
            file = %aside.display(),
            "The registrar's store is corrupt and was moved aside; hosts bring their claims again"
        );
        std::fs::rename(self.path(), aside)
    }

    fn fail(&mut self, reason: &str, now: SystemTime) {
        let reason = format!("{}: {reason}", self.path().display());
        if self
            .trouble
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            != Some(&reason)
        {
            warn!(
                reason,
                "The registrar's store cannot be written; no new computer IDs for now"
            );
        }
        self.set_trouble(Some(reason));
        self.state = State::Closed { since: now };
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.write().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    fn path(&self) -> PathBuf {
        self.directory.join(FILE_NAME)
    }
}

struct Tables<'t> {
    claims: Table<'t, &'static str, &'static [u8]>,
    rests: Table<'t, &'static str, (&'static [u8; 32], u64)>,
    serials: Table<'t, &'static str, u64>,
}

fn transact(
    database: &Database,
    urgency: Urgency,
    write: impl FnOnce(&mut Tables<'_>) -> Result<(), StorageError>,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(match urgency {
        Urgency::Now => Durability::Immediate,
        Urgency::Whenever => Durability::None,
    })?;
    write(&mut Tables {
        claims: transaction.open_table(CLAIMS)?,
        rests: transaction.open_table(RESTS)?,
        serials: transaction.open_table(SERIALS)?,
    })?;
    transaction.commit()?;
    Ok(())
}

fn read(database: &impl ReadableDatabase) -> Result<Kept, OpenError> {
    let transaction = database.begin_read().map_err(redb::Error::from)?;
    let mut kept = Kept::default();
    if let Some(claims) = present(transaction.open_table(CLAIMS))? {
        for entry in claims.iter().map_err(redb::Error::from)? {
            let (_, bytes) = entry.map_err(redb::Error::from)?;
            let claim = claim_from_bytes(bytes.value());
            kept.claims
                .push(claim.map_err(|error| OpenError::Corrupt(error.to_string()))?);
        }
    }
    if let Some(rests) = present(transaction.open_table(RESTS))? {
        for entry in rests.iter().map_err(redb::Error::from)? {
            let (name, rest) = entry.map_err(redb::Error::from)?;
            let name = name.value().parse();
            let name = name.map_err(|_| OpenError::Corrupt("a name that is none".into()))?;
            let (host_key, until) = rest.value();
            kept.rests.push((
                name,
                Rest {
                    host_key: PublicKey(*host_key),
                    until,
                },
            ));
        }
    }
    if let Some(serials) = present(transaction.open_table(SERIALS))? {
        let serial = |name| {
            let value = serials.get(name).map_err(redb::Error::from)?;
            Ok::<_, OpenError>(value.map_or(0, |value| value.value()))
        };
        kept.serial = serial(CLAIM_SERIAL)?;
        kept.board_list_serial = serial(BOARD_LIST_SERIAL)?;
    }
    Ok(kept)
}

/// A new store has no tables yet.
fn present<T>(table: Result<T, TableError>) -> Result<Option<T>, OpenError> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(redb::Error::from(error).into()),
    }
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(limits::STORE_CACHE);
    // A file that somebody else has changed is to be refused, not to make redb panic.
    builder.set_check_integrity_on_open(true);
    builder
}

impl From<DatabaseError> for OpenError {
    fn from(error: DatabaseError) -> Self {
        redb::Error::from(error).into()
    }
}

impl From<redb::Error> for OpenError {
    fn from(error: redb::Error) -> Self {
        let text = error.to_string();
        // An error with a number comes from the kernel: the disk is the trouble, not the file.
        let from_kernel = |error: &io::Error| error.raw_os_error().is_some();
        if matches!(error, redb::Error::DatabaseAlreadyOpen) {
            Self::InUse
        } else if matches!(&error, redb::Error::Io(error) if from_kernel(error)) {
            Self::Unusable(text)
        } else {
            Self::Corrupt(text)
        }
    }
}

#[cfg(test)]
mod faults;
