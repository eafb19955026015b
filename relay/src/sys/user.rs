//! The user that a relay runs as, and becoming that user when it was started as root.
//!
//! See `credentials(7)`. Must be done while the process has a single thread.

use std::ffi::CString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use nix::unistd::{self, Uid};

/// An account of this machine.
#[derive(Clone, Debug)]
pub struct User(unistd::User);

impl User {
    /// The account of this name, if there is one.
    ///
    /// # Errors
    /// The user database cannot be read.
    pub fn named(name: &str) -> io::Result<Option<Self>> {
        Ok(unistd::User::from_name(name)?.map(Self))
    }

    /// The account that owns a file or folder; none if no account has its number.
    ///
    /// # Errors
    /// It is not there, or the user database cannot be read.
    pub fn owner_of(path: &Path) -> io::Result<Option<Self>> {
        let uid = Uid::from_raw(std::fs::metadata(path)?.uid());
        Ok(unistd::User::from_uid(uid)?.map(Self))
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether this process runs as this user already.
    pub fn is_present(&self) -> bool {
        self.0.uid == Uid::effective()
    }

    /// Makes a folder for this user alone where there is none; one that exists is left as it is.
    ///
    /// # Errors
    /// It cannot be made or given away.
    pub fn provide(&self, folder: &Path) -> io::Result<()> {
        if folder.exists() {
            return Ok(());
        }
        if let Some(parent) = folder.parent() {
            std::fs::create_dir_all(parent)?;
        }
        DirBuilder::new().mode(0o700).create(folder)?;
        std::os::unix::fs::chown(folder, Some(self.0.uid.as_raw()), Some(self.0.gid.as_raw()))
    }

    /// Becomes this user, with its groups, and cannot go back.
    ///
    /// # Errors
    /// This process is not root.
    pub fn embody(&self) -> io::Result<()> {
        let Self(user) = self;
        let name = CString::new(user.name.as_str())?;
        // Groups first: afterwards they can no longer be changed.
        unistd::initgroups(&name, user.gid)?;
        unistd::setresgid(user.gid, user.gid, user.gid)?;
        unistd::setresuid(user.uid, user.uid, user.uid)?;
        Ok(())
    }
}

/// Whether this process may do everything.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

/// The name of the user that this process runs as, or its number.
pub fn present() -> String {
    let uid = Uid::effective();
    let known = unistd::User::from_uid(uid).ok().flatten();
    known.map_or_else(|| uid.to_string(), |user| user.name)
}
