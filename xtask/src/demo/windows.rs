//! Host and client as Windows programs: the office PC's host is a service, and the client starts
//! a Windows program that lets FreeRDP through.
//!
//! The service leads to the port that the registry names, and leaves the registry as it was.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

mod setup;
mod user_setup;

pub(super) use self::setup::{Installers, NEXT};
use super::deployment::{COMMAND_LIMIT, Deployment, HOME_PC, READY_LIMIT, viewer_arguments};
use super::desktop::Screen;
use super::stage::Stage;
use crate::exec::{Call, Finished};
use crate::wine::Wine;

const TERMINAL_SERVER: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server";
const RDP_LISTENER: &str =
    r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server\WinStations\RDP-Tcp";

/// How the viewer of an RDP desktop begins ([MS-RDPBCGR] 2.2.1.1): a server answers this.
pub(super) const HELLO: [u8; 19] = [3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 1, 0, 0, 0];
/// What the client says when it drops a stranger.
const DROPPED: &str = "Another program knocked at the viewer's door; dropped";
const DROP_LIMIT: Duration = Duration::from_secs(20);

/// What the client is told to lend of the home PC, and nothing else.
const LENT: &str = "sound,drives";
/// Settings of `mstsc` before that, and what has to stand there until the viewer has connected.
const SETTINGS: &str = "session bpp:i:32\r\naudiomode:i:2\r\nredirectclipboard:i:1\r\n";
const SETTINGS_MEANWHILE: &str = "session bpp:i:32\r\naudiomode:i:0\r\nredirectclipboard:i:0\r\n\
    audiocapturemode:i:0\r\ncamerastoredirect:s:\r\nredirectprinters:i:0\r\n\
    drivestoredirect:s:*\r\n";

/// What Windows keeps for itself: a count of the services that were started, what to delete at the
/// next start (an uninstaller's copy of itself), and the screen, which Wine describes once somebody
/// opens a window.
const OWN: [&str; 7] = [
    r"\Control\ServiceCurrent",
    r"\Control\Class\",
    r"\Control\DeviceClasses\",
    r"\Control\Session Manager]",
    r"\Control\Video",
    r"\Enum\",
    r"\Hardware Profiles\Current\System",
];

/// Host and client for Windows, and what runs them.
pub(super) struct Windows<'w> {
    pub(super) folder: PathBuf,
    pub(super) installers: Installers,
    pub(super) user_installers: Installers,
    pub(super) office: Wine<'w>,
    pub(super) home: Wine<'w>,
}

impl Windows<'_> {
    fn host<'a>(&self, stage: &Stage<'a>) -> Call<'a> {
        self.call(stage, &self.folder.join("tasuki-host.exe"))
    }

    /// A call of a program on the office PC.
    fn call<'a>(&self, stage: &Stage<'a>, program: &Path) -> Call<'a> {
        self.office.call(|loader| stage.call(loader), program)
    }

    /// A call of the client on the home PC.
    pub(super) fn client<'a>(&self, stage: &Stage<'a>) -> Call<'a> {
        let program = self.folder.join("tasuki-client.exe");
        self.home.call(|loader| stage.call(loader), &program)
    }

    /// Brings a Windows in which an earlier run may have ended early back to how it was, and
    /// gives it an RDP server on `rdp_port`, switched off.
    pub(super) fn prepare(&self, stage: &Stage<'_>, rdp_port: u16) -> Result<Registry> {
        // Also a service that is not there is removed without a complaint.
        self.service(stage, "remove")?;
        self.uninstall_leftovers()?;
        let state = self.state();
        if state.exists() {
            fs::remove_dir_all(&state)?;
        }
        self.set(stage, RDP_LISTENER, "PortNumber", u32::from(rdp_port))?;
        self.set(stage, TERMINAL_SERVER, "fDenyTSConnections", 1)?;
        self.registry(stage)
    }

    /// Where the service keeps its state, as this machine sees it.
    fn state(&self) -> PathBuf {
        self.office.drive_c().join("ProgramData/Tasuki")
    }

    /// An office PC that nobody has prepared gets no service, and nothing else either.
    fn refuse_unprepared(&self, stage: &Stage<'_>, before: &Registry) -> Result<()> {
        self.refused(stage, "install", "not prepared yet")?;
        before.is_like(&self.registry(stage)?, "an installation that was refused")
    }

    /// A program that every user may change does not become a service.
    fn refuse_open(&self, stage: &Stage<'_>) -> Result<()> {
        let folder = stage.path("open-to-all");
        fs::create_dir(&folder)?;
        let program = folder.join("tasuki-host.exe");
        fs::copy(self.folder.join("tasuki-host.exe"), &program)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o777))?;
        let call = self.call(stage, &program).args(["service", "install"]);
        is_refused(
            &call.finish(COMMAND_LIMIT)?,
            "every user of this PC may change",
        )
    }

    /// Installs the host as a service, which starts it.
    fn install(&self, stage: &Stage<'_>, before: &Registry) -> Result<()> {
        let said = self.service(stage, "install")?;
        ensure!(said.contains("is installed"), "install says: {said}");
        self.is(stage, "running")?;
        // Without this the comparison afterwards would prove nothing.
        ensure!(self.registry(stage)? != *before, "nothing was installed");
        Ok(())
    }

    /// Each way in which a service ends and begins; it has to be linked again after each.
    fn live(&self, stage: &mut Stage<'_>) -> Result<()> {
        let linked = |stage: &mut Stage<'_>| {
            self.is(stage, "running")?;
            Deployment::wait_for_link(stage, |stage| self.host(stage))
        };
        // Windows would start it again.
        let call = self.host(stage).arg("stop");
        is_refused(&call.finish(COMMAND_LIMIT)?, "tasuki-host service stop")?;
        linked(stage)?;

        self.service(stage, "stop")?;
        self.is(stage, "stopped")?;
        self.service(stage, "stop")
            .context("a service that has stopped may be stopped")?;
        self.service(stage, "start")?;
        linked(stage)?;
        self.service(stage, "start")
            .context("a service that runs may be started")?;
        let said = self.service(stage, "install")?;
        ensure!(said.contains("is up to date"), "install says: {said}");
        linked(stage)?;

        // What is left of a killed host, lock and pipe, must not be in the way of the next one.
        // Wine 8 neither starts it again nor notices that it has gone.
        self.call(stage, Path::new("taskkill"))
            .args(["/f", "/im", "tasuki-host.exe"])
            .output(COMMAND_LIMIT)?;
        let status = self.host(stage).arg("status").finish(COMMAND_LIMIT)?;
        ensure!(!status.status.success(), "killed, and still there");
        self.service(stage, "start")?;
        linked(stage)?;

        self.service(stage, "stop")?;
        let settings = self.state().join("host.toml");
        fs::write(&settings, "no_such_setting = 1\n")?;
        self.refused(stage, "start", "ended as soon as it was started")?;
        self.is(stage, "stopped")?;
        fs::remove_file(&settings)?;
        self.service(stage, "start")?;
        linked(stage)
    }

    fn is(&self, stage: &Stage<'_>, wanted: &str) -> Result<()> {
        let status = self.host(stage).args(["service", "status"]);
        let finished = status.finish(COMMAND_LIMIT)?;
        let said = finished.stdout.trim();
        ensure!(said == wanted, "the service is {said} and not {wanted}");
        ensure!(
            finished.status.success() == (wanted == "running"),
            "{said}, and the exit code says something else"
        );
        Ok(())
    }

    /// A command that has to fail, and to say why.
    fn refused(&self, stage: &Stage<'_>, command: &str, why: &str) -> Result<()> {
        let call = self.host(stage).args(["service", command]);
        is_refused(&call.finish(COMMAND_LIMIT)?, why)
    }

    /// Takes the service away, and makes sure that nothing is left of it.
    pub(super) fn remove(&self, stage: &Stage<'_>, before: &Registry) -> Result<()> {
        self.service(stage, "stop")?;
        self.service(stage, "remove")?;
        before.is_like(&self.registry(stage)?, "the service")
    }

    /// Only what the client has started may use its address: no program of Linux may, and no
    /// Windows program of the same user.
    fn keep_strangers_out(&self, stage: &mut Stage<'_>, target: &str) -> Result<()> {
        ensure!(!is_answered(target)?, "the client has let a stranger in");
        let door = format!("127.0.0.1:{}", stage.free_port()?);
        let program = self.folder.join("passage.exe");
        let stranger = self.home.call(|loader| stage.call(loader), &program);
        stage.start("stranger", stranger.args([&door, &format!("/v:{target}")]))?;
        wait_for_passage(stage, "stranger")?;
        ensure!(
            !is_answered(&door)?,
            "the client has let a program in that it has not started"
        );
        stage.wait_for("the client's word about strangers", DROP_LIMIT, |stage| {
            let said = fs::read_to_string(stage.path("tasuki-client.log"))?;
            Ok((said.matches(DROPPED).count() == 2).then_some(()))
        })
    }

    fn service(&self, stage: &Stage<'_>, command: &str) -> Result<String> {
        self.host(stage)
            .args(["service", command])
            .output(COMMAND_LIMIT)
    }

    fn set(&self, stage: &Stage<'_>, key: &str, name: &str, value: u32) -> Result<()> {
        self.call(stage, Path::new("reg"))
            .args(["add", key, "/v", name, "/t", "REG_DWORD", "/f", "/d"])
            .arg(value.to_string())
            .output(COMMAND_LIMIT)?;
        Ok(())
    }

    /// Everything under HKLM that outlives a start of Windows.
    fn registry(&self, stage: &Stage<'_>) -> Result<Registry> {
        let registry = self.registry_of(stage, &[r"HKLM\SYSTEM", r"HKLM\SOFTWARE"])?;
        let lines = registry.0.len();
        ensure!(lines > 1000, "the registry has {lines} lines only");
        Ok(registry)
    }

    /// Everything under some keys.
    fn registry_of(&self, stage: &Stage<'_>, keys: &[&str]) -> Result<Registry> {
        let file = stage.path("registry.reg");
        let mut lines = Vec::new();
        for key in keys {
            self.call(stage, Path::new("reg"))
                .args(["export", key, &Wine::path(&file), "/y"])
                .output(COMMAND_LIMIT)?;
            let bytes = fs::read(&file).context("reg has exported nothing")?;
            let units = bytes
                .chunks_exact(2)
                .filter_map(|unit| unit.try_into().ok());
            let text = String::from_utf16_lossy(&units.map(u16::from_le_bytes).collect::<Vec<_>>());
            let mut is_own = false;
            for line in text.lines() {
                if line.starts_with('[') {
                    is_own = OWN.iter().any(|key| line.contains(key));
                }
                if !is_own {
                    lines.push(line.to_owned());
                }
            }
        }
        Ok(Registry(lines))
    }
}

/// Fails unless a command has failed, and has said why.
fn is_refused(finished: &Finished, why: &str) -> Result<()> {
    ensure!(
        !finished.status.success() && finished.stderr.contains(why),
        "it was not refused because of '{why}': {}",
        finished.stderr
    );
    Ok(())
}

/// The address that a passage leads to, once it listens; `name` is whose log tells.
fn wait_for_passage(stage: &mut Stage<'_>, name: &str) -> Result<String> {
    let log = stage.path(&format!("{name}.log"));
    stage.wait_for("a passage for the viewer", READY_LIMIT, |_| {
        let said = fs::read_to_string(&log)?;
        let line = said
            .lines()
            .find_map(|line| line.strip_prefix("listening for "));
        Ok(line.map(|target| target.trim().to_owned()))
    })
}

/// Whether an RDP server answers there.
pub(super) fn is_answered(address: &str) -> Result<bool> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("no way to {address}"))?;
    stream.set_read_timeout(Some(DROP_LIMIT))?;
    // It may be closed at once.
    let _ = stream.write_all(&HELLO);
    Ok(stream.read(&mut [0; 64]).is_ok_and(|read| read > 0))
}

/// The registry at one moment.
#[derive(PartialEq, Eq)]
pub(super) struct Registry(Vec<String>);

impl Registry {
    /// Fails when `after` says something else.
    fn is_like(&self, after: &Self, whose: &str) -> Result<()> {
        let left = after.0.iter().find(|line| !self.0.contains(line));
        let taken = self.0.iter().find(|line| !after.0.contains(line));
        ensure!(
            self == after,
            "{whose} has left {left:?} in the registry, or taken {taken:?} away"
        );
        Ok(())
    }
}

impl Deployment<'_> {
    /// The host as a service, to which the registry tells where the desktop is.
    pub(super) fn start_service(
        &self,
        stage: &mut Stage<'_>,
        windows: &Windows<'_>,
        before: &Registry,
    ) -> Result<()> {
        windows.refuse_unprepared(stage, before)?;
        let entry_file = self.programs.path(&self.entry_file);
        self.introduce_host(entry_file, || windows.host(stage))?;
        windows.refuse_open(stage)?;
        windows.install(stage, before)?;
        Self::wait_for_link(stage, |stage| windows.host(stage))?;
        windows.live(stage)
    }

    /// Starts the client, which starts a Windows program that lets FreeRDP through: only what
    /// the client has started may use its address. The program has the name of Windows' own
    /// viewer, whose settings hold until it has connected.
    pub(super) fn start_windows_client(
        &self,
        stage: &mut Stage<'_>,
        screen: &Screen,
        windows: &Windows<'_>,
    ) -> Result<()> {
        let door = format!("127.0.0.1:{}", stage.free_port()?);
        let viewer = stage.path("mstsc.exe");
        fs::copy(windows.folder.join("passage.exe"), &viewer)?;
        let rdp = windows.home.documents()?.join("Default.rdp");
        fs::write(&rdp, SETTINGS)?;
        let mut settings = toml::Table::new();
        settings.insert("viewer".to_owned(), Wine::path(&viewer).into());
        settings.insert("viewer_arguments".to_owned(), vec![door.clone()].into());
        fs::create_dir(stage.path(HOME_PC))?;
        let file = stage.path(HOME_PC).join("client.toml");
        fs::write(file, settings.to_string())?;
        let client = self.client(stage).args(["--redirect", LENT]);
        stage.start("tasuki-client", client)?;
        let target = wait_for_passage(stage, "tasuki-client")?;
        windows.keep_strangers_out(stage, &target)?;
        let said = fs::read_to_string(&rdp)?;
        ensure!(said == SETTINGS_MEANWHILE, "the viewer's settings: {said}");
        let viewer = stage
            .call("xfreerdp")
            .env("DISPLAY", &screen.display)
            .args(viewer_arguments())
            .arg(format!("/v:{door}"));
        stage.start("xfreerdp", viewer)?;
        stage.wait_for("the viewer's settings as before", READY_LIMIT, |_| {
            Ok((fs::read_to_string(&rdp)? == SETTINGS).then_some(()))
        })?;
        fs::remove_file(&rdp)?;
        Ok(())
    }
}
