//! The host's part of the state, DIR/host.

use std::fs::{File, TryLockError};

use protocol::claim::SignedClaim;
use protocol::codec::{DecodeError, EncodeError, Reader, Wire, Writer};
use protocol::file::entry::Entry;
use protocol::id::ComputerId;
use protocol::secret::Secret;
use rand::RngCore;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use super::folder::{Access, Folder, failed};
use super::{Identity, StateError, entry, sealed};
use crate::config::Proxy;
use crate::outer::Boards;
use crate::platform;
use crate::update::Lookout;

const RUN_LOCK: &str = "run.lock";
const IDENTITY: &str = "identity";
const IDENTITY_PUBLIC: &str = "identity.pub";
const CLAIM: &str = "claim";
const WISH: &str = "wish";
const PASSWORD: &str = "password";
const TAG_KEYS: &str = "tag-keys";
const SETTINGS_PASSWORD: &str = "settings-password";

/// What a host keeps.
#[derive(Debug, Clone)]
pub struct HostState {
    folder: Folder,
}

/// Held while `run` runs; a second one is refused. The kernel frees it when the process ends.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

/// Keys under which the host makes return tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagKeys {
    /// Given to the board at registration.
    pub slot_key: Secret<32>,
    /// Never leaves the host.
    pub tag_key: Secret<32>,
}

impl HostState {
    pub(super) fn new(folder: Folder) -> Self {
        Self { folder }
    }

    /// Takes the right to run with this state.
    pub fn lock(&self) -> Result<RunLock, StateError> {
        let path = self.folder.path_of(RUN_LOCK);
        let file = platform::open_private(&path).map_err(failed("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(RunLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StateError::InUse { path }),
            Err(TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
        }
    }

    /// Takes over an entry file: the first one on trust, a later one only from the same
    /// deployment and not older. Returns it.
    pub fn adopt_entry(&self, source: &str) -> Result<Entry, StateError> {
        entry::adopt(&self.folder, source)
    }

    /// The entry file in force.
    pub fn entry(&self) -> Result<Option<Entry>, StateError> {
        entry::read(&self.folder)
    }

    /// The board list, from the cache if there is a good one.
    pub fn boards(&self, entry: &Entry) -> Boards {
        Boards::open(entry.registrar.clone(), Some(self.folder.clone()))
    }

    /// Where to look for newer versions.
    pub fn lookout(&self, entry: &Entry, proxy: &Proxy, user_agent: &str) -> Lookout {
        Lookout::new(self.folder.clone(), entry, proxy, user_agent)
    }

    /// The identity; made if there is none yet.
    pub fn identity(&self) -> Result<Identity, StateError> {
        let writer = self.folder.writer()?;
        if let Some(identity) = self.existing_identity()? {
            return Ok(identity);
        }
        let identity = Identity::generate()
            .map_err(|error| self.folder.damaged(IDENTITY, error.to_string()))?;
        let text = self.folder.sealed(IDENTITY, identity.seed())?;
        writer.write(IDENTITY, text.as_bytes(), Access::Owner)?;
        let public = format!("{}\n", identity.public_key());
        writer.write(IDENTITY_PUBLIC, public.as_bytes(), Access::Everybody)?;
        Ok(identity)
    }

    /// The identity, if there is one.
    pub fn existing_identity(&self) -> Result<Option<Identity>, StateError> {
        let Some(bytes) = self.unseal(IDENTITY)? else {
            return Ok(None);
        };
        let seed = <[u8; 32]>::try_from(bytes.as_slice());
        let identity = seed
            .ok()
            .map(Secret::new)
            .and_then(|seed| Identity::from_seed(seed).ok());
        match identity {
            Some(identity) => Ok(Some(identity)),
            None => Err(self.folder.damaged(IDENTITY, "it holds no key")),
        }
    }

    /// Removes the identity and what hangs on it, so that the next one is new. The password stays.
    pub fn reset_identity(&self) -> Result<(), StateError> {
        let writer = self.folder.writer()?;
        // The identity goes last: a claim without it would be shown by another key.
        for name in [CLAIM, WISH, TAG_KEYS, IDENTITY_PUBLIC, IDENTITY] {
            writer.remove(name)?;
        }
        Ok(())
    }

    /// What the registrar has signed for this host.
    pub fn claim(&self) -> Result<Option<SignedClaim>, StateError> {
        self.unseal(CLAIM)?
            .map(|bytes| {
                read_claim(&bytes).map_err(|error| self.folder.damaged(CLAIM, error.to_string()))
            })
            .transpose()
    }

    /// Keeps a claim.
    pub fn set_claim(&self, claim: &SignedClaim) -> Result<(), StateError> {
        let mut buffer = [0; 256];
        let mut writer = Writer::new(&mut buffer);
        claim
            .encode(&mut writer)
            .map_err(|error: EncodeError| self.folder.damaged(CLAIM, error.to_string()))?;
        let used = writer.used();
        self.seal(CLAIM, &buffer[..used])
    }

    /// The computer ID that the host wants and does not have yet.
    pub fn wish(&self) -> Result<Option<ComputerId>, StateError> {
        let Some(text) = self.folder.read_text(WISH)? else {
            return Ok(None);
        };
        let wish = text.trim_end().parse();
        wish.map(Some)
            .map_err(|error: protocol::id::NameError| self.folder.damaged(WISH, error.to_string()))
    }

    /// Sets or clears the wish.
    pub fn set_wish(&self, wish: Option<&ComputerId>) -> Result<(), StateError> {
        match wish {
            Some(wish) => self.folder.write(WISH, format!("{wish}\n").as_bytes()),
            None => self.folder.writer()?.remove(WISH),
        }
    }

    /// The password record, if a password has been set.
    pub fn password_record(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
        self.unseal(PASSWORD)
    }

    /// Replaces the password record.
    pub fn set_password_record(&self, record: &[u8]) -> Result<(), StateError> {
        self.seal(PASSWORD, record)
    }

    /// What the settings tool asks for before it opens, if it does.
    pub fn settings_password(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
        self.unseal(SETTINGS_PASSWORD)
    }

    /// Replaces or removes it.
    pub fn set_settings_password(&self, kept: Option<&[u8]>) -> Result<(), StateError> {
        match kept {
            Some(kept) => self.seal(SETTINGS_PASSWORD, kept),
            None => self.folder.writer()?.remove(SETTINGS_PASSWORD),
        }
    }

    /// The keys for return tags; made if there are none yet.
    pub fn tag_keys(&self) -> Result<TagKeys, StateError> {
        let writer = self.folder.writer()?;
        let bytes = match self.unseal(TAG_KEYS)? {
            Some(bytes) => bytes,
            None => {
                let mut bytes = Zeroizing::new(vec![0; 64]);
                OsRng.fill_bytes(&mut bytes);
                let text = self.folder.sealed(TAG_KEYS, &bytes)?;
                writer.write(TAG_KEYS, text.as_bytes(), Access::Owner)?;
                bytes
            }
        };
        match bytes
            .split_first_chunk::<32>()
            .map(|(slot, tag)| (slot, <[u8; 32]>::try_from(tag)))
        {
            Some((slot, Ok(tag))) => Ok(TagKeys {
                slot_key: Secret::new(*slot),
                tag_key: Secret::new(tag),
            }),
            Some((_, Err(_))) | None => Err(self.folder.damaged(TAG_KEYS, "it holds no keys")),
        }
    }

    fn seal(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let text = self.folder.sealed(name, bytes)?;
        self.folder.write(name, text.as_bytes())
    }

    fn unseal(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
        let Some(text) = self.folder.read_text(name)? else {
            return Ok(None);
        };
        let bytes = sealed::unseal(name, &text);
        bytes
            .map(Some)
            .map_err(|reason| self.folder.damaged(name, reason))
    }
}

fn read_claim(bytes: &[u8]) -> Result<SignedClaim, DecodeError> {
    let mut reader = Reader::new(bytes);
    let claim = SignedClaim::decode(&mut reader)?;
    reader.finish()?;
    Ok(claim)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use protocol::claim::Claim;

    use super::*;
    use crate::state::StateDir;

    fn host() -> (tempfile::TempDir, HostState) {
        let root = tempfile::tempdir().expect("temporary folder");
        let state = StateDir::open(Some(root.path())).expect("opens");
        let host = state.host().expect("opens");
        (root, host)
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("is there").permissions().mode() & 0o777
    }

    #[test]
    fn identity_is_made_once_and_is_private() {
        let (root, host) = host();

        assert!(host.existing_identity().expect("reads").is_none());
        let first = host.identity().expect("is made");
        let second = host.identity().expect("is read");

        assert_eq!(first.public_key(), second.public_key());
        let folder = root.path().join("host");
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join(IDENTITY)), 0o600);
        assert_eq!(mode(&folder.join(IDENTITY_PUBLIC)), 0o644);
        let public = std::fs::read_to_string(folder.join(IDENTITY_PUBLIC)).expect("reads");
        assert_eq!(public.trim_end(), first.public_key().to_string());
    }

    #[test]
    fn damaged_identity_is_named_and_never_replaced() {
        let (root, host) = host();
        host.identity().expect("is made");
        let path = root.path().join("host").join(IDENTITY);
        let mut bytes = std::fs::read(&path).expect("reads");
        bytes[30] ^= 1;
        std::fs::write(&path, &bytes).expect("writes");

        let error = host.identity().expect_err("is damaged");

        assert!(matches!(&error, StateError::Damaged { path: named, .. } if *named == path));
        assert_eq!(std::fs::read(&path).expect("reads"), bytes);
    }

    #[test]
    fn reset_makes_a_new_identity_without_claim_and_keeps_the_password() {
        let (_root, host) = host();
        let old = host.identity().expect("is made");
        let claim = Claim {
            computer_id: "pc-1".parse().expect("is an ID"),
            host_key: old.public_key(),
            serial: 7,
            date: 1,
        };
        let claim = old.signing_key().sign_claim(claim).expect("signs");
        host.set_claim(&claim).expect("keeps");
        host.set_password_record(b"record").expect("keeps");
        let tags = host.tag_keys().expect("are made");
        assert_eq!(host.claim().expect("reads"), Some(claim));
        assert_eq!(host.tag_keys().expect("are read"), tags);

        host.reset_identity().expect("resets");

        assert_ne!(
            host.identity().expect("is made").public_key(),
            old.public_key()
        );
        assert_eq!(host.claim().expect("reads"), None);
        assert_ne!(host.tag_keys().expect("are made"), tags);
        let record = host.password_record().expect("reads").expect("is there");
        assert_eq!(record.as_slice(), b"record");
    }

    #[test]
    fn second_run_is_refused_until_the_first_ends() {
        let (_root, host) = host();

        let first = host.lock().expect("is free");
        assert!(matches!(host.lock(), Err(StateError::InUse { .. })));

        drop(first);
        host.lock().expect("is free again");
    }

    #[test]
    fn wish_is_kept_until_cleared() {
        let (_root, host) = host();
        let wish = "pc-2".parse().expect("is an ID");

        host.set_wish(Some(&wish)).expect("keeps");
        assert_eq!(host.wish().expect("reads"), Some(wish));

        host.set_wish(None).expect("clears");
        assert_eq!(host.wish().expect("reads"), None);
    }
}
