//! A host of this user's own: started and ended from the settings tool, now and at each logon.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::job::Job;
use crate::host::status::Status;
use crate::host::stop::{Stopped, stop};

/// How long a host may take until it answers.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is asked.
const INTERVAL: Duration = Duration::from_millis(100);

/// What starts a host that shares the desktop of this user, without a window.
pub trait Starter: fmt::Debug + Send + Sync {
    /// Starts one now. Returns before it answers.
    fn start(&self) -> Result<(), Failure>;
    /// Whether one is started whenever this user logs on.
    fn is_at_logon(&self) -> bool;
    /// From the next logon on.
    fn set_at_logon(&self, is_at_logon: bool) -> Result<(), Failure>;
}

impl Job {
    /// Starts the host unless it runs, and waits until it answers. Takes seconds, as does
    /// [`Self::unshare`]: not for a window's own thread.
    pub fn share(&self) -> Result<Status, Failure> {
        let status = self.status()?;
        if status.running {
            return Ok(status);
        }
        self.starter().ok_or(Failure::NotStarted)?.start()?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            // It tells nobody that it has come up, or that it will not.
            thread::sleep(INTERVAL);
            let status = self.status()?;
            if status.running {
                return Ok(status);
            }
        }
        Err(Failure::NotStarted)
    }

    /// Ends the host, and waits until it has gone.
    pub fn unshare(&self) -> Result<Status, Failure> {
        match stop(self.dir())? {
            Stopped::Done | Stopped::Already => self.status(),
            Stopped::Refused(command) => Err(Failure::Service(command)),
            Stopped::Slow => Err(Failure::Slow),
        }
    }
}
