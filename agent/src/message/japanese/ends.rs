//! What the two ends meet beside refusals, in Japanese.

use protocol::refusal::{Refusal, RefusalCode};

use super::{Explanation, Who, explanation};
use crate::client::{ConnectError, End, LaunchError, NotLent, Redirection, ShowError};
use crate::host::LinkError;
use crate::tunnel::TunnelError;

pub(in crate::message) fn tunnel(error: &TunnelError) -> Explanation {
    match error {
        TunnelError::Refused(refusal) => super::refusal(refusal),
        TunnelError::WrongPassword => super::refusal(&Refusal::new(RefusalCode::WrongPassword)),
        TunnelError::ManInTheMiddle => super::refusal(&Refusal::new(RefusalCode::ManInTheMiddle)),
        TunnelError::ChangedHostKey { .. } => explanation(
            Who::OfficePc,
            "以前と違う鍵が示されました。PCが設定し直されたか、別の誰かが代わりに応答しています。\
             パスワードを含め、何も送っていません。",
            "職場のPCの管理者に確認してください。変更が正しいものであるときに限り、\
             tasuki-client forget-host コンピューターID を実行してから、もう一度接続してください。",
        ),
        TunnelError::TimedOut(_) | TunnelError::Closed(_) | TunnelError::Io { .. } => explanation(
            Who::YourNetwork,
            "職場のPCへの接続が、途中で切れました。",
            "もう一度試してください。続くときは、職場のPCのネットワークを確認してもらってください。",
        ),
        TunnelError::PasswordTooLong => explanation(
            Who::ThisProgram,
            "パスワードが長すぎます。",
            "入力したパスワードを確認してください。",
        ),
        TunnelError::Resources => explanation(
            Who::ThisProgram,
            "パスワードの確認に必要なメモリが足りません。",
            "ほかのプログラムを閉じて、もう一度試してください。",
        ),
        TunnelError::Tls(_)
        | TunnelError::BadFrame { .. }
        | TunnelError::UnexpectedFrame { .. }
        | TunnelError::BadPasswordMessage
        | TunnelError::BadVersion(_) => explanation(
            Who::OfficePc,
            "職場のPCからの応答として正しくないものが届きました。",
            "両方のPCの tasuki を更新してください。それでも続くときは、中継サーバーの管理者に\
             知らせてください。",
        ),
    }
}

pub(in crate::message) fn connect(error: &ConnectError) -> Explanation {
    match error {
        ConnectError::Outer(error) => super::outer(error),
        ConnectError::Tunnel(error) => tunnel(error),
        ConnectError::State(error) => super::state(error),
        ConnectError::Oneself => explanation(
            Who::ThisProgram,
            "接続先はこのPC自身です。自分自身のデスクトップを表示することはできません。",
            "自宅のPCから実行するか、別のコンピューターIDを入力してください。",
        ),
        ConnectError::NoBoard => no_board(),
        ConnectError::Silent => silent(),
        ConnectError::Unexpected(frame) => unexpected(frame),
        ConnectError::Password(error) => explanation(
            Who::ThisProgram,
            format!("パスワードを受け取れませんでした（{error:#}）。"),
            "パスワードを入力してください。",
        ),
    }
}

pub(in crate::message) fn show(error: &ShowError) -> Explanation {
    let (why, what_to_do) = match error {
        ShowError::Listen(source) => (
            format!("このPCの中でデスクトップを受け渡せません（{source}）。"),
            "PCを再起動して、もう一度試してください。",
        ),
        ShowError::Settings(error) => return super::state(error),
        ShowError::NotLent(NotLent(what)) => (
            format!(
                "表示プログラムは、このPCの{}を職場のPCに使わせることができません。",
                device(*what)
            ),
            "その項目を外すか、client.toml で別の表示プログラムを指定してください。",
        ),
        ShowError::Launch(LaunchError::NotInstalled(program)) => (
            format!("デスクトップを表示するプログラム {program} がありません。"),
            "プログラムをインストールするか、client.toml で別のものを指定してください。",
        ),
        ShowError::Launch(LaunchError::Io { program, source }) => (
            format!("デスクトップを表示するプログラム {program} を起動できません（{source}）。"),
            "プログラムをインストールするか、client.toml で別のものを指定してください。",
        ),
        ShowError::Wait(source) => (
            format!("表示プログラムが動いているかどうか分かりません（{source}）。"),
            "もう一度試してください。",
        ),
    };
    explanation(Who::ThisProgram, why, what_to_do)
}

fn device(redirection: Redirection) -> &'static str {
    match redirection {
        Redirection::Sound => "音声",
        Redirection::Microphone => "マイク",
        Redirection::Camera => "カメラ",
        Redirection::Printers => "プリンター",
        Redirection::Drives => "ドライブ",
        Redirection::Clipboard => "クリップボード",
    }
}

pub(in crate::message) fn end(end: &End) -> Explanation {
    match end {
        End::Refused(code) => super::refusal(&Refusal::new(*code)),
        End::Closed => explanation(
            Who::OfficePc,
            "職場のPCが接続を終了しました。",
            "意図したものでなければ、もう一度接続してください。",
        ),
        End::Lost => explanation(
            Who::YourNetwork,
            "職場のPCとの接続が切れました。",
            "もう一度接続してください。",
        ),
    }
}

pub(in crate::message) fn link(error: &LinkError) -> Explanation {
    match error {
        LinkError::Outer(error) => super::outer(error),
        LinkError::State(error) => super::state(error),
        LinkError::Key(error) => explanation(
            Who::ThisProgram,
            format!("このPCの鍵を使えません（{error}）。"),
            "tasuki-host reset-identity を実行してください。",
        ),
        LinkError::NoEntry => explanation(
            Who::ThisProgram,
            "このPCはまだ準備されていません。",
            "tasuki-host init --entry ファイル を実行してください。",
        ),
        LinkError::NoBoard => no_board(),
        LinkError::Silent => silent(),
        LinkError::Unexpected(frame) => unexpected(frame),
        LinkError::FalseClaim => explanation(
            Who::Relay,
            "このPCに対して署名されていないコンピューターIDが渡されました。",
            "中継サーバーの管理者に知らせてください。このプログラムは試し続けます。",
        ),
    }
}

fn no_board() -> Explanation {
    explanation(
        Who::Relay,
        "すべての中継サーバーが、別の中継サーバーを案内しました。",
        "1分ほど待って、もう一度試してください。続くときは、中継サーバーの管理者に知らせて\
         ください。",
    )
}

fn silent() -> Explanation {
    explanation(
        Who::Relay,
        "応答がなくなりました。",
        "もう一度試してください。続くときは、このPCのネットワークを確認してから、\
         中継サーバーの管理者に聞いてください。",
    )
}

fn unexpected(frame: &str) -> Explanation {
    explanation(
        Who::Relay,
        format!("ここでは意味のない {frame} という応答がありました。"),
        "このプログラムを更新してください。それでも続くときは、中継サーバーの管理者に\
         知らせてください。",
    )
}
