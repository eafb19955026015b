//! Who may look into files and folders: the system, administrators, the user who runs this
//! program, and for the state of a service that service.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::LazyLock;

use agent_windows::{file, process};

use super::{open, system_root};

/// The service `tasuki-host`, whoever it runs as: S-1-5-80 and the SHA-1 of its name in capitals,
/// as `sc showsid tasuki-host` tells.
const SERVICE: &str = "S-1-5-80-3504997158-3093062027-3404456005-392680755-1997628236";
/// Who may own what the service relies on, beside the user who looks: the system, administrators,
/// and the service itself with the account that it has.
const OWNERS: [&str; 4] = ["S-1-5-18", "S-1-5-32-544", "S-1-5-19", SERVICE];
/// Everything but taking the folder over.
const MODIFY: &str = "0x1301bf";

/// Makes a folder, and takes everybody else's rights to it away.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    let path = &std::path::absolute(path)?;
    if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
        // What lies above is private too where the service lives: everybody may make folders
        // in %ProgramData%, and would own what is in them.
        if is_of_service(parent) {
            make_private_folder(parent)?;
        } else {
            std::fs::create_dir_all(parent)?;
        }
    }
    match file::make_folder(path, &private(path, "OICI")?) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => keep_private(path),
        made => made,
    }
}

/// The same for a folder that was there.
fn keep_private(path: &Path) -> io::Result<()> {
    if !is_of_service(path) {
        return file::set_access(path, &private(path, "OICI")?);
    }
    let owner = file::owner(path)?;
    if !(OWNERS.contains(&owner.as_str()) || owner == user()?) {
        return Err(io::Error::new(
            ErrorKind::PermissionDenied,
            "it belongs to somebody who is no administrator; look at it and remove it",
        ));
    }
    match file::set_access(path, &private(path, "OICI")?) {
        // An administrator gave the rights. The service may not change them, and need not.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        set => set,
    }
}

/// Opens a file for reading and writing, making it if needed; what lies in a private folder
/// is private.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    open(path)
}

/// The same, but everybody may read it.
pub(crate) fn open_public(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    let rights = private(path, "")?;
    file::set_access(path, &format!("{rights}(A;;FR;;;WD)"))?;
    Ok(file)
}

/// Groups that ordinary users are in: everybody, who is logged on, who sits there, users, guests.
const ORDINARY: [&str; 5] = [
    "S-1-1-0",
    "S-1-5-11",
    "S-1-5-4",
    "S-1-5-32-545",
    "S-1-5-32-546",
];
/// Rights to change a file, or what lies in a folder, or to get there: to write and append data,
/// to delete it and what is in it, to change rights and owner, and all or any writing.
const CHANGING: u32 = 0x5_0046 | 0x8_0000 | 0x1000_0000 | 0x4000_0000;

/// Whether ordinary users may change a file or folder.
pub(super) fn is_open_to_users(path: &Path) -> io::Result<bool> {
    let grants = file::grants(path)?;
    Ok(grants
        .iter()
        .any(|grant| ORDINARY.contains(&grant.who.as_str()) && grant.rights & CHANGING != 0))
}

/// Rights in the security descriptor definition language; `inherit` says whether what lies
/// in a folder gets the same.
fn private(path: &Path, inherit: &str) -> io::Result<String> {
    let user = user()?;
    let mut rights =
        format!("D:P(A;{inherit};FA;;;SY)(A;{inherit};FA;;;BA)(A;{inherit};FA;;;{user})");
    if is_of_service(path) {
        rights.push_str(&format!("(A;{inherit};{MODIFY};;;{SERVICE})"));
    }
    Ok(rights)
}

fn is_of_service(path: &Path) -> bool {
    system_root().is_some_and(|root| path.starts_with(root))
}

fn user() -> io::Result<&'static str> {
    static USER: LazyLock<Option<String>> =
        LazyLock::new(|| process::user(std::process::id()).ok());
    USER.as_deref()
        .ok_or_else(|| io::Error::other("Windows does not say who runs this program"))
}
