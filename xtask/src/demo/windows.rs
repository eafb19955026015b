//! Host and client as Windows programs: the office PC's host is a service, and the client starts
//! a Windows program that lets FreeRDP through.
//!
//! The service leads to the port that the registry names, and leaves the registry as it was.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::deployment::{COMMAND_LIMIT, Deployment, HOME_PC, READY_LIMIT, viewer_arguments};
use super::desktop::{Desktop, Screen};
use super::stage::Stage;
use crate::exec::Call;
use crate::wine::Wine;

const TERMINAL_SERVER: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server";
const RDP_LISTENER: &str =
    r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server\WinStations\RDP-Tcp";

/// A key whose value changes with every start of a service.
const COUNTER: &str = r"\Control\ServiceCurrent]";

/// Host and client for Windows, and what runs them.
pub(super) struct Windows<'w> {
    pub(super) folder: PathBuf,
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
        self.service(stage, "remove")?;
        let state = self.office.drive_c().join("ProgramData/Tasuki");
        if state.exists() {
            fs::remove_dir_all(&state)?;
        }
        self.set(stage, RDP_LISTENER, "PortNumber", u32::from(rdp_port))?;
        self.set(stage, TERMINAL_SERVER, "fDenyTSConnections", 1)?;
        self.registry(stage)
    }

    /// Installs the host as a service, which starts it.
    pub(super) fn install(&self, stage: &Stage<'_>, before: &Registry) -> Result<()> {
        self.service(stage, "install")?;
        let said = self.service(stage, "status")?;
        ensure!(said.trim() == "running", "the service is {}", said.trim());
        // Without this the comparison afterwards would prove nothing.
        ensure!(self.registry(stage)? != *before, "nothing was installed");
        Ok(())
    }

    /// Takes the service away, and makes sure that nothing is left of it.
    pub(super) fn remove(&self, stage: &Stage<'_>, before: &Registry) -> Result<()> {
        self.service(stage, "stop")?;
        self.service(stage, "remove")?;
        let after = self.registry(stage)?;
        let left = after.0.iter().find(|line| !before.0.contains(line));
        ensure!(
            after == *before,
            "the service has left something in the registry, or taken something: {left:?}"
        );
        Ok(())
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
        let file = stage.path("registry.reg");
        let mut lines = Vec::new();
        for key in [r"HKLM\SYSTEM", r"HKLM\SOFTWARE"] {
            self.call(stage, Path::new("reg"))
                .args(["export", key, &Wine::path(&file), "/y"])
                .output(COMMAND_LIMIT)?;
            let bytes = fs::read(&file).context("reg has exported nothing")?;
            let units = bytes
                .chunks_exact(2)
                .filter_map(|unit| unit.try_into().ok());
            let text = String::from_utf16_lossy(&units.map(u16::from_le_bytes).collect::<Vec<_>>());
            lines.extend(text.lines().map(str::to_owned));
        }
        // It counts the services that were started.
        if let Some(at) = lines.iter().position(|line| line.ends_with(COUNTER)) {
            lines.drain(at..lines.len().min(at + 2));
        }
        ensure!(
            lines.len() > 1000,
            "the registry has {} lines only",
            lines.len()
        );
        Ok(Registry(lines))
    }
}

/// The registry at one moment.
#[derive(PartialEq, Eq)]
pub(super) struct Registry(Vec<String>);

impl Deployment<'_> {
    /// The host as a service, to which the registry tells where the desktop is.
    pub(super) fn start_service(
        &self,
        stage: &mut Stage<'_>,
        windows: &Windows<'_>,
        desktop: &Desktop,
    ) -> Result<Registry> {
        let before = windows.prepare(stage, desktop.rdp_port)?;
        self.introduce_host(|| windows.host(stage))?;
        windows.install(stage, &before)?;
        Self::wait_for_link(stage, |stage| windows.host(stage))?;
        Ok(before)
    }

    /// Starts the client, which starts a Windows program that lets FreeRDP through: only what
    /// the client has started may use its address.
    pub(super) fn start_windows_client(
        &self,
        stage: &mut Stage<'_>,
        screen: &Screen,
        windows: &Windows<'_>,
    ) -> Result<()> {
        let door = format!("127.0.0.1:{}", stage.free_port()?);
        let passage = Wine::path(&windows.folder.join("passage.exe"));
        let mut settings = toml::Table::new();
        settings.insert("viewer".to_owned(), passage.into());
        settings.insert("viewer_arguments".to_owned(), vec![door.clone()].into());
        fs::create_dir(stage.path(HOME_PC))?;
        let file = stage.path(HOME_PC).join("client.toml");
        fs::write(file, settings.to_string())?;
        let client = self.client(stage);
        stage.start("tasuki-client", client)?;
        stage.wait_for("the client's viewer", READY_LIMIT, |stage| {
            let said = fs::read_to_string(stage.path("tasuki-client.log"))?;
            Ok(said.contains("listening").then_some(()))
        })?;
        let viewer = stage
            .call("xfreerdp")
            .env("DISPLAY", &screen.display)
            .args(viewer_arguments())
            .arg(format!("/v:{door}"));
        stage.start("xfreerdp", viewer)
    }
}
