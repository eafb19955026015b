//! Tells when the office PC asked for is this very PC: a desktop inside itself helps nobody.

use std::path::Path;

use protocol::id::HostKey;

use crate::state::StateDir;

/// Where a host that runs as a service keeps its state.
const SYSTEM_ROOT: &str = "/var/lib/tasuki";

/// Whether a host on this PC, with this state directory or the system's, has `key`.
pub(super) fn is_here(key: &HostKey, state: &StateDir) -> bool {
    [state.path(), Path::new(SYSTEM_ROOT)]
        .into_iter()
        .any(|root| host_key(root).as_ref() == Some(key))
}

/// The key that a host here would show. A file that is not there or not readable says
/// nothing, and then the password check decides.
fn host_key(root: &Path) -> Option<HostKey> {
    let text = std::fs::read_to_string(root.join("host").join("identity.pub")).ok()?;
    text.trim().parse().ok()
}
