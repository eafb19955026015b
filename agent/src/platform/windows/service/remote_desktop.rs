//! The RDP server of Windows: on which port it listens, and whether it does at all.
//!
//! Switching it on lets it listen on loopback too; who may reach it from the network is for
//! the firewall to say, whose rules stay as they are.

use windows_registry::{Key, LOCAL_MACHINE};

use super::ServiceError;

const SERVER: &str = r"SYSTEM\CurrentControlSet\Control\Terminal Server";
const LISTENER: &str = r"SYSTEM\CurrentControlSet\Control\Terminal Server\WinStations\RDP-Tcp";
const PORT: &str = "PortNumber";
const DENY: &str = "fDenyTSConnections";

const WINDOWS: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion";
/// Core, CoreN, CoreSingleLanguage, CoreCountrySpecific: the editions that are sold as Home.
const HOME: &str = "Core";

/// What is put back one day.
pub(super) const OURS: &str = r"SOFTWARE\Tasuki";
const WAS_DENIED: &str = "RemoteDesktopWasOff";

/// The port that the RDP server listens on, if somebody has chosen one.
pub(crate) fn port() -> Option<u16> {
    let port = LOCAL_MACHINE.open(LISTENER).ok()?.get_u32(PORT).ok()?;
    u16::try_from(port).ok().filter(|port| *port != 0)
}

/// Switches the RDP server on, if it is off, and notes that.
pub(super) fn switch_on() -> Result<(), ServiceError> {
    if is_home() {
        return Err(ServiceError::NoRemoteDesktop);
    }
    let failed = || ServiceError::registry("to let the RDP server listen");
    let server = LOCAL_MACHINE.create(SERVER).map_err(failed())?;
    if !is_denied(&server) {
        return Ok(());
    }
    // The note comes first: a change without it would stay for ever.
    let note = LOCAL_MACHINE.create(OURS).map_err(failed())?;
    note.set_u32(WAS_DENIED, 1).map_err(failed())?;
    server.set_u32(DENY, 0).map_err(failed())
}

/// Switches the RDP server off again, if it was off before.
pub(super) fn put_back() -> Result<(), ServiceError> {
    let Ok(note) = LOCAL_MACHINE.open(OURS) else {
        return Ok(());
    };
    if note.get_u32(WAS_DENIED).is_ok_and(|value| value == 1) {
        let failed = || ServiceError::registry("to switch the RDP server off again");
        let server = LOCAL_MACHINE.create(SERVER).map_err(failed())?;
        server.set_u32(DENY, 1).map_err(failed())?;
    }
    let failed = ServiceError::registry("to forget what was changed");
    LOCAL_MACHINE.remove_tree(OURS).map_err(failed)
}

/// Windows takes a value that is not there for a yes.
fn is_denied(server: &Key) -> bool {
    !server.get_u32(DENY).is_ok_and(|value| value == 0)
}

fn is_home() -> bool {
    let edition = LOCAL_MACHINE
        .open(WINDOWS)
        .and_then(|windows| windows.get_string("EditionID"));
    edition.is_ok_and(|edition| edition.starts_with(HOME))
}
