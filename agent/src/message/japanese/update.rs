//! Why nobody can tell whether there is a newer version, in Japanese.

use protocol::file::announcement::AnnouncementError;

use super::{Explanation, Who, explanation, outer};
use crate::outer::OuterError;
use crate::outer::https::HttpsError;
use crate::update::LookError;

const ASK: &str = "時間をおいてもう一度試し、続く場合は中継サーバーの管理者に連絡してください。";
const CONNECTED: &str = "このPCがインターネットに接続されているか確認してください。職場のネットワークの\
    場合は、このアドレスへの接続の許可、またはプロキシについて、ネットワークの管理者に相談してください。";

pub(in crate::message) fn look(error: &LookError) -> Explanation {
    match error {
        LookError::NoAddress => explanation(
            Who::ThisProgram,
            "接続設定ファイルに、新しいバージョンを案内するアドレスが書かれていません。",
            "アドレスの書かれた接続設定ファイル、または新しいバージョンの有無について、\
             中継サーバーの管理者に問い合わせてください。",
        ),
        LookError::Fetch(error) => fetch(error),
        LookError::Announcement { address, source } => announcement(address, source),
    }
}

fn announcement(address: &str, error: &AnnouncementError) -> Explanation {
    let (why, what_to_do) = match error {
        AnnouncementError::Signature => (
            format!("{address} にあるファイルは、お使いのシステムの署名がないか、壊れています。"),
            "そこにあるものはインストールせず、中継サーバーの管理者に連絡してください。",
        ),
        AnnouncementError::Form | AnnouncementError::TooLong => (
            format!("{address} にあるものは、バージョンの案内ではありません。"),
            "中継サーバーの管理者に連絡してください。外出先のネットワークでは、ログイン用のページが\
             代わりに表示されることがあります。",
        ),
        AnnouncementError::Text(problems) => (
            format!("{address} にある案内を読み取れません（{problems}）。"),
            "このプログラムより新しいバージョン向けの案内です。最新のバージョンについて、\
             中継サーバーの管理者に問い合わせてください。",
        ),
    };
    explanation(Who::UpdateServer, why, what_to_do)
}

fn fetch(error: &HttpsError) -> Explanation {
    match error {
        HttpsError::Address(address) => explanation(
            Who::ThisProgram,
            format!(
                "接続設定ファイルにある新しいバージョンのアドレス {address} は、HTTPSのアドレスでは\
                 ありません。"
            ),
            "中継サーバーの管理者から新しい接続設定ファイルを受け取ってください。",
        ),
        HttpsError::Way(error) => way(error),
        HttpsError::Authorities(error) => explanation(
            Who::ThisProgram,
            format!("このPCが信頼する認証局の一覧を読み込めません（{error}）。"),
            "管理者に問い合わせてください。Linuxでは ca-certificates パッケージに含まれています。",
        ),
        HttpsError::Untrusted { address, reason } => explanation(
            Who::UpdateServer,
            format!("このPCは {address} の証明書を信頼していません（{reason}）。"),
            "このPCの日付と時刻を確認してください。正しい場合は、サーバーの認証局の証明書をこのPCに\
             インストールする必要があるか、管理者に問い合わせてください。",
        ),
        HttpsError::Tls { address, source } => explanation(
            Who::UpdateServer,
            format!("{address} と暗号化した接続を確立できません（{source}）。"),
            ASK,
        ),
        HttpsError::Lost { address, source } => explanation(
            Who::YourNetwork,
            format!("{address} との接続が切れました（{source}）。"),
            ASK,
        ),
        HttpsError::Status { address, status } => explanation(
            Who::UpdateServer,
            format!("{address} が最新のバージョンを知らせる代わりに {status} と応答しました。"),
            ASK,
        ),
        HttpsError::Redirect => explanation(
            Who::UpdateServer,
            "別の場所への転送が繰り返されたか、HTTPSではない場所へ転送されました。",
            ASK,
        ),
        HttpsError::NotHttp { address } => explanation(
            Who::UpdateServer,
            format!("{address} の応答がHTTPではありません。"),
            ASK,
        ),
        HttpsError::TooLong { address } => explanation(
            Who::UpdateServer,
            format!("{address} が、バージョンの案内としては長すぎるデータを送ってきました。"),
            ASK,
        ),
        HttpsError::Slow => explanation(
            Who::YourNetwork,
            "最新のバージョンの確認が1分以内に終わりませんでした。",
            ASK,
        ),
    }
}

fn way(error: &OuterError) -> Explanation {
    if let OuterError::Unreachable { address, source } = error {
        explanation(
            Who::YourNetwork,
            format!("{address} に接続できません（{source}）。"),
            CONNECTED,
        )
    } else if let OuterError::NoAnswer { address, .. } = error {
        explanation(
            Who::YourNetwork,
            format!("{address} から応答がありません。"),
            CONNECTED,
        )
    } else {
        outer(error)
    }
}
