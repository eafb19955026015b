//! `update`, of the client and of a host that has no window: whether there is a newer version.

use std::time::SystemTime;

use anyhow::Context;
use clap::Args;

use super::exit::{Exit, UsageError};
use super::say;
use crate::message::update::news;
use crate::message::{Explain, Language};
use crate::update::Lookout;

const AFTER: &str = "\
It asks where the entry file says, through the proxy of the settings or of this PC if there is one, \
and believes only what the deployment has signed. It tells the version, where to find it, and \
length and SHA-256 of each file. It installs nothing.

Exit codes: 0 it is known whether there is a newer version, 1 something failed on this PC, 64 the \
command line, a settings file or the entry file is wrong, 80 nobody was reached who knows, 81 what \
answered is not to be trusted.";

/// Ask whether there is a newer version
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// Tell it in Japanese
    #[arg(long)]
    japanese: bool,
}

/// `lookout` is none where no entry file has been taken over.
pub(super) fn run(arguments: &Arguments, lookout: Option<Lookout>) -> anyhow::Result<Exit> {
    let Some(lookout) = lookout else {
        let text = "there is no entry file, which says where new versions are announced; take one \
                    over first";
        return Err(UsageError(text.into()).into());
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    let looked = runtime.block_on(lookout.look(SystemTime::now()));
    // A name that is still being looked up must not hold the end up.
    runtime.shutdown_background();
    let language = if arguments.japanese {
        Language::Japanese
    } else {
        Language::English
    };
    match looked {
        Ok(found) => {
            say::answer(&news(found.as_ref(), language));
            for package in found.iter().flat_map(|news| &news.packages) {
                let size = package.size;
                say::answer(&format!("{} {size} {}", package.sha256, package.file));
            }
            Ok(Exit::Done)
        }
        Err(error) => {
            say::line(&error.explain_in(language));
            Ok(Exit::of_look(&error))
        }
    }
}
