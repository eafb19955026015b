//! What Windows starts: it hears of stops, and is told how the service stands.

use std::ffi::OsString;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use windows_service::service::{
    ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{
    self, ServiceControlHandlerResult, ServiceStatusHandle,
};
use windows_service::{define_windows_service, service_dispatcher};

use super::{NAME, ServiceError};

/// How long Windows waits for a state that was announced.
const WAIT_HINT: Duration = Duration::from_secs(10);
/// ERROR_FAILED_SERVICE_CONTROLLER_CONNECT: somebody typed the command.
const NOT_A_SERVICE: i32 = 1063;

type Work = Box<dyn FnOnce(StopRequest) -> bool + Send>;

/// What the service does, until Windows calls [`service_main`]: it has no other way to it.
static WORK: Mutex<Option<Work>> = Mutex::new(None);

define_windows_service!(ffi_service_main, service_main);

/// Comes when Windows wants the service to stop.
#[derive(Debug)]
pub(crate) struct StopRequest {
    asked: Arc<Notify>,
    windows: ServiceStatusHandle,
}

impl StopRequest {
    /// Waits for it. Whoever begins to wait has started: Windows is told so, and that the
    /// request was heard.
    pub(crate) fn wait_for(self) -> impl Future<Output = ()> {
        tell(self.windows, ServiceState::Running, 0);
        async move {
            self.asked.notified().await;
            tell(self.windows, ServiceState::StopPending, 0);
        }
    }
}

/// Does `work` as the service, on a thread of Windows; true means that all went well.
/// Returns when the service has stopped.
pub(crate) fn run(
    work: impl FnOnce(StopRequest) -> bool + Send + 'static,
) -> Result<(), ServiceError> {
    if let Ok(mut place) = WORK.lock() {
        *place = Some(Box::new(work));
    }
    match service_dispatcher::start(NAME, ffi_service_main) {
        Err(windows_service::Error::Winapi(error))
            if error.raw_os_error() == Some(NOT_A_SERVICE) =>
        {
            Err(ServiceError::NotStartedByWindows)
        }
        done => done.map_err(ServiceError::windows("to run the service")),
    }
}

fn service_main(_arguments: Vec<OsString>) {
    let work = WORK.lock().ok().and_then(|mut place| place.take());
    let asked = Arc::new(Notify::new());
    let asker = Arc::clone(&asked);
    let handler = move |control| {
        if matches!(control, ServiceControl::Stop | ServiceControl::Shutdown) {
            asker.notify_one();
        } else if !matches!(control, ServiceControl::Interrogate) {
            return ServiceControlHandlerResult::NotImplemented;
        }
        ServiceControlHandlerResult::NoError
    };
    // Without a handler there is nobody to tell that it failed.
    let Ok(windows) = service_control_handler::register(NAME, handler) else {
        return;
    };
    tell(windows, ServiceState::StartPending, 0);
    let good = work.is_some_and(|work| work(StopRequest { asked, windows }));
    tell(windows, ServiceState::Stopped, u32::from(!good));
}

fn tell(windows: ServiceStatusHandle, state: ServiceState, exit: u32) {
    let accepted = if state == ServiceState::Running {
        ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN
    } else {
        ServiceControlAccept::empty()
    };
    let status = ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted: accepted,
        exit_code: match exit {
            0 => ServiceExitCode::NO_ERROR,
            code => ServiceExitCode::ServiceSpecific(code),
        },
        checkpoint: 0,
        wait_hint: WAIT_HINT,
        process_id: None,
    };
    if let Err(error) = windows.set_service_status(status) {
        tracing::warn!(%error, "Windows does not take the state of the service");
    }
}
