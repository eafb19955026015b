//! Installs, starts, stops and removes the service.

use std::ffi::OsString;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use agent_windows::process;
use windows_registry::LOCAL_MACHINE;
use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceErrorControl,
    ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo, ServiceSidType,
    ServiceStartType, ServiceState, ServiceType,
};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};

use super::super::access::is_open_to_users;
use super::{DISPLAY_NAME, EVENT_SOURCE, NAME, ServiceError, remote_desktop};

const DESCRIPTION: &str = "Makes this PC reachable from home, through a relay that cannot see \
    what passes.";
/// It may do little; the rights to its folder go to the service itself.
const ACCOUNT: &str = r"NT AUTHORITY\LocalService";
/// How long the service may take to start or to say good-bye. On a busy PC Windows itself gives it
/// 30 seconds until it has to say a word.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);
/// After each failure it is started again, soon at first; a day without one counts as none.
const RESTARTS_S: [u64; 3] = [1, 10, 60];
const FAILURES_FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

const EVENT_SOURCES: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application";
/// Errors, warnings and information (EVENTLOG_*_TYPE).
const EVENT_TYPES: u32 = 1 | 2 | 4;

/// ERROR_INVALID_LEVEL.
const INVALID_LEVEL: i32 = 124;
/// ERROR_SERVICE_DOES_NOT_EXIST.
const DOES_NOT_EXIST: i32 = 1060;
/// ERROR_SERVICE_ALREADY_RUNNING.
const ALREADY_RUNNING: i32 = 1056;
/// ERROR_SERVICE_NOT_ACTIVE.
const NOT_ACTIVE: i32 = 1062;

/// What `install` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Installed {
    New,
    /// It was there, and is now as it would be if it were new.
    Renewed,
}

/// Installs this program as the service, or brings an installed one up to date. `state` is
/// its state directory.
pub(crate) fn install(state: &Path) -> Result<Installed, ServiceError> {
    let executable = std::env::current_exe().map_err(|source| ServiceError::Windows {
        what: "to say where this program is",
        source,
    })?;
    refuse_open(&executable)?;
    remote_desktop::switch_on()?;
    note_event_source(&executable)?;
    let info = ServiceInfo {
        name: NAME.into(),
        display_name: DISPLAY_NAME.into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: executable,
        launch_arguments: [
            OsString::from("--state"),
            state.into(),
            "service".into(),
            "run".into(),
        ]
        .into(),
        dependencies: Vec::new(),
        account_name: Some(ACCOUNT.into()),
        account_password: None,
    };
    let (service, installed) = match open(ServiceAccess::ALL_ACCESS) {
        Ok(service) => {
            let failed = ServiceError::windows("to change the service");
            service.change_config(&info).map_err(failed)?;
            (service, Installed::Renewed)
        }
        Err(ServiceError::NotInstalled) => {
            let failed = ServiceError::windows("to make the service");
            let manager = manager(ServiceManagerAccess::CREATE_SERVICE)?;
            let service = manager.create_service(&info, ServiceAccess::ALL_ACCESS);
            (service.map_err(failed)?, Installed::New)
        }
        Err(error) => return Err(error),
    };
    configure(&service)?;
    Ok(installed)
}

/// Whoever may change the program, or put a library beside it, would get the service's rights.
fn refuse_open(executable: &Path) -> Result<(), ServiceError> {
    for place in executable.ancestors().take(2) {
        let is_open = is_open_to_users(place).map_err(|source| ServiceError::Windows {
            what: "to say who may change this program",
            source,
        })?;
        if is_open {
            return Err(ServiceError::OpenToUsers(place.display().to_string()));
        }
    }
    Ok(())
}

fn configure(service: &Service) -> Result<(), ServiceError> {
    let failed = || ServiceError::windows("to set the service up");
    service.set_description(DESCRIPTION).map_err(failed())?;
    let identity = service.set_config_service_sid_info(ServiceSidType::Unrestricted);
    if_known(identity).map_err(failed())?;
    let actions = RESTARTS_S.map(|seconds| ServiceAction {
        action_type: ServiceActionType::Restart,
        delay: Duration::from_secs(seconds),
    });
    let actions = ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(FAILURES_FORGOTTEN),
        reboot_msg: None,
        command: None,
        actions: Some(actions.into()),
    };
    service.update_failure_actions(actions).map_err(failed())?;
    // An end with an error counts as a failure too, not only a crash.
    let ends = service.set_failure_actions_on_non_crash_failures(true);
    if_known(ends).map_err(failed())
}

/// Every Windows since Vista knows these settings; Wine 8, under which the service is tested,
/// does not.
fn if_known(set: windows_service::Result<()>) -> windows_service::Result<()> {
    match set {
        Err(error) if is(&error, INVALID_LEVEL) => Ok(()),
        set => set,
    }
}

fn note_event_source(executable: &Path) -> Result<(), ServiceError> {
    let failed = || ServiceError::registry("to note the source of events");
    let sources = LOCAL_MACHINE.create(EVENT_SOURCES).map_err(failed())?;
    let source = sources.create(EVENT_SOURCE).map_err(failed())?;
    source
        .set_string("EventMessageFile", executable.to_string_lossy())
        .map_err(failed())?;
    source
        .set_u32("TypesSupported", EVENT_TYPES)
        .map_err(failed())
}

/// Stops and removes the service, and puts back what `install` has changed. What it finds
/// removed already is as good as removed.
pub(crate) fn remove() -> Result<(), ServiceError> {
    ask_for_administrator()?;
    match stop() {
        Err(ServiceError::NotInstalled) => {}
        stopped => {
            stopped?;
            let failed = ServiceError::windows("to remove the service");
            open(ServiceAccess::DELETE)?.delete().map_err(failed)?;
        }
    }
    if let Ok(sources) = LOCAL_MACHINE.open(EVENT_SOURCES)
        && sources.open(EVENT_SOURCE).is_ok()
    {
        let failed = ServiceError::registry("to remove the source of events");
        let sources = LOCAL_MACHINE
            .create(EVENT_SOURCES)
            .map_err(ServiceError::registry("to open the sources of events"))?;
        sources.remove_tree(EVENT_SOURCE).map_err(failed)?;
    }
    remote_desktop::put_back()
}

/// Starts the service and waits until it runs.
pub(crate) fn start() -> Result<(), ServiceError> {
    let service = open(ServiceAccess::START | ServiceAccess::QUERY_STATUS)?;
    match service.start::<&str>(&[]) {
        Err(error) if !is(&error, ALREADY_RUNNING) => {
            return Err(ServiceError::windows("to start the service")(error));
        }
        Ok(()) | Err(_) => {}
    }
    wait(&service, ServiceState::Running)
}

/// Stops the service and waits until it has said good-bye.
pub(crate) fn stop() -> Result<(), ServiceError> {
    let service = open(ServiceAccess::STOP | ServiceAccess::QUERY_STATUS)?;
    match service.stop() {
        Err(error) if !is(&error, NOT_ACTIVE) => {
            return Err(ServiceError::windows("to stop the service")(error));
        }
        Ok(_) | Err(_) => {}
    }
    wait(&service, ServiceState::Stopped)
}

/// Waits until the service stands as wanted; one that has stopped instead does so for good.
fn wait(service: &Service, wanted: ServiceState) -> Result<(), ServiceError> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let state = current(service)?;
        if state == wanted {
            return Ok(());
        }
        if state == ServiceState::Stopped {
            return Err(ServiceError::Ended);
        }
        // Windows has events for this, which take a callback; nobody waits here for long.
        thread::sleep(PAUSE);
    }
    Err(ServiceError::Slow)
}

/// How the service stands, in a word.
pub(crate) fn state() -> Result<&'static str, ServiceError> {
    let service = open(ServiceAccess::QUERY_STATUS)?;
    Ok(match current(&service)? {
        ServiceState::Stopped => "stopped",
        ServiceState::StartPending => "starting",
        ServiceState::StopPending => "stopping",
        ServiceState::Running => "running",
        ServiceState::ContinuePending | ServiceState::PausePending | ServiceState::Paused => {
            "paused"
        }
    })
}

/// Whether the service is installed. Every user may ask.
pub(crate) fn is_installed() -> bool {
    open(ServiceAccess::QUERY_STATUS).is_ok()
}

fn current(service: &Service) -> Result<ServiceState, ServiceError> {
    let status = service.query_status();
    let status = status.map_err(ServiceError::windows("to say how the service stands"))?;
    Ok(status.current_state)
}

fn open(access: ServiceAccess) -> Result<Service, ServiceError> {
    let manager = manager(ServiceManagerAccess::CONNECT)?;
    match manager.open_service(NAME, access) {
        Err(error) if is(&error, DOES_NOT_EXIST) => Err(ServiceError::NotInstalled),
        opened => opened.map_err(ServiceError::windows("to open the service")),
    }
}

fn manager(access: ServiceManagerAccess) -> Result<ServiceManager, ServiceError> {
    let access = ServiceManagerAccess::CONNECT | access;
    let manager = ServiceManager::local_computer(None::<&str>, access);
    manager.map_err(ServiceError::windows("to open the list of services"))
}

fn is(error: &windows_service::Error, number: i32) -> bool {
    matches!(error, windows_service::Error::Winapi(error) if error.raw_os_error() == Some(number))
}

/// Makes sure that an administrator typed the command.
pub(crate) fn ask_for_administrator() -> Result<(), ServiceError> {
    match process::is_elevated() {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(ServiceError::NotAdministrator),
    }
}
