//! The texts of the window. Letters after `&` are what Alt reaches; no two are the same.

use std::fmt::Display;

use super::choices::Choice;
use crate::client::Redirection;
use crate::client::connect::Step;
use crate::message::Language;

/// All that the window says of its own accord, in one language.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    pub language: Language,
    pub title: &'static str,
    /// Family of the letters, and their size in points.
    pub font: (&'static str, u16),
    pub computer_id: &'static str,
    pub user: &'static str,
    pub password: &'static str,
    pub desktop: &'static str,
    pub connect: &'static str,
    pub close: &'static str,
    pub cancel: &'static str,
    pub disconnect: &'static str,
    pub news: &'static str,

    pub hello: &'static str,
    pub viewing: &'static str,
    pub stopping: &'static str,
    pub refused: &'static str,
    pub viewer_closed: &'static str,
    pub disconnected: &'static str,
    pub from_office: &'static str,

    pub no_id: &'static str,
    pub bad_id: &'static str,
    pub long_user: &'static str,
    pub no_password: &'static str,
    pub no_entry: &'static str,
}

impl Words {
    /// The texts of a language.
    pub fn of(language: Language) -> &'static Self {
        language.pick(&ENGLISH, &JAPANESE)
    }

    /// What can be chosen, for a box to tick.
    pub fn choice(&self, choice: Choice) -> &'static str {
        let (english, japanese) = match choice {
            Choice::FullScreen => ("&Full screen", "全画面表示(&F)"),
            Choice::AllDisplays => ("&All displays", "すべてのディスプレイ(&A)"),
            Choice::Redirect(Redirection::Sound) => ("&Sound", "音声を聞く(&S)"),
            Choice::Redirect(Redirection::Microphone) => ("&Microphone", "マイク(&M)"),
            Choice::Redirect(Redirection::Camera) => ("Cam&era", "カメラ(&E)"),
            Choice::Redirect(Redirection::Printers) => ("P&rinters", "プリンター(&R)"),
            Choice::Redirect(Redirection::Drives) => ("Dri&ves", "ドライブ(&V)"),
            Choice::Redirect(Redirection::Clipboard) => ("Clip&board", "クリップボード(&B)"),
        };
        self.language.pick(english, japanese)
    }

    /// Windows did not show a page.
    pub fn cannot_show(&self, page: &str, error: &dyn Display) -> String {
        match self.language {
            Language::English => format!(
                "No browser shows {page}: {error}.\n\
                 What to do: type the address into one."
            ),
            Language::Japanese => format!(
                "ブラウザーで {page} を表示できません（{error}）。\n\
                 対処：ブラウザーを開き、アドレスを入力してください。"
            ),
        }
    }

    /// The program that has the window did not start.
    pub fn cannot_start(&self, program: &str, error: &dyn Display) -> String {
        match self.language {
            Language::English => format!(
                "{program} does not start: {error}.\n\
                 What to do: put it into the folder of this program."
            ),
            Language::Japanese => format!(
                "{program} を起動できません（{error}）。\n\
                 対処：このプログラムと同じフォルダーに置いてください。"
            ),
        }
    }

    pub(super) fn step(&self, step: Step) -> &'static str {
        let (english, japanese) = match step {
            Step::FindingRelay => ("Finding the relay ...", "中継サーバーを探しています..."),
            Step::AskingHost => (
                "Asking for the office PC ...",
                "職場のPCを呼び出しています...",
            ),
            Step::CheckingPassword => {
                ("Checking the password ...", "パスワードを確認しています...")
            }
            Step::TryingAgain => (
                "That did not work; trying again ...",
                "うまくいかなかったので、もう一度試しています...",
            ),
        };
        self.language.pick(english, japanese)
    }
}

const ENGLISH: Words = Words {
    language: Language::English,
    title: "Tasuki",
    font: ("Segoe UI", 9),
    computer_id: "Computer &ID:",
    user: "&User name (if any):",
    password: "&Password:",
    desktop: "Remote desktop",
    connect: "&Connect",
    close: "Close",
    cancel: "Cancel",
    disconnect: "&Disconnect",
    news: "&New version",

    hello: "Type what the office PC shows as its computer ID.",
    viewing: "Connected. The office desktop has a window of its own.",
    stopping: "Ending the connection ...",
    refused: "Not connected.",
    viewer_closed: "The office desktop was closed.",
    disconnected: "Disconnected.",
    from_office: "Message from the office:",

    no_id: "The computer ID is missing.\n\
            What to do: type the ID that the office PC shows.",
    bad_id: "This is no computer ID.\n\
             What to do: type at most 31 of the letters A to Z, digits, - and _, as the office PC \
             shows them. Upper and lower case are alike.",
    long_user: "No user name is that long.\n\
                What to do: type at most 64 bytes; leave it empty if nobody gave you one.",
    no_password: "The password is missing.\n\
                  What to do: type the password of the office PC.",
    no_entry: "This PC does not know any relay yet.\n\
               What to do: put the file tasuki-entry.toml, which comes from whoever runs the \
               relay, into the folder of this program and connect again.",
};

const JAPANESE: Words = Words {
    language: Language::Japanese,
    title: "Tasuki",
    font: ("Yu Gothic UI", 9),
    computer_id: "コンピューターID(&I)：",
    user: "ユーザー名（任意）(&U)：",
    password: "パスワード(&P)：",
    desktop: "リモートデスクトップ",
    connect: "接続(&C)",
    close: "閉じる",
    cancel: "キャンセル",
    disconnect: "切断(&D)",
    news: "新しいバージョン(&N)",

    hello: "職場のPCに表示されるコンピューターIDを入力してください。",
    viewing: "接続しました。職場のデスクトップは別のウィンドウにあります。",
    stopping: "接続を終了しています...",
    refused: "接続していません。",
    viewer_closed: "職場のデスクトップを閉じました。",
    disconnected: "切断しました。",
    from_office: "職場からのお知らせ：",

    no_id: "コンピューターIDが入力されていません。\n\
            対処：職場のPCに表示されるIDを入力してください。",
    bad_id: "コンピューターIDの形式が正しくありません。\n\
             対処：職場のPCに表示されるとおり、半角の英字、数字、- と _ を31文字以内で入力して\
             ください。大文字と小文字は区別しません。",
    long_user: "ユーザー名が長すぎます。\n\
                対処：64バイト以内で入力してください。ユーザー名を知らされていないときは、空のままに\
                してください。",
    no_password: "パスワードが入力されていません。\n\
                  対処：職場のPCのパスワードを入力してください。",
    no_entry: "このPCには、まだ中継サーバーが登録されていません。\n\
               対処：中継サーバーの管理者から受け取った tasuki-entry.toml を、このプログラムと\
               同じフォルダーに置いて、もう一度接続してください。",
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_letter_that_alt_reaches_is_used_once() {
        for words in [&ENGLISH, &JAPANESE] {
            let fixed = [
                words.computer_id,
                words.user,
                words.password,
                words.connect,
                words.disconnect,
                words.news,
            ];
            let choices = Choice::ALL.map(|choice| words.choice(choice));
            let mut letters = BTreeSet::new();
            for text in fixed.into_iter().chain(choices) {
                let (_, behind) = text.split_once('&').expect("has a letter");
                let letter = behind.chars().next().expect("a letter follows");
                let letter = letter.to_ascii_uppercase();
                assert!(letter.is_ascii_uppercase(), "{text}");
                assert!(letters.insert(letter), "{text}: {letter} is used twice");
            }
        }
    }
}
