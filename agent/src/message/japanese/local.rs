//! Failures of this PC, in Japanese.

use super::{Explanation, Who, explanation};
use crate::config::ConfigError;
use crate::state::StateError;

pub(in crate::message) fn state(error: &StateError) -> Explanation {
    let (why, what_to_do) = match error {
        StateError::Io { path, source, .. } => (
            format!("{} を読み書きできません（{source}）。", path.display()),
            "ファイルのアクセス権とディスクの空き容量を確認してください。",
        ),
        StateError::Damaged { path, reason } => (
            format!("ファイル {} が壊れています（{reason}）。", path.display()),
            "バックアップから戻してください。バックアップがなければ、職場のPCの識別情報の場合は \
             tasuki-host reset-identity を実行し、それ以外のファイルは別の場所へ移してください。",
        ),
        StateError::InUse { path } => (
            format!(
                "別の tasuki プログラムが {} を使っています。",
                path.display()
            ),
            "もう一方のプログラムを終了するか、--state で別のフォルダーを指定してください。",
        ),
        StateError::OtherDeployment { path, name } => (
            format!("{} は別のシステム「{name}」のものです。", path.display()),
            "--state で別のフォルダーを指定してください。",
        ),
        StateError::OldEntry { offered, kept } => (
            format!(
                "接続設定ファイル（第{offered}版）は、使用中のもの（第{kept}版）より古いものです。"
            ),
            "このファイルを使わないか、中継サーバーの管理者から最新のものを受け取ってください。",
        ),
        StateError::BadEntry(problems) => (
            format!("接続設定ファイルに誤りがあります（{problems}）。"),
            "中継サーバーの管理者から新しいファイルを受け取ってください。",
        ),
        StateError::NoHome => (
            "設定を保存するフォルダーが見つかりません。".to_owned(),
            "--state でフォルダーを指定してください。",
        ),
    };
    explanation(Who::ThisProgram, why, what_to_do)
}

pub(in crate::message) fn config(error: &ConfigError) -> Explanation {
    let (why, what_to_do) = match error {
        ConfigError::Read { path, source } => (
            format!("{} を読み込めません（{source}）。", path.display()),
            "ファイルのアクセス権を確認してください。",
        ),
        ConfigError::Mistakes { path, problems } => (
            format!("{} に誤りがあります。\n{problems}\n", path.display()),
            "これらの行を直してください。",
        ),
    };
    explanation(Who::ThisProgram, why, what_to_do)
}
