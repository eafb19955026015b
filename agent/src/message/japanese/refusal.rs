//! Typed refusals, in Japanese.

use std::time::Duration;

use protocol::refusal::{Contact, Refusal, RefusalCode};

use super::{Explanation, explanation};
use crate::message::refusal::{Wait, known, who};

pub(in crate::message) fn refusal(refusal: &Refusal) -> Explanation {
    let (why, what_to_do) = sentences(refusal.code);
    let mut explanation = explanation(who(refusal.code), why, what_to_do);
    if !refusal.text.is_empty() {
        let said = format!("相手からの言葉：「{}」。", refusal.text);
        explanation.why.push_str(&said);
    }
    explanation
        .what_to_do
        .push_str(&wait(refusal.retry_after_s));
    explanation
        .what_to_do
        .push_str(&whom_to_ask(&refusal.contact));
    explanation
}

fn wait(retry_after_s: u32) -> String {
    if matches!(retry_after_s, 0 | u32::MAX) {
        return String::new();
    }
    let (count, unit) = match Wait::of(Duration::from_secs(u64::from(retry_after_s))) {
        Wait::Seconds(count) => (count, "秒"),
        Wait::Minutes(count) => (count, "分"),
        Wait::Hours(count) => (count, "時間"),
    };
    format!("{count}{unit}後には接続できる見込みです。")
}

fn whom_to_ask(contact: &Contact) -> String {
    match known(contact).as_slice() {
        [] => String::new(),
        known => format!("問い合わせ先：{}。", known.join("、")),
    }
}

fn sentences(code: RefusalCode) -> (&'static str, &'static str) {
    let row = TABLE.iter().find(|(listed, _, _)| *listed == code);
    row.map_or(UNKNOWN, |(_, why, what_to_do)| (why, what_to_do))
}

/// Codes from a newer version; the other side's own words follow.
const UNKNOWN: (&str, &str) = (
    "このプログラムの版が知らない理由で断られました。",
    "このプログラムを更新してください。最新版なら理由が分かります。",
);

/// Code, why, what to do.
const TABLE: &[(RefusalCode, &str, &str)] = &[
    (
        RefusalCode::AgentTooOld,
        "このプログラムは古すぎます。",
        "最新版をインストールしてください。",
    ),
    (
        RefusalCode::BoardTooOld,
        "中継サーバーが、このプログラムに対して古すぎます。",
        "中継サーバーの更新が必要であることを、管理者に知らせてください。",
    ),
    (
        RefusalCode::BadFrame,
        "このプログラムから、正しくない要求が届きました。",
        "このプログラムを更新してください。それでも続くときは、中継サーバーの管理者に知らせてください。",
    ),
    (
        RefusalCode::Barred,
        "お使いのネットワークからの接続は、中継サーバーの管理者により禁止されています。",
        "別のネットワークを使うか、許可を求めてください。",
    ),
    (
        RefusalCode::TooManyAttempts,
        "お使いのネットワークから、またはこのコンピューターに対して、短い時間に多くの試みがありました。",
        "少し待って、もう一度試してください。",
    ),
    (
        RefusalCode::BoardFull,
        "これ以上の接続を受け入れる余裕がありません。",
        "数分後にもう一度試してください。続くときは、中継サーバーの管理者に知らせてください。",
    ),
    (
        RefusalCode::Draining,
        "保守のため、まもなく停止します。",
        "数分後にもう一度試してください。",
    ),
    (
        RefusalCode::UnknownId,
        "このIDのコンピューターは登録されていません。",
        "職場のPCに表示されるコンピューターIDと、1文字ずつ見比べてください。",
    ),
    (
        RefusalCode::Offline,
        "職場のPCは登録されていますが、いま接続されていません。電源が切れているか、スリープ中か、\
         ネットワークにつながっていません。",
        "職場の人に電源を入れてもらい、もう一度試してください。",
    ),
    (
        RefusalCode::HostBusy,
        "職場のPCが同時に応答できる数の上限に達しています。",
        "30秒ほど待って、もう一度試してください。",
    ),
    (
        RefusalCode::HostDidNotCome,
        "職場のPCを呼びましたが、時間内に応答がありませんでした。",
        "もう一度試してください。続くときは、職場のPCのネットワークを見てもらってください。",
    ),
    (
        RefusalCode::TicketUnknown,
        "このPCが示した接続券は知られていません。",
        "このPCですることはありません。相手がもう一度試します。",
    ),
    (
        RefusalCode::TicketUsed,
        "このPCが示した接続券は、すでに使われています。",
        "一度だけなら問題ありません。たびたび起きるときは、中継サーバーの管理者に知らせてください。",
    ),
    (
        RefusalCode::TicketLate,
        "このPCの応答が遅すぎました。",
        "このPCやネットワークの負荷が高すぎないか確認してください。",
    ),
    (
        RefusalCode::TicketForeign,
        "このPCが示した接続券は、別のコンピューターのものです。",
        "中継サーバーの管理者に知らせてください。",
    ),
    (
        RefusalCode::IdTaken,
        "このIDは、すでに別のコンピューターが使っています。",
        "ホストの設定か tasuki-host rename で、別のIDを選んでください。",
    ),
    (
        RefusalCode::ClaimInvalid,
        "このPCのコンピューターIDの証明書は、このPCまたはこのシステムのものではありません。",
        "このPCの状態をバックアップから戻すか、tasuki-host reset-identity を実行してください。",
    ),
    (
        RefusalCode::ClaimSuperseded,
        "このPCのコンピューターIDは、以前から持っていたコンピューターのものです。それが戻ってきました。",
        "ホストの設定か tasuki-host rename で、ほかのIDを選んでください。",
    ),
    (
        RefusalCode::ClaimsExhausted,
        "今日は、お使いのネットワークからの新しいコンピューターが多すぎます。",
        "明日もう一度試すか、上限を上げるよう中継サーバーの管理者に頼んでください。",
    ),
    (
        RefusalCode::Clone,
        "別のPCが同じ識別情報を使っています。どちらかがディスクの複製です。",
        "複製した側で tasuki-host reset-identity を実行してください。",
    ),
    (
        RefusalCode::WishMissing,
        "このPCが希望するコンピューターIDが分かりません。",
        "希望するIDを付けて tasuki-host init を実行してください。",
    ),
    (
        RefusalCode::RegistrarUnavailable,
        "いまは新しいコンピューターIDを発行できません。",
        "後でもう一度試してください。すでにIDのあるコンピューターには影響ありません。",
    ),
    (
        RefusalCode::LinkReplaced,
        "このPCがもう一度接続したため、新しい接続が有効です。",
        "同じ状態で別のプログラムが動いていなければ、何もする必要はありません。",
    ),
    (
        RefusalCode::HostKeyMissing,
        "このPCは、どのコンピューターであるかを証明しませんでした。",
        "このプログラムを更新してください。それでも続くときは tasuki-host reset-identity を実行してください。",
    ),
    (
        RefusalCode::AddressDenied,
        "お使いのネットワークからの接続は、職場のPCのアドレス規則で許可されていません。",
        "別のネットワークを使うか、職場のPCの管理者に聞いてください。",
    ),
    (
        RefusalCode::LockedOut,
        "間違ったパスワードが何度も入力されました。",
        "しばらく待ってから、パスワードを注意して入力してください。",
    ),
    (
        RefusalCode::NoPassword,
        "パスワードが設定されていないため、誰の接続も受け付けません。",
        "職場のPCで tasuki-host set-password を実行してください。",
    ),
    (
        RefusalCode::WrongPassword,
        "パスワードまたはユーザー名が違います。",
        "もう一度入力してください。Caps Lock とキーボード配列を確認してください。",
    ),
    (
        RefusalCode::ManInTheMiddle,
        "パスワードは正しいのですが、あなたと職場のPCの間に誰かがいて、すべてを読まれるおそれが\
         あります。何も表示しないうちに接続を切りました。",
        "このネットワークからは試さないでください。職場の管理者と中継サーバーの管理者に知らせてください。",
    ),
    (
        RefusalCode::HostTooOld,
        "職場のPCのプログラムが、こちらに対して古すぎます。",
        "職場のPCのプログラムを更新してもらってください。",
    ),
    (
        RefusalCode::ClientTooOld,
        "こちらのプログラムが、職場のPCに対して古すぎます。",
        "このPCのプログラムを更新してください。",
    ),
    (
        RefusalCode::TooManySessions,
        "職場のPCの接続数が上限に達しています。",
        "ほかの接続を終了するか、終わるまで待ってください。",
    ),
    (
        RefusalCode::TargetUnreachable,
        "職場のPCのリモートデスクトップが応答しません。",
        "リモートデスクトップが有効になっているかどうか、職場の人に見てもらってください。",
    ),
    (
        RefusalCode::HostStopping,
        "職場のPCがシャットダウン中か、プログラムが再起動中です。",
        "1分ほど待って、もう一度試してください。",
    ),
    (
        RefusalCode::StaleLink,
        "職場のPCが入れ替えたばかりの、古い接続で呼び出しました。",
        "すぐにもう一度試してください。",
    ),
    (
        RefusalCode::WrongComputer,
        "応答したPCのコンピューターIDは、指定したものと違います。",
        "もう一度試してください。続くときは、中継サーバーの管理者に知らせてください。",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use protocol::text::Text;

    use super::*;

    #[test]
    fn every_code_has_japanese_sentences_of_its_own() {
        let mut reasons = BTreeSet::new();

        for code in RefusalCode::ALL {
            let (why, what_to_do) = sentences(*code);

            assert_ne!(why, UNKNOWN.0, "{code:?} has no text");
            assert!(reasons.insert(why), "{code:?} has the text of another code");
            for text in [why, what_to_do] {
                assert!(text.ends_with('。'), "{code:?}: '{text}' is no sentence");
                assert!(!text.contains("  "), "{code:?}: '{text}' has a gap");
            }
        }
        assert_eq!(
            TABLE.len(),
            RefusalCode::ALL.len(),
            "a code is listed twice"
        );
    }

    #[test]
    fn bar_shows_whom_to_ask_and_when_to_come_back() {
        let mut bar = Refusal::new(RefusalCode::Barred)
            .retry_after(Duration::from_secs(600))
            .text("年末年始は休みです");
        bar.contact = Contact {
            organisation: Text::lossy("例市"),
            department: Text::lossy("情報課"),
            contact: Text::lossy("it@example.lg.jp"),
        };

        let told = refusal(&bar).to_string();

        assert!(
            told.starts_with("止まった場所：中継サーバー\n理由：お使いの"),
            "{told}"
        );
        assert!(told.contains("「年末年始は休みです」"), "{told}");
        let end = "10分後には接続できる見込みです。問い合わせ先：例市、情報課、it@example.lg.jp。";
        assert!(told.ends_with(end), "{told}");
    }
}
