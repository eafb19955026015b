//! The settings in force: those of `host.toml` when it was last read and right.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::config::{ConfigError, HostConfig};

type Load = Box<dyn Fn() -> Result<HostConfig, ConfigError> + Send + Sync>;

/// Settings that a reload replaces as a whole, or not at all.
pub(super) struct InForce {
    load: Load,
    now: RwLock<Arc<HostConfig>>,
}

/// What a reload came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reloaded {
    /// Keys that have changed and wait for the next start of the program.
    pub(super) waiting: Vec<&'static str>,
}

impl InForce {
    /// Reads the settings for the first time; `load` does it each time.
    pub(super) fn new(
        load: impl Fn() -> Result<HostConfig, ConfigError> + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        let now = RwLock::new(Arc::new(load()?));
        let load = Box::new(load);
        Ok(Self { load, now })
    }

    /// Those that hold now. Whoever keeps them does not hear of a reload.
    pub(super) fn now(&self) -> Arc<HostConfig> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads them anew. With a mistake those from before go on to hold.
    pub(super) fn reload(&self) -> Result<Reloaded, ConfigError> {
        let mut new = (self.load)()?;
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = Vec::new();
        // Logs are open, and places for sessions are given out.
        if new.log != now.log {
            waiting.push("log");
            new.log = now.log.clone();
        }
        if new.max_sessions != now.max_sessions {
            waiting.push("max_sessions");
            new.max_sessions = now.max_sessions;
        }
        *now = Arc::new(new);
        Ok(Reloaded { waiting })
    }
}

impl fmt::Debug for InForce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.now.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::write;

    use super::*;

    #[test]
    fn a_reload_takes_everything_but_what_waits_and_nothing_that_is_wrong() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("host.toml");
        let file = path.clone();
        let settings = InForce::new(move || HostConfig::load(&file)).expect("defaults");

        write(
            &path,
            "user_agent = \"x\"\nmax_sessions = 3\n[log]\ndirectory = \"y\"\n",
        )
        .expect("is written");
        let reloaded = settings.reload().expect("is right");
        write(&path, "user_agent = 5\n").expect("is written");
        settings.reload().expect_err("is wrong");

        assert_eq!(reloaded.waiting, ["log", "max_sessions"]);
        assert_eq!(settings.now().user_agent, "x");
        assert_eq!(settings.now().max_sessions, 8);
        assert_eq!(settings.now().log.directory, None);
    }
}
