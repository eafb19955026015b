//! The same tables in Japanese.

mod ends;
mod local;
mod outer;
mod refusal;
mod update;

pub(super) use ends::{connect, end, link, show, tunnel};
pub(super) use local::{config, state};
pub(super) use outer::outer;
pub(super) use refusal::refusal;
pub(super) use update::look;

use super::{Explanation, Language, Who};

/// How the cause is called.
pub(super) fn name(who: Who) -> &'static str {
    match who {
        Who::Relay => "中継サーバー",
        Who::OfficePc => "職場のPC",
        Who::YourNetwork => "お使いのネットワーク",
        Who::ThisProgram => "このプログラム",
        Who::UpdateServer => "更新用のサーバー",
    }
}

fn explanation(who: Who, why: impl Into<String>, what_to_do: impl Into<String>) -> Explanation {
    Explanation {
        language: Language::Japanese,
        who,
        why: why.into(),
        what_to_do: what_to_do.into(),
    }
}
