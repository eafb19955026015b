//! Linux.

mod control;
mod network;
mod peer;
mod proxy;
mod unit;

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use control::{ControlListener, reach_control};
use jiff::Timestamp;
use jiff::tz::TimeZone;
pub use network::NetworkChanges;
pub use peer::is_peer_allowed;
pub(crate) use proxy::ProxySystem;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
pub(crate) use unit::stopped_by;
use zeroize::Zeroizing;

/// The RDP program that is started if nothing else is said.
pub(crate) const VIEWER: &str = "xfreerdp";
/// Where state lies, for those who ask for help.
pub(crate) const STATE_HELP: &str = "/var/lib/tasuki for root, otherwise ~/.local/state/tasuki";
/// What starts a host.
pub(crate) const RUN_HELP: &str = "tasuki-host run";
/// Where the state of a host lies that root runs.
const SYSTEM_ROOT: &str = "/var/lib/tasuki";

/// Silence before the kernel asks whether the peer is there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TRIES: u32 = 3;
/// Bytes unacknowledged for this long mean that the path is dead (tcp(7), TCP_USER_TIMEOUT).
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// Makes a connection notice a dead peer, and send small writes at once.
pub(crate) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_TRIES);
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))
}

pub(crate) fn host_name() -> Option<String> {
    nix::unistd::gethostname().ok()?.into_string().ok()
}

/// Where state lives if nobody says otherwise (XDG Base Directory Specification).
pub(crate) fn state_root() -> Option<PathBuf> {
    if nix::unistd::geteuid().is_root() {
        return system_root();
    }
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    // A relative path there is to be ignored, says the specification.
    let state = state.filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(std::env::home_dir()?.join(".local/state")));
    Some(state?.join("tasuki"))
}

/// Where a host that runs as a service keeps its state.
pub(crate) fn system_root() -> Option<PathBuf> {
    Some(PathBuf::from(SYSTEM_ROOT))
}

/// The bytes as they are: rights to files are what keeps secrets here.
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
pub(crate) fn protect(bytes: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    Ok(Zeroizing::new(bytes.to_vec()))
}

/// The bytes that were given to [`protect`].
pub(crate) fn unprotect(bytes: Zeroizing<Vec<u8>>) -> io::Result<Zeroizing<Vec<u8>>> {
    Ok(bytes)
}

/// Ends when somebody wants this program to end; listens from the call on.
pub(crate) fn asked_to_stop() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// With somebody listening, Ctrl-C ends a prompt with an error instead of the program at once,
/// and the terminal shows again what is typed. Needs a runtime; goes on when that has gone.
pub(crate) fn survive_ctrl_c() -> io::Result<()> {
    signal(SignalKind::interrupt()).map(drop)
}

/// Where lines of a service go; systemd reads standard error.
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
pub(crate) fn service_log() -> io::Result<Option<BoxMakeWriter>> {
    Ok(None)
}

/// The port of this PC's desktop service, if somebody has chosen one.
pub(crate) fn desktop_port() -> Option<u16> {
    None
}

/// A program has no say here: what lets this PC sleep is the desktop's or systemd's matter.
#[derive(Debug)]
pub(crate) struct Awake;

#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
pub(crate) fn keep_awake() -> io::Result<Awake> {
    Ok(Awake)
}

/// What the clock on the wall goes by.
pub(crate) fn time_zone(_at: Timestamp) -> TimeZone {
    TimeZone::system()
}

/// The file that a viewer takes its settings from. FreeRDP is told by arguments.
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
pub(crate) fn viewer_settings(_program: &str) -> io::Result<Option<PathBuf>> {
    Ok(None)
}

/// Each desktop has its own way for windows of others, and Wayland none: FreeRDP's own keys
/// (Ctrl+Alt+Enter) do it here.
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
pub(crate) fn minimize(_process: u32) -> io::Result<usize> {
    Ok(0)
}

/// Whether a host that runs as a service keeps this user from running another one. Here it
/// does not: who may run what is for the administrator to say.
pub(crate) fn is_guarded() -> bool {
    false
}

/// What a shell has opened for this program under a number.
pub(crate) fn open_descriptor(number: u32) -> io::Result<File> {
    File::open(format!("/dev/fd/{number}"))
}

/// Makes a folder, and takes everybody else's rights to it away.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let mode = path.metadata()?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// Opens a file for reading and writing, making it if needed; only the owner may open it.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    open(path, 0o600)
}

/// The same, but everybody may read it.
pub(crate) fn open_public(path: &Path) -> io::Result<File> {
    open(path, 0o644)
}

fn open(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(mode);
    let file = options.open(path)?;
    // The mask of the process, or an older file, may have said otherwise.
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

/// Flushes names of files, which are content of their folder (fsync(2)).
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn tuned_socket_notices_a_dead_peer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("is bound");
        let stream = TcpStream::connect(address).await.expect("connects");

        tune(&stream).expect("tunes");

        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().expect("reads"));
        assert!(socket.keepalive().expect("reads"));
        assert_eq!(
            socket.tcp_user_timeout().expect("reads"),
            Some(UNACKNOWLEDGED_MAX)
        );
    }

    #[test]
    fn folder_that_others_could_read_is_closed_to_them() {
        let root = tempfile::tempdir().expect("temporary folder");
        let path = root.path().join("open");
        DirBuilder::new().mode(0o755).create(&path).expect("makes");

        make_private_folder(&path).expect("closes");

        let mode = path.metadata().expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
