//! Who may try a password: address rules, a password that is set, the lockout.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::refusal::{Refusal, RefusalCode};
use tokio::time::Instant;

use super::in_force::InForce;
use crate::config::Verdict;
use crate::state::HostState;
use crate::tunnel::host::{Attempt, Gate};
use crate::tunnel::lockout::Lockout;
use crate::tunnel::password::PasswordRecord;

/// The one gate of a host, for all its callers.
pub(super) struct Doorkeeper {
    state: HostState,
    settings: Arc<InForce>,
    lockout: Mutex<Lockout>,
    started: Instant,
}

impl Doorkeeper {
    pub(super) fn new(state: HostState, settings: Arc<InForce>) -> Self {
        Self {
            state,
            settings,
            lockout: Mutex::default(),
            started: Instant::now(),
        }
    }

    /// Checks what can be known before the caller has said a word.
    pub(super) fn screen(&self, address: IpAddr) -> Result<(), RefusalCode> {
        self.check_address(address)?;
        self.record().map(drop)
    }

    fn check_address(&self, address: IpAddr) -> Result<(), RefusalCode> {
        match self.settings.now().address_rules.verdict(address) {
            Verdict::Permit => Ok(()),
            Verdict::Deny => Err(RefusalCode::AddressDenied),
        }
    }

    /// Read anew for each call, so that a new password counts at once.
    fn record(&self) -> Result<Arc<PasswordRecord>, RefusalCode> {
        let unusable = |error: &dyn std::error::Error| {
            tracing::error!(%error, "Password cannot be used; run tasuki-host set-password");
            RefusalCode::NoPassword
        };
        let bytes = self
            .state
            .password_record()
            .map_err(|error| unusable(&error))?;
        let bytes = bytes.ok_or(RefusalCode::NoPassword)?;
        PasswordRecord::from_bytes(&bytes)
            .map(Arc::new)
            .map_err(|error| unusable(&error))
    }

    fn with_lockout<T>(&self, then: impl FnOnce(&mut Lockout) -> T) -> T {
        // Counters stay counters even if a thread died while it held them.
        let mut lockout = self.lockout.lock().unwrap_or_else(PoisonError::into_inner);
        then(&mut lockout)
    }
}

/// The gate as one call sees it; remembers who was let in.
pub(super) struct CallGate<'d> {
    doorkeeper: &'d Doorkeeper,
    user: Mutex<String>,
}

impl<'d> CallGate<'d> {
    pub(super) fn new(doorkeeper: &'d Doorkeeper) -> Self {
        Self {
            doorkeeper,
            user: Mutex::default(),
        }
    }

    /// The user name that was tried; empty where there are no users.
    pub(super) fn into_user(self) -> String {
        self.user
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate for CallGate<'_> {
    fn admit(&self, attempt: &Attempt) -> Result<Arc<PasswordRecord>, Box<Refusal>> {
        self.doorkeeper
            .check_address(attempt.address)
            .map_err(Refusal::new)?;
        let record = self.doorkeeper.record().map_err(Refusal::new)?;
        let now = self.doorkeeper.started.elapsed();
        let charged = self
            .doorkeeper
            .with_lockout(|lockout| lockout.charge(attempt, now));
        charged.map_err(|wait| Refusal::new(RefusalCode::LockedOut).retry_after(wait))?;
        let mut user = self.user.lock().unwrap_or_else(PoisonError::into_inner);
        attempt.user.as_str().clone_into(&mut user);
        Ok(record)
    }

    fn refund(&self, attempt: &Attempt) {
        self.doorkeeper
            .with_lockout(|lockout| lockout.refund(attempt));
    }
}
