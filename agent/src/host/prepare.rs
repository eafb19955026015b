//! A PC becomes an office PC: its entry file, its identity, the computer ID that it will ask for.

use protocol::file::entry::Entry;
use protocol::id::ComputerId;

use crate::platform::propose_computer_id;
use crate::state::{HostState, StateError};

/// What an office PC has then.
#[derive(Debug)]
pub struct Prepared {
    /// The entry file in force.
    pub entry: Entry,
    /// The identity was made just now.
    pub is_new: bool,
    /// The computer ID that a relay has granted.
    pub held: Option<ComputerId>,
    /// The one that it will ask for.
    pub wish: Option<ComputerId>,
}

/// Takes an entry file over, makes the identity, and settles on a computer ID: `id`, or what this
/// PC has or has asked for, or a readable one. Again, it takes a newer entry file over.
pub fn prepare(
    host: &HostState,
    entry: &str,
    id: Option<&ComputerId>,
) -> Result<Prepared, StateError> {
    let entry = host.adopt_entry(entry)?;
    let is_new = host.existing_identity()?.is_none();
    host.identity()?;
    let held = host.claim()?.map(|signed| signed.claim.computer_id);
    let wish = match (id, &held) {
        (Some(id), Some(held)) if id == held => None,
        (Some(id), _) => Some(id.clone()),
        (None, Some(_)) => host.wish()?,
        (None, None) => Some(host.wish()?.unwrap_or_else(propose_computer_id)),
    };
    host.set_wish(wish.as_ref())?;
    Ok(Prepared {
        entry,
        is_new,
        held,
        wish,
    })
}
