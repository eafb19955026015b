//! Failures of this PC: state and configuration.

use super::{Explain, Explanation, Who, japanese};
use crate::config::ConfigError;
use crate::state::StateError;

impl Explain for StateError {
    fn explain(&self) -> Explanation {
        let (why, what_to_do) = match self {
            Self::Io {
                action,
                path,
                source,
            } => (
                format!("It cannot {action} {}: {source}.", path.display()),
                "Check the rights to that file and the room on the disk.".to_owned(),
            ),
            Self::Damaged { path, reason } => (
                format!("The file {} is damaged: {reason}.", path.display()),
                "Put it back from a backup. If there is none: for the identity of an office PC \
                 run `tasuki-host reset-identity`; any other file can be moved away, and what it \
                 held is asked for again."
                    .to_owned(),
            ),
            Self::InUse { path } => (
                format!("Another tasuki program uses {}.", path.display()),
                "End the other program first, or give this one another folder with --state."
                    .to_owned(),
            ),
            Self::OtherDeployment { path, name } => (
                format!(
                    "{} belongs to another deployment, \"{name}\".",
                    path.display()
                ),
                "Give this program another folder with --state.".to_owned(),
            ),
            Self::OldEntry { offered, kept } => (
                format!(
                    "The entry file is older (generation {offered}) than the one in use \
                     (generation {kept})."
                ),
                "Leave it out, or ask whoever runs the relay for the newest one.".to_owned(),
            ),
            Self::BadEntry(problems) => (
                format!("The entry file has mistakes. {problems}."),
                "Ask whoever runs the relay for a fresh copy.".to_owned(),
            ),
            Self::NoHome => (
                "It does not know where to keep its state: neither a home folder nor \
                 $XDG_STATE_HOME is set."
                    .to_owned(),
                "Give it a folder with --state.".to_owned(),
            ),
        };
        Explanation::new(Who::ThisProgram, why, what_to_do)
    }

    fn explain_in_japanese(&self) -> Explanation {
        japanese::state(self)
    }
}

impl Explain for ConfigError {
    fn explain(&self) -> Explanation {
        let (why, what_to_do) = match self {
            Self::Read { path, source } => (
                format!("It cannot read {}: {source}.", path.display()),
                "Check the rights to that file.",
            ),
            Self::Mistakes { path, problems } => (
                format!("{} has mistakes:\n{problems}\n", path.display()),
                "Correct these lines.",
            ),
        };
        Explanation::new(Who::ThisProgram, why, what_to_do)
    }

    fn explain_in_japanese(&self) -> Explanation {
        japanese::config(self)
    }
}
