//! The deployment's folder: opened under a lock, changed by renames only.
//!
//! Keys and certificates are written once, under names that were never used; the record
//! alone is replaced. Nothing here asks for a passphrase: callers bring the protection.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use protocol::file::reader::Problems;

use super::certificate::{self, Authority, CertificateError};
use super::file;
use super::key::{KeyError, PrivateKey, Protection};
use super::record::{DeploymentName, Record};

const RECORD: &str = "deployment.toml";
const LOCK: &str = "lock";
const REGISTRAR_KEY: &str = "registrar.key.pem";
const DEPLOYMENT_KEY: &str = "deployment.key.pem";

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} is not empty; choose another folder with --deployment", .0.display())]
    Occupied(PathBuf),
    #[error(
        "{} holds no deployment; name the right folder with --deployment, or make one with \
         `tasuki deployment init`",
        .0.display()
    )]
    Missing(PathBuf),
    #[error("another `tasuki` is working on {}; wait until it is done", .0.display())]
    Locked(PathBuf),
    #[error("{} cannot be used", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is damaged; restore the folder from a backup\n{problems}", .path.display())]
    Record { path: PathBuf, problems: Problems },
    #[error("{} {source}", .path.display())]
    Key { path: PathBuf, source: KeyError },
    #[error(
        "others may read {}, and no passphrase protects it; if nobody did, run `chmod 600 {}`",
        .0.display(), .0.display()
    )]
    OpenToOthers(PathBuf),
    #[error("CA number {number}: {source}")]
    Certificate {
        number: u32,
        source: CertificateError,
    },
}

/// An open deployment. Dropping it releases the lock.
#[derive(Debug)]
pub struct Deployment {
    folder: PathBuf,
    record: Record,
    _lock: File,
}

impl Deployment {
    /// Makes a deployment. `folder` must not exist, or be empty; it appears complete or not at all.
    pub fn create(
        folder: &Path,
        name: DeploymentName,
        protection: &Protection,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let parent = folder
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::Occupied(folder.into()));
        }
        fs::create_dir_all(parent).map_err(at(parent))?;
        let draft = tempfile::Builder::new()
            .prefix(".tasuki-deployment-")
            .tempdir_in(parent)
            .map_err(at(parent))?;
        let inside = draft.path().join("deployment");
        fill(&inside, name, protection, now)?;
        fs::rename(&inside, folder).map_err(|source| {
            let occupied = [
                io::ErrorKind::DirectoryNotEmpty,
                io::ErrorKind::NotADirectory,
            ];
            if occupied.contains(&source.kind()) {
                Error::Occupied(folder.into())
            } else {
                at(folder)(source)
            }
        })?;
        file::sync_folder(parent).map_err(at(parent))?;
        Self::open(folder)
    }

    /// Opens the deployment; fails if another program has it open.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(RECORD);
        if !path.exists() {
            return Err(Error::Missing(folder.into()));
        }
        let lock_path = folder.join(LOCK);
        let lock = File::options()
            .create(true)
            .append(true)
            .open(&lock_path)
            .map_err(at(&lock_path))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::Locked(folder.into()),
            TryLockError::Error(source) => at(&lock_path)(source),
        })?;
        let text = fs::read_to_string(&path).map_err(at(&path))?;
        let record = Record::parse(&text).map_err(|problems| Error::Record { path, problems })?;
        Ok(Self {
            folder: folder.into(),
            record,
            _lock: lock,
        })
    }

    /// What is recorded.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Changes the record. When this returns, the change is on the disk.
    pub fn commit(&mut self, change: impl FnOnce(&mut Record)) -> Result<(), Error> {
        let mut record = self.record.clone();
        change(&mut record);
        let path = self.folder.join(RECORD);
        file::replace(&path, record.to_text().as_bytes(), file::SECRET).map_err(at(&path))?;
        self.record = record;
        Ok(())
    }

    /// The key that signs claims and board lists.
    pub fn registrar_key(&self, protection: &Protection) -> Result<PrivateKey, Error> {
        self.key(REGISTRAR_KEY, protection)
    }

    /// The key that signs entry files and updates.
    pub fn deployment_key(&self, protection: &Protection) -> Result<PrivateKey, Error> {
        self.key(DEPLOYMENT_KEY, protection)
    }

    /// The CA that signs now.
    pub fn authority(&self, protection: &Protection) -> Result<Authority, Error> {
        let number = self.record.signing_ca();
        let key = self.key(&ca_key_file(number), protection)?;
        let pem = self.ca_certificate(number)?;
        Authority::new(&pem, key).map_err(|source| Error::Certificate { number, source })
    }

    /// The certificates (PEM) of all CAs that agents should trust.
    pub fn ca_certificates(&self) -> Result<Vec<String>, Error> {
        let numbers = self.record.ca.iter();
        numbers.map(|number| self.ca_certificate(*number)).collect()
    }

    /// Adds a CA, which signs from now on, and returns its number.
    pub fn add_ca(&mut self, protection: &Protection, now: Timestamp) -> Result<u32, Error> {
        // Proves the passphrase: a CA that opens with another one would be lost.
        self.deployment_key(protection)?;
        let mut number = self.record.signing_ca().saturating_add(1);
        // A run that was cut short may have left files; they are never overwritten.
        while self.folder.join(ca_key_file(number)).exists()
            || self.folder.join(ca_certificate_file(number)).exists()
        {
            number = number.saturating_add(1);
        }
        write_ca(&self.folder, number, &self.record.name, protection, now)?;
        self.commit(|record| record.ca.push(number))?;
        Ok(number)
    }

    /// Drops every CA but the one that signs, with its key, and returns their numbers.
    pub fn drop_old_cas(&mut self) -> Result<Vec<u32>, Error> {
        let signing = self.record.signing_ca();
        let mut old = self.record.ca.clone();
        old.retain(|number| *number != signing);
        self.commit(|record| record.ca = vec![signing])?;
        for number in &old {
            for name in [ca_key_file(*number), ca_certificate_file(*number)] {
                let path = self.folder.join(name);
                fs::remove_file(&path).map_err(at(&path))?;
            }
        }
        file::sync_folder(&self.folder).map_err(at(&self.folder))?;
        Ok(old)
    }

    fn key(&self, name: &str, protection: &Protection) -> Result<PrivateKey, Error> {
        let path = self.folder.join(name);
        let open = file::is_open_to_others(&path).map_err(at(&path))?;
        if open && !self.record.encrypted_keys {
            return Err(Error::OpenToOthers(path));
        }
        let pem = zeroize::Zeroizing::new(fs::read_to_string(&path).map_err(at(&path))?);
        PrivateKey::from_pem(&pem, protection).map_err(|source| Error::Key { path, source })
    }

    fn ca_certificate(&self, number: u32) -> Result<String, Error> {
        let path = self.folder.join(ca_certificate_file(number));
        fs::read_to_string(&path).map_err(at(&path))
    }
}

fn fill(
    folder: &Path,
    name: DeploymentName,
    protection: &Protection,
    now: Timestamp,
) -> Result<(), Error> {
    DirBuilder::new()
        .mode(0o700)
        .create(folder)
        .map_err(at(folder))?;
    write_ca(folder, 1, &name, protection, now)?;
    let registrar = new_key(folder, REGISTRAR_KEY, protection)?;
    let deployment_key = new_key(folder, DEPLOYMENT_KEY, protection)?;
    let record = Record {
        name,
        encrypted_keys: matches!(protection, Protection::Passphrase(_)),
        entry_generation: 0,
        node_generation: 0,
        update_generation: 0,
        entry_addresses: Vec::new(),
        update: None,
        update_ca: None,
        registrar: registrar.public_key(),
        deployment_key: deployment_key.public_key(),
        ca: vec![1],
        nodes: Vec::new(),
    };
    let path = folder.join(RECORD);
    file::create(&path, record.to_text().as_bytes(), file::SECRET).map_err(at(&path))
}

fn write_ca(
    folder: &Path,
    number: u32,
    name: &DeploymentName,
    protection: &Protection,
    now: Timestamp,
) -> Result<(), Error> {
    let key = new_key(folder, &ca_key_file(number), protection)?;
    let pem = certificate::authority(name.as_str(), &key, now)
        .map_err(|source| Error::Certificate { number, source })?;
    let path = folder.join(ca_certificate_file(number));
    file::create(&path, pem.as_bytes(), file::SECRET).map_err(at(&path))
}

fn new_key(folder: &Path, name: &str, protection: &Protection) -> Result<PrivateKey, Error> {
    let path = folder.join(name);
    let made = PrivateKey::generate().and_then(|key| Ok((key.to_pem(protection)?, key)));
    let (pem, key) = made.map_err(|source| Error::Key {
        path: path.clone(),
        source,
    })?;
    file::create(&path, pem.as_bytes(), file::SECRET).map_err(at(&path))?;
    Ok(key)
}

fn ca_key_file(number: u32) -> String {
    format!("ca-{number}.key.pem")
}

fn ca_certificate_file(number: u32) -> String {
    format!("ca-{number}.pem")
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    |source| Error::Io { path, source }
}
