//! Tells when the office PC asked for is this very PC: a desktop inside itself helps nobody.

use std::path::Path;

use protocol::id::HostKey;

use crate::platform;
use crate::state::StateDir;

/// Whether a host on this PC, with this state directory or the system's, has `key`.
pub(super) fn is_here(key: &HostKey, state: &StateDir) -> bool {
    let system = platform::system_root();
    [Some(state.path()), system.as_deref()]
        .into_iter()
        .flatten()
        .any(|root| host_key(root).as_ref() == Some(key))
}

/// The key that a host here would show. A file that is not there or not readable says
/// nothing, and then the password check decides.
fn host_key(root: &Path) -> Option<HostKey> {
    let text = std::fs::read_to_string(root.join("host").join("identity.pub")).ok()?;
    text.trim().parse().ok()
}
