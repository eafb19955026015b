//! Windows 10 and later. What has no safe call lies in the crate `agent-windows`.

mod access;
pub(crate) mod autostart;
mod control;
mod descent;
mod event_log;
mod minimize;
mod network;
mod peer;
mod proxy;
pub(crate) mod service;
pub(crate) mod settings;
mod settings_layout;
pub(crate) mod window;

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use access::{make_private_folder, open_private, open_public};
pub(crate) use agent_windows::power::Awake;
use agent_windows::{clock, folder, power, process, secret};
pub(crate) use control::{ControlListener, reach_control};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
pub(crate) use minimize::minimize;
pub use network::NetworkChanges;
pub use peer::is_peer_allowed;
pub(crate) use proxy::ProxySystem;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use zeroize::Zeroizing;

/// The RDP program that is started if nothing else is said.
pub(crate) const VIEWER: &str = "mstsc";
/// Where state lies, for those who ask for help.
pub(crate) const STATE_HELP: &str =
    "%ProgramData%\\Tasuki for an administrator, otherwise %LocalAppData%\\Tasuki";
/// What starts a host.
pub(crate) const RUN_HELP: &str =
    "tasuki-host service install (administrators) or tasuki-host run --desktop";

/// Silence before Windows asks whether the peer is there; it asks ten times.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);

/// Makes a connection notice a dead peer, and send small writes at once. Bytes that stay
/// unacknowledged end it after about 20 s by Windows' own rules.
pub(crate) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_INTERVAL);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

pub(crate) fn host_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

/// Where state lives if nobody says otherwise.
pub(crate) fn state_root() -> Option<PathBuf> {
    if process::is_elevated().ok()? {
        return system_root();
    }
    let local = std::env::var_os("LOCALAPPDATA").map(PathBuf::from)?;
    local.is_absolute().then(|| local.join("Tasuki"))
}

/// Where the host that runs as a service keeps its state.
pub(crate) fn system_root() -> Option<PathBuf> {
    let data = std::env::var_os("ProgramData").map(PathBuf::from)?;
    data.is_absolute().then(|| data.join("Tasuki"))
}

/// NTFS keeps names of files in a journal of its own; there is nothing to ask for.
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
pub(crate) fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Bytes that can be read on this PC only (DPAPI): a stolen file alone tells nothing.
pub(crate) fn protect(bytes: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    secret::protect(bytes).map(Zeroizing::new)
}

/// The bytes that were given to [`protect`].
#[expect(
    clippy::needless_pass_by_value,
    reason = "elsewhere it gives them back"
)]
pub(crate) fn unprotect(bytes: Zeroizing<Vec<u8>>) -> io::Result<Zeroizing<Vec<u8>>> {
    secret::unprotect(&bytes)
}

/// Ends when somebody wants this program to end; listens from the call on. A service is told
/// in another way.
pub(crate) fn asked_to_stop() -> io::Result<impl Future<Output = ()>> {
    let (mut c, mut pause) = (ctrl_c()?, ctrl_break()?);
    let (mut close, mut shutdown) = (ctrl_close()?, ctrl_shutdown()?);
    Ok(async move {
        tokio::select! {
            _ = c.recv() => {}
            _ = pause.recv() => {}
            _ = close.recv() => {}
            _ = shutdown.recv() => {}
        }
    })
}

/// What Windows starts as a service knows that by itself.
pub(crate) fn stopped_by() -> Option<String> {
    None
}

/// With somebody listening, Ctrl-C ends a prompt with an error instead of the program at once,
/// and the terminal shows again what is typed. Needs a runtime; goes on when that has gone.
pub(crate) fn survive_ctrl_c() -> io::Result<()> {
    ctrl_c().map(drop)
}

/// Where warnings of the service go: the event log.
pub(crate) fn service_log() -> io::Result<Option<BoxMakeWriter>> {
    let events = event_log::Events::open()?;
    Ok(Some(BoxMakeWriter::new(events)))
}

/// The port of this PC's RDP server, if somebody has chosen one.
pub(crate) fn desktop_port() -> Option<u16> {
    service::port()
}

/// From now on this PC does not fall asleep by itself, until what is returned is dropped. Whoever
/// wonders types `powercfg /requests`.
pub(crate) fn keep_awake() -> io::Result<Awake> {
    power::keep_awake("Tasuki keeps this PC reachable from home.")
}

/// What the clock on the wall goes by at a time. Windows is asked, since it has no time zones
/// as others know them, and this program brings none along.
pub(crate) fn time_zone(at: Timestamp) -> TimeZone {
    let ahead = clock::ahead_of_utc(at.as_second()).ok();
    let offset = ahead.and_then(|seconds| Offset::from_seconds(seconds).ok());
    offset.map_or(TimeZone::UTC, TimeZone::fixed)
}

/// The file that a viewer takes its settings from: `mstsc /v:` has no other way to hear of
/// redirections. Other viewers are told by arguments.
pub(crate) fn viewer_settings(program: &str) -> io::Result<Option<PathBuf>> {
    let name = Path::new(program).file_stem();
    if !name.is_some_and(|name| name.eq_ignore_ascii_case(VIEWER)) {
        return Ok(None);
    }
    Ok(Some(folder::documents()?.join("Default.rdp")))
}

/// Whether a host that runs as a service keeps this user from running another one: its
/// settings and its state are an administrator's.
pub(crate) fn is_guarded() -> bool {
    service::is_installed() && !process::is_elevated().unwrap_or(false)
}

/// Numbers mean nothing between programs here; standard input does.
pub(crate) fn open_descriptor(_number: u32) -> io::Result<File> {
    Err(io::Error::new(
        ErrorKind::Unsupported,
        "on Windows only 0, the standard input",
    ))
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}
