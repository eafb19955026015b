//! Who may have which computer ID: the embedded registrar of a lone board.
//!
//! Owns claims, the serials they bear, and the signed board list. Answers from memory; the store
//! on disk only makes it remember, so that a lost or full disk never turns a known host away.
//! Must never give one ID to two keys that it knows of.
//! Read next: [`book`] for the rules (pure), [`store`] for the disk, `docs/PROTOCOL.md` for claims.

mod board_list;
mod book;
mod quota;
mod store;
mod transfer;

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::claim::{Claim, SignedClaim};
use protocol::codec::EncodeError;
use protocol::file::node::NodeFile;
use protocol::id::{ComputerId, HostKey, PublicKey};
use protocol::refusal::RefusalCode;
use protocol::sign::{SignatureError, SigningKey};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use board_list::Edition;
pub use board_list::SignedList;
use book::{Book, Decision};
use quota::Quota;
use store::{Store, Trouble, Urgency};
pub use transfer::{Restored, TransferError};

/// Why there is no registrar.
#[derive(Debug, thiserror::Error)]
pub enum RegistrarError {
    #[error("the node file has no registrar key: this board belongs to a fleet")]
    NotLone,
    #[error("the registrar's key")]
    Key(#[from] SignatureError),
    #[error("the board list does not fit its format")]
    BoardList(#[from] EncodeError),
    #[error("another relay uses the store {0}")]
    InUse(String),
}

/// What the configuration says about it.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// New computer IDs a day from one /24 or /56.
    pub claims_per_range: u32,
    /// It cannot be earlier than this, whatever the clock says: the board's certificate is from
    /// then. Keeps serials rising on a board that lost both its store and its clock.
    pub not_before: SystemTime,
}

/// A host that has proven its key and wants in.
#[derive(Debug)]
pub struct AdmitRequest<'a> {
    pub host_key: HostKey,
    /// What it shows.
    pub claim: Option<&'a SignedClaim>,
    /// The ID that it wants: a first one, or another one.
    pub wish: Option<&'a ComputerId>,
    pub from: IpAddr,
    pub now: SystemTime,
}

/// A host that is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// What the host keeps from now on.
    pub claim: SignedClaim,
    /// Who held the ID until now and has lost it to an older claim: its link must end with
    /// [`RefusalCode::ClaimSuperseded`].
    pub superseded: Option<HostKey>,
}

/// How the registrar is, for status and metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrarStatus {
    /// Hosts that have an ID.
    pub known: usize,
    /// Names that their hosts gave up.
    pub resting: usize,
    /// Why nothing can be written now; nothing when all is well.
    pub trouble: Option<String>,
    pub board_list_serial: u64,
}

/// The registrar of a lone board.
#[derive(Debug)]
pub struct Registrar {
    key: SigningKey,
    trusted: Vec<PublicKey>,
    not_before: SystemTime,
    /// Locked for moments only, so that it may be asked from anywhere.
    book: RwLock<Book>,
    /// Held while the disk works.
    writer: Mutex<Writer>,
    edition: RwLock<Edition>,
    trouble: Trouble,
}

#[derive(Debug)]
struct Writer {
    store: Store,
    quota: Quota,
    /// Serial of the newest claim.
    serial: u64,
}

impl Registrar {
    /// Opens the store in `state_dir`, or goes on without one and says so in [`Self::status`].
    ///
    /// # Errors
    /// The node file makes no registrar, or another relay has the store open.
    pub fn open(
        state_dir: &Path,
        node: &NodeFile,
        settings: Settings,
        now: SystemTime,
    ) -> Result<Self, RegistrarError> {
        let lone = node.lone.as_ref().ok_or(RegistrarError::NotLone)?;
        let key = SigningKey::from_seed(&lone.registrar_key)?;
        let (store, kept) = Store::open(state_dir, now)
            .map_err(|store::InUse(path)| RegistrarError::InUse(path))?;
        let now = now.max(settings.not_before);
        let mut book = Book::default();
        book.absorb(kept.claims, kept.rests, seconds(now));
        let edition = Edition::new(node, &key, kept.board_list_serial, now)?;
        let registrar = Self {
            key,
            trusted: node.registrar.clone(),
            not_before: settings.not_before,
            trouble: store.trouble(),
            writer: Mutex::new(Writer {
                store,
                quota: Quota::new(settings.claims_per_range),
                serial: kept.serial.max(book.newest_serial()),
            }),
            book: RwLock::new(book),
            edition: RwLock::new(edition),
        };
        registrar.keep_board_list_serial(now);
        Ok(registrar)
    }

    /// Answers at once where nothing has to be written: a host that is known, or one that has no
    /// right to what it wants. `None`: ask [`Self::admit`].
    pub fn recognise(&self, request: &AdmitRequest<'_>) -> Option<Result<Admitted, RefusalCode>> {
        if let Err(code) = self.check_claim(request) {
            return Some(Err(code));
        }
        match self.decide(request, request.now.max(self.not_before)) {
            Decision::Known(claim) => Some(Ok(Admitted {
                claim,
                superseded: None,
            })),
            Decision::Refuse(code) => Some(Err(code)),
            Decision::Honour(_) | Decision::Issue(_) => None,
        }
    }

    /// Decides whether a host may come in, and under which ID. Blocks while a new claim is
    /// written to disk; a known host costs no write.
    ///
    /// # Errors
    /// What to tell the host.
    pub fn admit(&self, request: &AdmitRequest<'_>) -> Result<Admitted, RefusalCode> {
        if let Some(decided) = self.recognise(request) {
            return decided;
        }
        let now = request.now.max(self.not_before);
        // Only one at a time may change anything, so the decision is made again under the lock.
        let mut writer = self.writer();
        let mut superseded = None;
        loop {
            match self.decide(request, now) {
                Decision::Known(claim) => return Ok(Admitted { claim, superseded }),
                Decision::Refuse(code) => return Err(code),
                Decision::Honour(claim) => superseded = self.honour(&mut writer, claim, now),
                Decision::Issue(id) => {
                    let claim = self.issue(&mut writer, request, &id, now)?;
                    return Ok(Admitted { claim, superseded });
                }
            }
        }
    }

    /// Who holds an ID.
    pub fn holder(&self, id: &ComputerId) -> Option<HostKey> {
        self.book().holder(id)
    }

    /// The board list as it is now.
    pub fn board_list(&self) -> Arc<SignedList> {
        self.edition
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .current()
    }

    /// Says in the board list whether this board is being emptied.
    pub fn set_draining(&self, draining: bool, now: SystemTime) {
        self.publish(now, |edition| edition.set_draining(draining));
    }

    /// Takes over what a renewed node file says about boards.
    pub fn set_node(&self, node: &NodeFile, now: SystemTime) {
        self.publish(now, |edition| edition.set_node(node));
    }

    /// Changes how many new computer IDs a range of addresses may take in a day.
    pub fn set_claims_per_range(&self, claims: u32) {
        self.writer().quota.set_per_range(claims);
    }

    /// Signs the board list anew when it is time, and brings to disk what is not there yet.
    /// To be called every [`crate::limits::REGISTRAR_TICK`]; blocks while the disk works.
    pub fn tick(&self, now: SystemTime) {
        self.publish(now, |_| ());
        let now = now.max(self.not_before);
        let mut writer = self.writer();
        self.reopen(&mut writer, now);
        writer.store.flush(now);
    }

    /// Why nothing can be written now; nothing when all is well.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.read().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }

    /// How it is.
    pub fn status(&self) -> RegistrarStatus {
        let book = self.book();
        let trouble = self.trouble();
        RegistrarStatus {
            known: book.len(),
            resting: book.resting(),
            trouble,
            board_list_serial: self.board_list().serial,
        }
    }

    /// A claim counts if the registrar signed it and if it names the key that the host has proven.
    fn check_claim(&self, request: &AdmitRequest<'_>) -> Result<(), RefusalCode> {
        let Some(shown) = request.claim else {
            return Ok(());
        };
        if shown.claim.host_key != request.host_key || shown.verify(&self.trusted).is_err() {
            return Err(RefusalCode::ClaimInvalid);
        }
        Ok(())
    }

    fn decide(&self, request: &AdmitRequest<'_>, now: SystemTime) -> Decision {
        self.book()
            .decide(&request.host_key, request.claim, request.wish, seconds(now))
    }

    /// Records a claim that this registrar, or another with its key, has signed before.
    /// It needs no disk: the host brings it again.
    fn honour(&self, writer: &mut Writer, claim: SignedClaim, now: SystemTime) -> Option<HostKey> {
        self.reopen(writer, now);
        writer.serial = writer.serial.max(claim.claim.serial);
        let change = self.book().plan(claim, seconds(now));
        writer
            .store
            .write(&change, writer.serial, Urgency::Whenever, now);
        info!(id = %change.claim.claim.computer_id, "Honoured a claim that was not in the store");
        self.apply(change)
    }

    /// Signs a claim, after the disk has it.
    fn issue(
        &self,
        writer: &mut Writer,
        request: &AdmitRequest<'_>,
        id: &ComputerId,
        now: SystemTime,
    ) -> Result<SignedClaim, RefusalCode> {
        if !writer.quota.has_room(request.from, seconds(now)) {
            return Err(RefusalCode::ClaimsExhausted);
        }
        self.reopen(writer, now);
        let serial = microseconds(now).max(writer.serial.saturating_add(1));
        let claim = Claim {
            computer_id: id.clone(),
            host_key: request.host_key,
            serial,
            date: seconds(now),
        };
        let Ok(signed) = self.key.sign_claim(claim) else {
            return Err(RefusalCode::RegistrarUnavailable);
        };
        let change = self.book().plan(signed.clone(), seconds(now));
        if !writer.store.write(&change, serial, Urgency::Now, now) {
            return Err(RefusalCode::RegistrarUnavailable);
        }
        writer.serial = serial;
        writer.quota.charge(request.from, seconds(now));
        info!(id = %id, host_key = %request.host_key, from = %request.from, "Gave out a computer ID");
        // Nobody loses by this: the ID was free.
        self.apply(change);
        Ok(signed)
    }

    fn apply(&self, change: book::Change) -> Option<HostKey> {
        let superseded = self
            .book
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .apply(change);
        if let Some(host_key) = superseded {
            warn!(%host_key, "An older claim took its computer ID back");
        }
        superseded
    }

    /// After a failure: opens the store again, learns what it holds, and gives it the rest.
    fn reopen(&self, writer: &mut Writer, now: SystemTime) {
        let Some(kept) = writer.store.reopen(now) else {
            return;
        };
        writer.serial = writer.serial.max(kept.serial);
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        book.absorb(kept.claims, kept.rests, seconds(now));
        let snapshot = book.clone();
        drop(book);
        let board_list_serial = self.board_list().serial;
        writer
            .store
            .rewrite(&snapshot, writer.serial, board_list_serial, now);
    }

    fn publish(&self, now: SystemTime, change: impl FnOnce(&mut Edition)) {
        let now = now.max(self.not_before);
        let mut edition = self.edition.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut edition);
        match edition.renew(&self.key, now) {
            Ok(false) => {}
            Ok(true) => {
                drop(edition);
                self.keep_board_list_serial(now);
            }
            Err(error) => warn!(%error, "Cannot sign the board list"),
        }
    }

    fn keep_board_list_serial(&self, now: SystemTime) {
        self.writer()
            .store
            .keep_board_list_serial(self.board_list().serial, now);
    }

    fn book(&self) -> RwLockReadGuard<'_, Book> {
        self.book.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn microseconds(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
