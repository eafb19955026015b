//! What the tool reads from this PC, and the one thing at a time that it changes there.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::failure::Failure;
use super::order::{Order, Protection};
use super::password::SettingsPassword;
use super::share::Starter;
use super::values::{PASSWORD_FILE, Values, change};
use crate::config::{ConfigError, HostConfig, Password};
use crate::host::control::{Request, ask};
use crate::host::prepare::prepare;
use crate::host::rename::{Renamed, rename};
use crate::host::status::Status;
use crate::state::{StateDir, StateError};
use crate::tunnel::password::PasswordRecord;
use crate::update::{Lookout, News};

const HOST_TOML: &str = "host.toml";

/// How everything stands.
#[derive(Debug)]
pub struct Snapshot {
    /// What the running host says, or what the disk tells while none runs.
    pub status: Status,
    /// An entry file is there: this PC knows a relay.
    pub is_prepared: bool,
    /// The window asks for a password before it opens.
    pub is_protected: bool,
    /// Of `host.toml`, unless it has mistakes.
    pub values: Result<Values, ConfigError>,
    /// Whether a logon starts the host; none where that is not this user's own.
    pub at_logon: Option<bool>,
    /// Where the logs lie.
    pub logs: PathBuf,
    /// A newer version that somebody has found, unless nobody wants to be told.
    pub news: Option<News>,
}

/// How an order ended, and how everything stands since then.
#[derive(Debug)]
pub struct Outcome {
    pub done: Result<Saved, Failure>,
    pub now: Result<Snapshot, Failure>,
}

/// An order that was carried out.
#[derive(Debug)]
pub struct Saved {
    /// What became of another computer ID.
    pub renamed: Option<Renamed>,
}

/// The host of one state folder, as the tool sees it.
#[derive(Debug, Clone)]
pub struct Job {
    dir: StateDir,
    starter: Option<Arc<dyn Starter>>,
}

impl Job {
    /// With a `starter` where the host is this user's own, and no service.
    pub fn new(dir: StateDir, starter: Option<Arc<dyn Starter>>) -> Self {
        Self { dir, starter }
    }

    /// Takes over the entry file at `path`, where this PC knows no relay yet.
    pub fn prepare(&self, path: &Path) -> Result<(), Failure> {
        let host = self.dir.host()?;
        if host.entry()?.is_none() {
            let source = read_to_string(path).map_err(|source| StateError::Io {
                action: "read",
                path: path.to_owned(),
                source,
            })?;
            prepare(&host, &source, None)?;
        }
        Ok(())
    }

    /// How everything stands.
    pub fn look(&self) -> Result<Snapshot, Failure> {
        let host = self.dir.host()?;
        let path = self.dir.path().join(HOST_TOML);
        let config = HostConfig::load(&path);
        let lookout = self.lookout().ok().flatten();
        let is_told = config.as_ref().is_ok_and(|config| config.updates);
        let directory = config.as_ref().ok();
        let directory = directory.and_then(|config| config.log.directory.clone());
        Ok(Snapshot {
            status: self.status()?,
            is_prepared: host.entry()?.is_some(),
            is_protected: host.settings_password()?.is_some(),
            values: config.map(|config| Values::of(&config)),
            at_logon: self.starter().map(Starter::is_at_logon),
            logs: directory.unwrap_or_else(|| self.folder().join("log")),
            news: lookout.filter(|_| is_told).and_then(|it| it.known()),
        })
    }

    /// Where to look for newer versions, if an entry file is there.
    pub fn lookout(&self) -> Result<Option<Lookout>, Failure> {
        let config = HostConfig::load(&self.dir.path().join(HOST_TOML))?;
        let host = self.dir.host()?;
        let entry = host.entry()?;
        Ok(entry.map(|entry| host.lookout(&entry, &config.proxy, &config.user_agent)))
    }

    /// How the host stands.
    pub fn status(&self) -> Result<Status, Failure> {
        Ok(match ask(&self.folder(), Request::Status)? {
            Some(status) => status,
            None => Status::at_rest(&self.dir.host()?)?,
        })
    }

    /// What the window asks for before it opens.
    pub fn password(&self) -> Result<Option<SettingsPassword>, Failure> {
        let kept = self.dir.host()?.settings_password()?;
        let password = kept.map(|bytes| SettingsPassword::from_bytes(&bytes));
        Ok(password.transpose()?)
    }

    /// Carries an order out, as far as it gets. Takes seconds: not for a window's own thread.
    pub fn run(&self, order: Order) -> Outcome {
        let done = self.carry_out(order);
        let now = self.look();
        Outcome { done, now }
    }

    fn carry_out(&self, order: Order) -> Result<Saved, Failure> {
        let Order {
            values,
            proxy_password,
            password,
            protection,
            at_logon,
            computer_id,
        } = order;
        let host = self.dir.host()?;
        let is_changed = values.is_some();
        if let Some((before, after)) = values {
            self.write(&before, &after, proxy_password.as_ref())?;
        }
        if let Some(password) = password {
            let record = PasswordRecord::register(&password)?;
            host.set_password_record(&record.to_bytes())?;
        }
        match protection {
            Protection::Same => {}
            Protection::None => host.set_settings_password(None)?,
            Protection::Password(password) => {
                let kept = SettingsPassword::new(&password)?;
                host.set_settings_password(Some(kept.as_bytes()))?;
            }
        }
        if let (Some(starter), Some(at_logon)) = (self.starter(), at_logon) {
            starter.set_at_logon(at_logon)?;
        }
        // Taken up together with the name, if there is one.
        if is_changed && computer_id.is_none() {
            ask(&self.folder(), Request::Reload)?;
        }
        let renamed = computer_id.map(|id| rename(&self.dir, &id)).transpose()?;
        Ok(Saved { renamed })
    }

    /// Changes `host.toml`. What would come out is read first, as the host will.
    fn write(
        &self,
        before: &Values,
        after: &Values,
        proxy_password: Option<&Password>,
    ) -> Result<(), Failure> {
        let secret = proxy_password.map(|password| (PASSWORD_FILE, &**password));
        let path = self.dir.path().join(HOST_TOML);
        self.dir.rewrite(HOST_TOML, secret, |source| {
            let folder = self.dir.path();
            HostConfig::parse(source, folder).map_err(ConfigError::of(&path))?;
            let text = change(source, before, after, secret.is_some())?;
            HostConfig::parse(&text, folder).map_err(ConfigError::of(&path))?;
            Ok(text)
        })
    }

    pub(super) fn dir(&self) -> &StateDir {
        &self.dir
    }

    pub(super) fn starter(&self) -> Option<&dyn Starter> {
        self.starter.as_deref()
    }

    fn folder(&self) -> PathBuf {
        self.dir.host_folder()
    }
}
