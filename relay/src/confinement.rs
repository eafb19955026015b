//! What a relay gives up between binding its ports and hearing the first stranger.
//!
//! Owns who it becomes and which folders stay open to it; how that is done is in
//! [`crate::sys::sandbox`]. Must be done before the first thread starts.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::admin::status::Sandbox;
use crate::config::Config;
use crate::sys::sandbox::{self, Confinement, Paths, SandboxError};
use crate::sys::user::{self, User};

/// Why a relay does not serve as it was started.
#[derive(Debug, thiserror::Error)]
pub enum ConfinementError {
    #[error(
        "started as root, and a relay needs none of root's powers: say whom to become in \
         relay.toml, as user = \"tasuki-relay\", or start it as that user"
    )]
    Root,
    #[error("user: there is no user {0:?} on this machine; useradd --system {0} makes one")]
    NoUser(String),
    #[error(
        "user: only root can become {wanted}, and this is {present}: start as root, or take the \
         key out"
    )]
    OtherUser { wanted: String, present: String },
    #[error("user: cannot become {0}")]
    Embody(String, #[source] io::Error),
    #[error(
        "whose are the claims in {0}? As root, start the relay once, which makes that folder, stop \
         it, and try again"
    )]
    NoOwner(PathBuf),
    #[error("cannot make the folder {0} for user {1}")]
    Folder(PathBuf, String, #[source] io::Error),
    #[error(
        "user {1} cannot read {0}, so nothing new in it could be taken by a reload: \
         chown {1} {0}"
    )]
    Unreadable(PathBuf, String, #[source] io::Error),
    #[error("cannot confine the relay; sandbox = false in relay.toml lets it run without")]
    Sandbox(#[from] SandboxError),
}

/// Becomes the user that the configuration names, if it was started as root.
///
/// Folders that are missing are made for that user while that is still possible, as systemd does
/// with `StateDirectory=` and `RuntimeDirectory=`.
///
/// # Errors
/// Root and nobody named, or somebody who does not exist.
pub fn leave_root(config: &Config) -> Result<(), ConfinementError> {
    let Some(name) = &config.user else {
        return if user::is_root() {
            Err(ConfinementError::Root)
        } else {
            Ok(())
        };
    };
    let unknown = || ConfinementError::NoUser(name.clone());
    let user = User::named(name).ok().flatten().ok_or_else(unknown)?;
    if user.is_present() {
        return Ok(());
    }
    if !user::is_root() {
        return Err(ConfinementError::OtherUser {
            wanted: name.clone(),
            present: user::present(),
        });
    }
    for folder in [config.state_dir.as_path(), parent(&config.control_socket)] {
        user.provide(folder)
            .map_err(|error| ConfinementError::Folder(folder.to_owned(), name.clone(), error))?;
    }
    user.embody()
        .map_err(|error| ConfinementError::Embody(name.clone(), error))
}

/// Becomes the owner of the store before writing to it, if this is root: a relay finds its store its
/// own again.
///
/// # Errors
/// There is no store yet, nor a word whose it will be.
pub fn join_owner(config: &Config) -> Result<(), ConfinementError> {
    if !user::is_root() || config.user.is_some() {
        return leave_root(config);
    }
    let no_owner = || ConfinementError::NoOwner(config.state_dir.clone());
    let owner = User::owner_of(&config.state_dir).map_err(|_| no_owner())?;
    let owner = owner.ok_or_else(no_owner)?;
    if owner.is_present() {
        return Ok(());
    }
    let name = owner.name().to_owned();
    owner
        .embody()
        .map_err(|error| ConfinementError::Embody(name, error))
}

/// Gives up capabilities, system calls and files that a serving relay does not need.
///
/// # Errors
/// The kernel refuses, or what is left would not do to take a renewed node file.
pub fn confine(config: &Config) -> Result<Sandbox, ConfinementError> {
    let user = user::present();
    sandbox::give_up_capabilities()?;
    let confinement = if config.sandbox {
        let confinement = sandbox::confine(&needs(config))?;
        tell(confinement);
        confinement
    } else {
        warn!("The sandbox is off: whoever breaks into the relay can do what its user can");
        Confinement::default()
    };
    for file in [&config.file, &config.node_file] {
        std::fs::File::open(file)
            .map_err(|error| ConfinementError::Unreadable(file.clone(), user.clone(), error))?;
    }
    Ok(Sandbox {
        user,
        enabled: config.sandbox,
        seccomp: confinement.system_calls,
        landlock: confinement.landlock,
    })
}

/// The folders of a serving relay. Of its files it is the folder, because a renewed one is a new
/// file there; of the control socket too, because the file goes away with the relay.
fn needs(config: &Config) -> Paths {
    let node_file = config.node_file.canonicalize();
    let node_file = node_file.as_ref().unwrap_or(&config.node_file);
    Paths {
        read: vec![
            parent(node_file).to_owned(),
            parent(&config.node_file).to_owned(),
            parent(&config.file).to_owned(),
        ],
        write: vec![config.state_dir.clone()],
        remove: vec![parent(&config.control_socket).to_owned()],
        abstract_sockets: std::env::var_os("NOTIFY_SOCKET").is_some_and(|it| is_abstract(&it)),
    }
}

/// Some service managers listen on an abstract socket (sd_notify(3), `$NOTIFY_SOCKET`).
fn is_abstract(socket: &OsStr) -> bool {
    socket.as_bytes().starts_with(b"@")
}

fn tell(confinement: Confinement) {
    if confinement.landlock.is_none() {
        warn!("This kernel has no Landlock: files are guarded by their permissions alone");
    }
    if !confinement.system_calls {
        warn!("This kernel or processor has no filter for the relay's system calls");
    }
}

/// Every path here is absolute, so it lies in a folder.
fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
