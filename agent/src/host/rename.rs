//! Another computer ID: the wish is noted, and a host that runs asks a relay for it.

use std::time::{Duration, Instant};

use protocol::id::ComputerId;

use super::control::{AskError, Request, ask};
use super::status::{Status, Trouble};
use crate::state::StateDir;

/// How long the relay gets to decide before nobody waits any more.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the running host is asked whether the relay has decided.
const INTERVAL: Duration = Duration::from_millis(200);

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renamed {
    /// The PC had this ID.
    Already,
    Done,
    /// The relay said no; what it has stays.
    Refused {
        held: Option<String>,
        trouble: Option<Trouble>,
    },
    /// No host runs; it will ask when it does.
    Later,
    /// The relay has not answered yet, and the host keeps asking.
    Undecided,
}

/// Asks for `new`, and waits for a while. Not for asynchronous code.
pub fn rename(dir: &StateDir, new: &ComputerId) -> Result<Renamed, AskError> {
    let host = dir.host()?;
    let held = host.claim()?.map(|signed| signed.claim.computer_id);
    if held.as_ref() == Some(new) {
        host.set_wish(None)?;
        return Ok(Renamed::Already);
    }
    host.set_wish(Some(new))?;
    let folder = dir.host_folder();
    if ask(&folder, Request::Reload)?.is_none() {
        return Ok(Renamed::Later);
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        // The relay's answer has no event that reaches this process; the host is asked.
        std::thread::sleep(INTERVAL);
        let Some(status) = ask(&folder, Request::Status)? else {
            break;
        };
        if let Some(renamed) = decided(status, new) {
            return Ok(renamed);
        }
    }
    Ok(Renamed::Undecided)
}

fn decided(status: Status, new: &ComputerId) -> Option<Renamed> {
    if status.computer_id.as_deref() == Some(new.as_str()) {
        return Some(Renamed::Done);
    }
    // Linked again and without the wish: the host gives one up only when the relay refused it.
    let is_refused = status.wish.is_none() && status.link.is_some();
    is_refused.then_some(Renamed::Refused {
        held: status.computer_id,
        trouble: status.trouble,
    })
}
