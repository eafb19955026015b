//! What can happen to the settings tool, and what its form answers.

use std::path::PathBuf;

use protocol::file::announcement::HttpsAddress;

use super::failure::Failure;
use super::job::Outcome;
use super::order::Order;
use super::values::ProxyKind;
use crate::config::Password;
use crate::host::status::Status;
use crate::update::{LookError, News};

/// What stands in the window.
#[derive(Debug, Default)]
pub struct Fields {
    pub computer_id: String,
    pub password: Password,
    pub password_again: Password,
    pub without_symbols: bool,
    pub is_protected: bool,
    pub window_password: Password,
    pub window_password_again: Password,
    /// One a line.
    pub rules: String,
    pub proxy: ProxyKind,
    pub proxy_address: String,
    pub proxy_user: String,
    pub proxy_password: Password,
    pub user_agent: String,
    pub stay_awake: bool,
    pub updates: bool,
    pub at_logon: bool,
}

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// Somebody types, or ticks a box.
    Typed(Fields),
    /// The button, or Enter.
    Save(Fields),
    /// Close, Escape or the window's own button.
    Leave(Fields),
    /// The computer ID was copied.
    Copied,
    /// Somebody wants to see the logs.
    Logs,
    /// How the host stands now; with the computer ID as it stands in the window.
    Status(Status, String),
    /// What was to be saved has been, or not.
    Done(Box<Outcome>),
    /// Somebody wants the desktop to be shared, or no longer.
    Share,
    /// How the host stands after that, or what was in the way.
    Shared(Result<Status, Failure>),
    /// Somebody asks for a newer version.
    Look,
    /// What came of that.
    Looked(Result<Option<News>, LookError>),
    /// What is known without anybody's asking.
    News(Option<News>),
    /// Somebody wants to see where a newer version is.
    Browse,
}

/// A place that can have the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    ComputerId,
    Password,
    PasswordAgain,
    WindowPassword,
    WindowPasswordAgain,
    Rules,
    ProxyAddress,
    ProxyUser,
    ProxyPassword,
    UserAgent,
    Share,
    Save,
}

/// What has to be done.
#[derive(Debug)]
pub enum Effect {
    Nothing,
    /// `Done` follows.
    Run(Box<Order>),
    /// Start the host; `Shared` follows.
    Share,
    /// End it; `Shared` follows.
    Unshare,
    /// Show the folder.
    Open(PathBuf),
    /// `Looked` follows.
    Look,
    /// Show the page.
    Browse(HttpsAddress),
    Close,
}

/// The answer to an event.
#[derive(Debug)]
pub struct Reaction {
    pub effect: Effect,
    /// Who gets the keyboard now.
    pub focus: Option<Place>,
    /// What the fields shall hold from now on.
    pub fields: Option<Fields>,
    /// The same for the computer ID alone.
    pub computer_id: Option<String>,
}

/// What is to be seen beside the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Fields can be typed in, and Save pressed.
    pub is_asking: bool,
    /// The same for those that stand in `host.toml`.
    pub has_values: bool,
    /// The same for the address of a proxy.
    pub has_proxy_address: bool,
    /// The same for who this PC is for it.
    pub has_proxy_user: bool,
    /// The same for the window's own password.
    pub is_protected: bool,
    /// The host is this user's own, to be started and ended.
    pub is_own: bool,
    /// What the button for that says.
    pub share: &'static str,
    /// Where a newer version is can be asked for.
    pub has_news: bool,
    /// How the host stands, and its version; lines end with `\n`.
    pub state: String,
    /// What the password lacks.
    pub rule: String,
    /// What the window's own lacks.
    pub window_rule: String,
    /// How it goes, in one line.
    pub status: &'static str,
    /// What was in the way; lines end with `\n`.
    pub notice: String,
}

impl Reaction {
    pub(super) fn of(effect: Effect) -> Self {
        Self {
            effect,
            focus: None,
            fields: None,
            computer_id: None,
        }
    }
}
