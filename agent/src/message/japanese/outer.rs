//! What stands between a PC and a relay, and relays that are not believed, in Japanese.

use protocol::id::BoardName;

use super::{Explanation, Who, explanation};
use crate::config::Endpoint;
use crate::message::outer::date;
use crate::outer::{CertificateRefusal, OuterError, ProxyRefusal};

const TELL: &str = "中継サーバーの管理者に知らせてください。";
const UPDATE: &str = "このプログラムを更新してください。それでも続くときは、中継サーバーの管理者に知らせてください。";

pub(in crate::message) fn outer(error: &OuterError) -> Explanation {
    match error {
        OuterError::Refused(refusal) => super::refusal(refusal),
        OuterError::Certificate { address, source } => certificate(source, address),
        OuterError::Proxy { proxy, source } => proxy_refusal(source, proxy),
        OuterError::ProxySettings(source) => proxy_settings(source),
        OuterError::ProxyScript { script, source } => proxy_script(script, source),
        OuterError::EntryUnusable(reason) => entry_unusable(reason),
        OuterError::UnknownBoard(board) => unknown_board(board),
        OuterError::NameNotFound { name, .. } => name_not_found(name),
        OuterError::Unreachable { address, source } => unreachable(address, source),
        OuterError::NoAnswer { address, .. } => no_answer(address),
        OuterError::WrongBoard { wanted, found, .. } => wrong_board(wanted, found),
        OuterError::OldTls { address } => old_tls(address),
        OuterError::NotTls { address, beginning } => not_tls(address, beginning),
        OuterError::HandshakeCut { address } => handshake_cut(address),
        OuterError::Tls { .. } => no_security(error),
        OuterError::Closed | OuterError::Lost(_) => broken_off(),
        OuterError::CutBehindProxy { proxy } => cut_behind_proxy(proxy),
        OuterError::BadFrame(_) | OuterError::UnexpectedFrame(_) | OuterError::BoardList(_) => {
            nonsense(error)
        }
    }
}

fn entry_unusable(reason: &str) -> Explanation {
    explanation(
        Who::ThisProgram,
        format!("接続設定ファイルを使えません（{reason}）。"),
        "中継サーバーの管理者から新しい接続設定ファイルを受け取ってください。",
    )
}

fn unknown_board(board: &BoardName) -> Explanation {
    explanation(
        Who::ThisProgram,
        format!("中継サーバー {board} は、このPCが持つ一覧にありません。"),
        "1分ほど待って、もう一度試してください。",
    )
}

fn name_not_found(name: &str) -> Explanation {
    explanation(
        Who::YourNetwork,
        format!("{name} という名前が見つかりません。"),
        "このPCがインターネットに接続されているか確認してください。職場のネットワークでは、\
         プロキシが必要かどうかを管理者に聞いてください。",
    )
}

fn unreachable(address: &Endpoint, source: &std::io::Error) -> Explanation {
    explanation(
        Who::YourNetwork,
        format!("中継サーバー {address} に接続できません（{source}）。"),
        "このPCがインターネットに接続されているか確認してください。職場のネットワークでは、\
         このアドレスへの接続を許可してもらうか、プロキシについて管理者に聞いてください。",
    )
}

fn no_answer(address: &Endpoint) -> Explanation {
    explanation(
        Who::YourNetwork,
        format!("{address} から応答がありません。"),
        "途中で接続が捨てられています。このアドレスへの接続が許可されているかどうかを、\
         ネットワークの管理者に聞いてください。",
    )
}

fn wrong_board(wanted: &BoardName, found: &BoardName) -> Explanation {
    explanation(
        Who::Relay,
        format!("中継サーバー {wanted} のアドレスで {found} が応答しました。"),
        TELL,
    )
}

fn old_tls(address: &Endpoint) -> Explanation {
    explanation(
        Who::YourNetwork,
        format!("{address} で応答したものは古いTLSしか使えません。中継サーバーではありません。"),
        exemption(address),
    )
}

fn not_tls(address: &Endpoint, beginning: &str) -> Explanation {
    explanation(
        Who::YourNetwork,
        format!(
            "{address} で応答したものは中継サーバーではありません（「{beginning}」）。\
             ホテルやカフェのログイン画面かもしれません。"
        ),
        "ブラウザーでウェブページを開き、求められたらネットワークにログインして、\
         もう一度試してください。",
    )
}

fn handshake_cut(address: &Endpoint) -> Explanation {
    explanation(
        Who::YourNetwork,
        format!("{address} への接続が、始まるとすぐに切られます。"),
        format!(
            "ファイアウォールによるものです。{address} へのTLS 1.3接続を許可するよう、\
             ネットワークの管理者に頼んでください。"
        ),
    )
}

fn no_security(error: &OuterError) -> Explanation {
    explanation(
        Who::Relay,
        format!("暗号化された接続を確立できませんでした（{error}）。"),
        UPDATE,
    )
}

fn broken_off() -> Explanation {
    explanation(
        Who::YourNetwork,
        "中継サーバーとの接続が切れました。",
        "もう一度試してください。続くときは、別のネットワーク（できれば有線）に替えてください。",
    )
}

fn cut_behind_proxy(proxy: &Endpoint) -> Explanation {
    explanation(
        Who::YourNetwork,
        format!("プロキシ {proxy} を通る中継サーバーとの接続が切れました。"),
        "もう一度試してください。毎回同じくらいの時間で切れるときは、中継サーバーへの長い接続を\
         許可するよう、ネットワークの管理者に頼んでください。時間で切るプロキシがあります。",
    )
}

fn nonsense(error: &OuterError) -> Explanation {
    explanation(
        Who::Relay,
        format!("このプログラムが理解できない応答がありました（{error}）。"),
        UPDATE,
    )
}

fn proxy_refusal(refusal: &ProxyRefusal, proxy: &Endpoint) -> Explanation {
    let (why, what_to_do) = match refusal {
        ProxyRefusal::Unreachable(source) => (
            format!("プロキシ {proxy} に接続できません（{source}）。"),
            "このPCがネットワークに接続されているか、また設定の [proxy] またはシステムの設定に\
             あるプロキシのアドレスが正しいか確認してください。"
                .to_owned(),
        ),
        ProxyRefusal::Authentication { asked } => (
            format!(
                "プロキシ {proxy} がユーザー名とパスワードを受け付けません。{}",
                offers(asked)
            ),
            "設定の [proxy] にある user と password_file を確認してください。書かれていない\
             ときは、このPCにログオンしている人の資格情報が使われ、拒否されています。"
                .to_owned(),
        ),
        ProxyRefusal::NoUser { asked } => (
            format!(
                "プロキシ {proxy} がユーザー名とパスワードを求めています。{}",
                offers(asked)
            ),
            "設定の [proxy] に user と password_file を書いてください。".to_owned(),
        ),
        ProxyRefusal::UnknownSchemes { asked } => (
            format!(
                "プロキシ {proxy} が求める認証方式は、ここでは使えません。{}",
                offers(asked)
            ),
            "このPCを認証なしで通すか、Basic認証（WindowsではNTLMとNegotiateも）を許可する\
             よう、ネットワークの管理者に頼んでください。"
                .to_owned(),
        ),
        ProxyRefusal::Stranger { asked } => (
            format!(
                "プロキシ {proxy} が認証を求めていますが、このプロキシはネットワークが自動検出\
                 (WPAD)で示したもので、誰でも示せるため、資格情報を送りません。{}",
                offers(asked)
            ),
            format!(
                "ネットワークの管理者に確認して、正しければ設定の [proxy] に kind = \"http\" と \
                 address = \"{proxy}\" を書いてください。"
            ),
        ),
        ProxyRefusal::Logon { scheme, source } => (
            format!("このPCから {scheme} でプロキシ {proxy} にログインできません（{source}）。"),
            "設定の [proxy] に user（「ドメイン\\ユーザー」の形）と password_file を書いて\
             ください。書いてあるときは、ネットワークの管理者に聞いてください。"
                .to_owned(),
        ),
        ProxyRefusal::LoginCut => (
            format!("プロキシ {proxy} が認証の途中で接続を切ります。"),
            "プロキシの手前で接続を切るものがないか、ネットワークの管理者に聞いてください。\
             NTLMには切れない接続が必要です。"
                .to_owned(),
        ),
        ProxyRefusal::Portal { answer } => (
            format!("プロキシ {proxy} がブラウザー用のページに案内しています（{answer}）。"),
            "ブラウザーでウェブページを開き、求められたらネットワークにログインして、\
             もう一度試してください。"
                .to_owned(),
        ),
        ProxyRefusal::Forbidden { address, answer } => (
            format!("プロキシ {proxy} が {address} への接続を禁止しています（{answer}）。"),
            format!("{address} へのCONNECTを許可するよう、ネットワークの管理者に頼んでください。"),
        ),
        ProxyRefusal::NoWay { address, answer } => (
            format!("プロキシ {proxy} から {address} に届きませんでした（{answer}）。"),
            "もう一度試してください。続くときは、ネットワークの管理者に聞いてください。".to_owned(),
        ),
        ProxyRefusal::Unusable { reason } => (
            format!(
                "{proxy} で応答したものは、設定された種類のプロキシではありません（{reason}）。"
            ),
            "設定の [proxy] にある kind と address を確認してください。".to_owned(),
        ),
    };
    explanation(Who::YourNetwork, why, what_to_do)
}

fn offers(asked: &str) -> String {
    match asked {
        "" => String::new(),
        asked => format!("プロキシが受け付ける方式：{asked}。"),
    }
}

fn proxy_settings(source: &std::io::Error) -> Explanation {
    explanation(
        Who::ThisProgram,
        format!("このPCのプロキシ設定を使えません（{source}）。"),
        "設定を直すか、このプログラムの設定の [proxy] に使うものを書いてください。",
    )
}

fn proxy_script(script: &str, source: &std::io::Error) -> Explanation {
    explanation(
        Who::YourNetwork,
        format!(
            "プロキシの自動構成スクリプト {script} を使えません（{source}）。\
             プロキシなしでも接続できませんでした。"
        ),
        "このPCがネットワークに接続されているか確認してください。ブラウザーでウェブページが\
         開けるときは、プロキシのアドレスをネットワークの管理者に聞いて、設定の [proxy] に\
         書いてください。",
    )
}

fn certificate(refusal: &CertificateRefusal, address: &Endpoint) -> Explanation {
    match refusal {
        CertificateRefusal::Foreign { issuer } => explanation(
            Who::YourNetwork,
            format!(
                "このPCと {address} の間で、暗号化された接続が開かれています。中継サーバーの\
                 ものではない、「{issuer}」の証明書が示されました。"
            ),
            exemption(address),
        ),
        CertificateRefusal::Expired { since } => explanation(
            Who::Relay,
            format!("証明書の期限が {} に切れました。", date(*since)),
            "このPCの日付と時刻を確認してください。正しければ、中継サーバーの管理者に知らせて\
             ください。",
        ),
        CertificateRefusal::NotYetValid { from } => explanation(
            Who::ThisProgram,
            format!("中継サーバーの証明書は {} から有効です。", date(*from)),
            "このPCの時計が遅れているようです。日付と時刻を合わせてください。",
        ),
        CertificateRefusal::Revoked { board } => explanation(
            Who::Relay,
            format!("中継サーバー {board} は信頼できなくなりました。盗まれたおそれがあります。"),
            "使わないでください。続くときは、中継サーバーの管理者に知らせてください。",
        ),
        CertificateRefusal::NotListed { board } => explanation(
            Who::Relay,
            format!("中継サーバー {board} は、運用中の一覧にありません。"),
            "後でもう一度試してください。続くときは、中継サーバーの管理者に知らせてください。",
        ),
        CertificateRefusal::NotABoard { reason } => explanation(
            Who::Relay,
            format!("証明書を使えません（{reason}）。"),
            TELL,
        ),
    }
}

fn exemption(address: &Endpoint) -> String {
    format!("{address} をTLS検査の対象から外すよう、ネットワークの管理者に頼んでください。")
}
