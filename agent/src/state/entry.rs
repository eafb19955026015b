//! The entry file in force, kept beside the state that depends on it.

use std::path::PathBuf;

use protocol::file::entry::{Entry, FILE_NAME};

use super::StateError;
use super::folder::{Access, Folder};

/// Takes over an entry file: the first one on trust, a later one only from the same
/// deployment and not older. Returns it.
pub(super) fn adopt(folder: &Folder, source: &str) -> Result<Entry, StateError> {
    let offered = Entry::parse(source).map_err(StateError::BadEntry)?;
    let writer = folder.writer()?;
    if let Some(kept) = read(folder)? {
        if kept.deployment_key != offered.deployment_key {
            return Err(StateError::OtherDeployment {
                path: folder.path().to_owned(),
                name: kept.name,
            });
        }
        if offered.generation < kept.generation {
            return Err(StateError::OldEntry {
                offered: offered.generation,
                kept: kept.generation,
            });
        }
    }
    writer.write(FILE_NAME, source.as_bytes(), Access::Owner)?;
    Ok(offered)
}

/// The entry file in force, if there is one.
pub(super) fn read(folder: &Folder) -> Result<Option<Entry>, StateError> {
    let Some(source) = folder.read_text(FILE_NAME)? else {
        return Ok(None);
    };
    let entry = Entry::parse(&source);
    entry
        .map(Some)
        .map_err(|problems| folder.damaged(FILE_NAME, problems.to_string()))
}

/// The entry file that lies beside this executable, if there is one.
pub(crate) fn beside_executable() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name(FILE_NAME);
    path.is_file().then_some(path)
}

#[cfg(test)]
mod tests {
    use protocol::secret::Secret;
    use protocol::sign::SigningKey;

    use super::*;

    fn entry(key_seed: u8, generation: u64) -> String {
        let key = SigningKey::from_seed(&Secret::new([key_seed; 32])).expect("is a seed");
        let entry = Entry {
            name: format!("deployment {key_seed}"),
            generation,
            addresses: vec!["127.0.0.1:443".into()],
            update: None,
            ca: vec!["not looked at here".into()],
            registrar: vec![key.public_key()],
            deployment_key: key.public_key(),
        };
        entry.to_signed_text(&key)
    }

    #[test]
    fn first_is_trusted_and_later_ones_must_be_newer_and_of_the_same_deployment() {
        let root = tempfile::tempdir().expect("temporary folder");
        let folder = Folder::open(root.path().join("host")).expect("opens");

        assert!(read(&folder).expect("reads").is_none());
        adopt(&folder, &entry(1, 5)).expect("the first is taken");
        adopt(&folder, &entry(1, 5)).expect("the same again is fine");
        let old = adopt(&folder, &entry(1, 4)).expect_err("older");
        let other = adopt(&folder, &entry(2, 9)).expect_err("another deployment");
        adopt(&folder, &entry(1, 6)).expect("newer");

        assert!(matches!(
            old,
            StateError::OldEntry {
                offered: 4,
                kept: 5
            }
        ));
        assert!(
            matches!(other, StateError::OtherDeployment { name, .. } if name == "deployment 1")
        );
        assert_eq!(
            read(&folder).expect("reads").expect("is there").generation,
            6
        );
    }

    #[test]
    fn edited_file_is_damage_that_is_named() {
        let root = tempfile::tempdir().expect("temporary folder");
        let folder = Folder::open(root.path().join("host")).expect("opens");
        adopt(&folder, &entry(1, 5)).expect("is taken");
        let edited = entry(1, 5).replace("127.0.0.1", "127.0.0.2");
        std::fs::write(folder.path_of(FILE_NAME), edited).expect("writes");

        let error = read(&folder).expect_err("its signature does not match");

        assert!(error.to_string().contains(FILE_NAME), "{error}");
    }
}
