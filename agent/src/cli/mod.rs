//! What a person types: one file per command, argument in, plain words and exit code out.
//!
//! `host` and `client` are the two programs. Words come from `crate::message` where somebody
//! refused; passwords come from the terminal or a descriptor, never from an argument.

#[cfg(windows)]
mod autostart;
mod check;
pub mod client;
mod connect;
mod exit;
mod forget_host;
mod history;
pub mod host;
mod init;
#[cfg(any(windows, test))]
mod logon_command;
mod password;
#[cfg(windows)]
mod protect_settings;
mod reload;
mod rename;
mod reset_identity;
mod run;
mod say;
#[cfg(windows)]
mod service;
mod set_password;
#[cfg(windows)]
mod settings;
mod status;
mod stop;
mod update;
#[cfg(windows)]
mod window;

use std::path::Path;

use anyhow::Context;

use crate::platform;

/// The help of `--state`.
fn state_help(content: &str) -> String {
    format!(
        "Folder that holds {content} [default: {}]",
        platform::STATE_HELP
    )
}

fn read_entry(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| {
        format!(
            "cannot read the entry file {}; name the one that you have from whoever runs the relay",
            path.display()
        )
    })
}
