//! Where the window looks for a newer version of its program.

use crate::config::ClientConfig;
use crate::state::StateDir;
use crate::update::Lookout;

/// None: it is switched off, or nobody has said where. What is wrong with the settings or the
/// entry file is told by the connection that needs them.
pub fn lookout(dir: &StateDir) -> Option<Lookout> {
    let config = ClientConfig::load(&dir.path().join("client.toml")).ok()?;
    if !config.updates {
        return None;
    }
    let client = dir.client().ok()?;
    let entry = client.newest_entry().ok()??;
    Some(client.lookout(&entry, &config.proxy, &config.user_agent))
}
