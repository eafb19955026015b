//! Landlock: the files that can be opened, and no TCP port, signal or abstract socket beyond.
//!
//! See `landlock(7)`. Whatever is open when the rules are set stays usable: the listeners, the
//! log, the control socket.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus,
    PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope,
};

/// The newest version that these rules were written for; an older kernel enforces what it knows.
const NEWEST: ABI = ABI::V6;

/// Folders that stay open to the process; those that do not exist are left out.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    /// Files below can be read.
    pub read: Vec<PathBuf>,
    /// Files below can be made, read, written, renamed and removed.
    pub write: Vec<PathBuf>,
    /// Files directly there can be removed.
    pub remove: Vec<PathBuf>,
    /// Abstract Unix sockets of other processes can be reached.
    pub abstract_sockets: bool,
}

/// Sets the rules for this thread and all that it will start. Returns the version enforced.
pub(super) fn restrict(paths: &Paths) -> Result<Option<u32>, String> {
    let status = enforce(paths).map_err(|error| error.to_string())?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => None,
        (_, LandlockStatus::Available { effective_abi, .. }) => {
            effective_abi.to_string().parse().ok()
        }
        (_, LandlockStatus::NotEnabled | LandlockStatus::NotImplemented) => None,
    })
}

fn enforce(paths: &Paths) -> Result<RestrictionStatus, RulesetError> {
    let mut scopes = BitFlags::from(Scope::Signal);
    if !paths.abstract_sockets {
        scopes |= Scope::AbstractUnixSocket;
    }
    // No rule names a port: the listeners are bound by now, and a relay never dials.
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(scopes)?
        .create()?;
    let read = AccessFs::ReadFile.into();
    let write = AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile;
    let remove = AccessFs::RemoveFile.into();
    for (paths, access) in [
        (&paths.read, read),
        (&paths.write, write),
        (&paths.remove, remove),
    ] {
        for path in paths {
            if let Ok(folder) = PathFd::new(path) {
                ruleset = ruleset.add_rule(PathBeneath::new(folder, access))?;
            }
        }
    }
    // What status and metrics tell of ourselves.
    if let Ok(own) = PathFd::new("/proc/self") {
        ruleset = ruleset.add_rule(PathBeneath::new(&own, read | AccessFs::ReadDir))?;
        // A rule is tied to an inode, and procfs makes new ones when the kernel reclaims memory,
        // unless somebody holds the folder open.
        std::mem::forget(own);
    }
    ruleset.restrict_self()
}
