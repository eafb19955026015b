//! What can be in the way of the tool, in both languages.

use std::io;

use toml_edit::TomlError;

use super::password::Unusable;
use crate::config::ConfigError;
use crate::host::control::AskError;
use crate::message::{Explain, Explanation, Language};
use crate::state::StateError;
use crate::tunnel::TunnelError;

/// What was in the way.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    #[error(transparent)]
    Password(#[from] Unusable),
    #[error("host.toml cannot be changed")]
    Change(#[from] TomlError),
    #[error("the running host does not answer")]
    Ask(#[from] io::Error),
    /// A program that belongs beside this one.
    #[error("there is no {0} beside this program")]
    Missing(&'static str),
    #[error("the host has been started and does not answer")]
    NotStarted,
    /// With the command that stops it.
    #[error("the host runs as a service; stop it with: {0}")]
    Service(String),
    #[error("the host is still saying good-bye")]
    Slow,
    #[error("Windows refuses: {0}")]
    Windows(io::Error),
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::State(error) => Self::State(error),
            AskError::Ask(error) => Self::Ask(error),
        }
    }
}

impl Failure {
    /// In plain words, unless it has none of its own.
    pub(super) fn in_words(&self, language: Language) -> Option<String> {
        let explained = |explanation: Explanation| Some(format!("{explanation:#}"));
        match self {
            Self::State(error) => explained(error.explain_in(language)),
            Self::Config(error) => explained(error.explain_in(language)),
            Self::Missing(program) => Some(match language {
                Language::English => format!(
                    "{program} is not beside this program.\n\
                     What to do: put all programs of Tasuki into one folder, or install it again."
                ),
                Language::Japanese => format!(
                    "{program} がこのプログラムと同じフォルダーにありません。\n\
                     対処：Tasuki のプログラムをすべて同じフォルダーに置くか、もう一度\
                     インストールしてください。"
                ),
            }),
            Self::NotStarted => {
                let (english, japanese) = (
                    "The host was started and does not answer.\n\
                     What to do: look into the logs (Show logs), or type in a terminal what tells \
                     why: tasuki-host run --desktop",
                    "ホストを起動しましたが、応答がありません。\n\
                     対処：「ログを表示」で原因を確認するか、ターミナルで次のように入力して\
                     ください：tasuki-host run --desktop",
                );
                Some(language.pick(english, japanese).to_owned())
            }
            Self::Slow => {
                let (english, japanese) = (
                    "The host has not ended yet.\n\
                     What to do: wait a moment, and press once more.",
                    "ホストの終了に時間がかかっています。\n\
                     対処：しばらく待ってから、もう一度押してください。",
                );
                Some(language.pick(english, japanese).to_owned())
            }
            Self::Service(command) => Some(match language {
                Language::English => format!(
                    "The host runs as a service, which would start again.\n\
                     What to do: an administrator stops it with {command}"
                ),
                Language::Japanese => format!(
                    "ホストはサービスとして動作しており、終了しても再び起動します。\n\
                     対処：管理者が次のコマンドで停止します：{command}"
                ),
            }),
            Self::Tunnel(_)
            | Self::Password(_)
            | Self::Change(_)
            | Self::Ask(_)
            | Self::Windows(_) => None,
        }
    }
}
