//! The texts of the settings tool. Letters after `&` are what Alt reaches; no two are the same.

use std::fmt::Display;

use super::failure::Failure;
use super::values::ProxyKind;
use crate::host::status::{Session, Status, Trouble, time};
use crate::message::Language;
use crate::tunnel::password::rule;

/// All that the tool says of its own accord, in one language.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    pub language: Language,
    pub title: &'static str,
    /// Family of the letters, and their size in points.
    pub font: (&'static str, u16),

    /// Of one button.
    pub share: &'static str,
    pub unshare: &'static str,
    pub at_logon: &'static str,
    pub computer_id: &'static str,
    pub copy: &'static str,
    pub callers: &'static str,
    pub password: &'static str,
    pub password_again: &'static str,
    pub without_symbols: &'static str,
    pub window: &'static str,
    pub protect: &'static str,
    pub window_password: &'static str,
    pub window_password_again: &'static str,
    pub who: &'static str,
    pub rules: &'static str,
    pub way_out: &'static str,
    pub proxy: &'static str,
    pub proxy_address: &'static str,
    pub proxy_user: &'static str,
    pub proxy_password: &'static str,
    pub user_agent: &'static str,
    pub stay_awake: &'static str,
    pub updates: &'static str,
    pub look: &'static str,
    pub browse: &'static str,
    pub logs: &'static str,
    pub save: &'static str,
    pub close: &'static str,

    /// Before the window opens.
    pub ask: &'static str,
    pub ask_password: &'static str,
    pub open: &'static str,
    pub wrong_password: &'static str,
    pub guarded: &'static str,
    pub usage: &'static str,

    pub hello: &'static str,
    pub saving: &'static str,
    pub saved: &'static str,
    pub not_saved: &'static str,
    pub nothing_new: &'static str,
    pub name_kept: &'static str,
    pub copied: &'static str,
    pub starting: &'static str,
    pub ending: &'static str,
    pub looking: &'static str,
    pub looked: &'static str,
    pub not_looked: &'static str,

    pub unprepared: &'static str,
    pub no_password: &'static str,
    pub somebody_connected: &'static str,
    pub unsaved: &'static str,
    pub name_later: &'static str,
    pub name_undecided: &'static str,
    pub bad_id: &'static str,
    pub differ: &'static str,
    pub bad_user_agent: &'static str,
    pub bad_proxy: &'static str,
    pub bad_proxy_user: &'static str,
    pub bad_proxy_password: &'static str,
    pub no_proxy_password: &'static str,
}

impl Words {
    /// The texts of a language.
    pub fn of(language: Language) -> &'static Self {
        language.pick(&ENGLISH, &JAPANESE)
    }

    /// A kind of proxy, to be picked.
    pub fn proxy_kind(&self, kind: ProxyKind) -> &'static str {
        let (english, japanese) = match kind {
            ProxyKind::System => ("as Windows says", "Windowsの設定に従う"),
            ProxyKind::None => ("none", "使わない"),
            ProxyKind::Http => ("HTTP (CONNECT)", "HTTP（CONNECT）"),
            ProxyKind::Socks5 => ("SOCKS5", "SOCKS5"),
        };
        self.language.pick(english, japanese)
    }

    /// What a password lacks while it is typed, and that it is good.
    pub(super) fn password_rule(&self, password: &str, without_symbols: bool) -> String {
        let is_good = rule(password, without_symbols).is_ok();
        let text = match (is_good, without_symbols) {
            (true, _) => self.language.pick(
                "This password is good enough.",
                "このパスワードは使用できます。",
            ),
            (false, false) => self.language.pick(
                "Needed: 8 characters of 3 kinds (small letters, capital letters, digits, \
                 symbols), or 16 of 2 kinds, or 24 of any kind.",
                "必要な文字数：3種類（英小文字、英大文字、数字、記号）で8文字以上、2種類で16文字\
                 以上、または24文字以上。",
            ),
            (false, true) => self.language.pick(
                "Needed: 8 characters of 2 kinds (small letters, capital letters, digits), or 16 \
                 of any kind.",
                "必要な文字数：2種類（英小文字、英大文字、数字）で8文字以上、または16文字以上。",
            ),
        };
        if is_good || password.is_empty() {
            return text.to_owned();
        }
        let count = password.chars().count();
        match self.language {
            Language::English => format!("{text} So far: {count}."),
            Language::Japanese => format!("{text}現在 {count} 文字です。"),
        }
    }

    /// Whether the desktop is shared, in one line.
    pub(super) fn sharing(&self, is_shared: bool) -> &'static str {
        let (english, japanese) = if is_shared {
            ("The desktop is shared.", "この画面を共有しています。")
        } else {
            ("The desktop is not shared.", "この画面は共有していません。")
        };
        self.language.pick(english, japanese)
    }

    /// How the host stands; one of this user's own or a service.
    pub(super) fn state(&self, status: &Status, is_prepared: bool, is_own: bool) -> String {
        let mut lines = Vec::new();
        if !is_prepared {
            lines.push(self.unprepared.to_owned());
        }
        lines.push(self.link(status));
        if is_prepared && !status.running {
            let (english, japanese) = if is_own {
                (
                    "To start it, press Share this desktop.",
                    "開始するには「この画面を共有」を押してください。",
                )
            } else {
                (
                    "To start it, an administrator types in a terminal: tasuki-host service start",
                    "開始するには、管理者がターミナルで次のように入力します：\
                     tasuki-host service start",
                )
            };
            lines.push(self.language.pick(english, japanese).to_owned());
        }
        if let Some(wish) = &status.wish {
            lines.push(match self.language {
                Language::English => format!("Asking for the computer ID {wish}."),
                Language::Japanese => format!("コンピューターID {wish} を申請しています。"),
            });
        }
        if !status.password_set {
            let text = self.language.pick(
                "No password is set: every call is refused.",
                "パスワードが設定されていないため、すべての接続を拒否します。",
            );
            lines.push(text.to_owned());
        }
        if let Some(trouble) = &status.trouble {
            lines.push(format!("{}  {}", time(trouble.at), self.trouble(trouble)));
        }
        if let Some(mistakes) = &status.refused_settings {
            let text = self.language.pick(
                "host.toml has mistakes; the settings from before hold:",
                "host.toml に誤りがあるため、以前の設定で動作しています：",
            );
            lines.push(format!("{text}\n{mistakes}"));
        }
        if !status.waiting_settings.is_empty() {
            let keys = status.waiting_settings.join(", ");
            lines.push(match self.language {
                Language::English => format!("Changed, and waiting for the next start: {keys}."),
                Language::Japanese => format!("次回の起動から有効になる設定：{keys}"),
            });
        }
        lines.extend(status.sessions.iter().map(|session| self.session(session)));
        lines.join("\n")
    }

    fn link(&self, status: &Status) -> String {
        let Some(link) = &status.link else {
            let (english, japanese) = if status.running {
                (
                    "The host runs, and is not linked to a relay.",
                    "ホストは動作していますが、中継サーバーにつながっていません。",
                )
            } else {
                (
                    "The host does not run, so nobody can connect.",
                    "ホストが動作していないため、だれも接続できません。",
                )
            };
            return self.language.pick(english, japanese).to_owned();
        };
        let (board, since) = (&link.board, time(link.since));
        let nobody = if status.sessions.is_empty() {
            self.language
                .pick(" Nobody is connected.", "接続中の人はいません。")
        } else {
            ""
        };
        match self.language {
            Language::English => {
                format!("Linked to the relay {board} since {since}.{nobody}")
            }
            Language::Japanese => {
                format!("中継サーバー {board} につながっています（{since} から）。{nobody}")
            }
        }
    }

    fn session(&self, session: &Session) -> String {
        let (client, since) = (&session.client, time(session.since));
        let user = match session.user.as_str() {
            "" => String::new(),
            user => format!(" ({user})"),
        };
        match self.language {
            Language::English => format!("Connected: {client}{user} since {since}."),
            Language::Japanese => format!("接続中：{client}{user} {since} から"),
        }
    }

    fn trouble<'t>(&self, trouble: &'t Trouble) -> &'t str {
        self.language.pick(&trouble.text, &trouble.japanese)
    }

    /// A rule that is none.
    pub(super) fn bad_rule(&self, number: usize, line: &str) -> String {
        match self.language {
            Language::English => format!(
                "Line {number} is no rule: {line}\n\
                 What to do: write permit or deny and an address or range, as in\n\
                 permit 192.0.2.0/24"
            ),
            Language::Japanese => format!(
                "{number} 行目の規則の形式が正しくありません：{line}\n\
                 対処：permit（許可）または deny（拒否）に続けて、アドレスまたは範囲を書いて\
                 ください。例：\npermit 192.0.2.0/24"
            ),
        }
    }

    /// The relay said no to a name.
    pub(super) fn name_refused(&self, trouble: Option<&Trouble>) -> String {
        trouble.map_or_else(String::new, |trouble| self.trouble(trouble).to_owned())
    }

    /// The settings cannot be shown.
    pub(super) fn unreadable(&self, failure: &Failure) -> String {
        let rest = self.language.pick(
            "Until then this window leaves host.toml alone; passwords and the computer ID can be \
             changed.",
            "それまで、このウィンドウは host.toml を変更しません。パスワードとコンピューターIDは\
             変更できます。",
        );
        format!("{}\n{rest}", self.failure(failure))
    }

    /// What was in the way.
    pub fn failure(&self, failure: &Failure) -> String {
        failure
            .in_words(self.language)
            .unwrap_or_else(|| self.unexpected(failure))
    }

    /// Something that has no words of its own.
    pub fn unexpected(&self, error: &dyn Display) -> String {
        match self.language {
            Language::English => format!("This did not work: {error}."),
            Language::Japanese => format!("うまくいきませんでした（{error}）。"),
        }
    }
}

const ENGLISH: Words = Words {
    language: Language::English,
    title: "Tasuki host settings",
    font: ("Segoe UI", 9),

    share: "S&hare this desktop",
    unshare: "Stop s&haring",
    at_logon: "Share whene&ver I log on",
    computer_id: "Computer &ID:",
    copy: "&Copy",
    callers: "Password for connecting from home",
    password: "New &password:",
    password_again: "The same a&gain:",
    without_symbols: "For somebody &who cannot type symbols",
    window: "This window",
    protect: "Ask for a password before it &opens",
    window_password: "Its new passwor&d:",
    window_password_again: "The same agai&n:",
    who: "Who may connect",
    rules: "&Rules for addresses at home, one a line, as permit 192.0.2.0/24 or deny ::/0. The \
            first that fits counts; without one everybody may.",
    way_out: "Way to the relay",
    proxy: "Pro&xy:",
    proxy_address: "Addr&ess:",
    proxy_user: "&User name:",
    proxy_password: "Password (&Y):",
    user_agent: "User-&Agent:",
    stay_awake: "&Keep this PC awake while the host runs",
    updates: "&Tell me of new versions",
    look: "&Find a newer one",
    browse: "Show in &browser",
    logs: "Show &logs",
    save: "&Save",
    close: "Close",

    ask: "The settings of this office PC are kept behind a password.",
    ask_password: "&Password:",
    open: "&Open",
    wrong_password: "That is not the password.",
    guarded: "On this PC the host runs as a service, and its settings are for administrators.\n\
              What to do: start this program with \"Run as administrator\" (right mouse button), \
              or ask whoever looks after this PC.",
    usage: "This program can be told one thing: --state and the folder with the host's state.\n\
            What to do: start it without anything behind its name; tasuki-host --help lists the \
            commands for a terminal.",

    hello: "No setting is changed before you press Save. Connections that are open go on.",
    saving: "Saving ...",
    saved: "Saved.",
    not_saved: "Not saved.",
    nothing_new: "Nothing has been changed.",
    name_kept: "Saved, but the computer ID stays as it was.",
    copied: "The computer ID is on the clipboard.",
    starting: "Starting the host ...",
    ending: "Ending the host ...",
    looking: "Asking whether there is a newer version ...",
    looked: "Asked whether there is a newer version.",
    not_looked: "Could not ask whether there is a newer version.",

    unprepared: "This PC does not know any relay yet. Put the file tasuki-entry.toml, which comes \
                 from whoever runs the relay, into the folder of this program, and open this \
                 window again.",
    no_password: "There is no password yet, so nobody could connect.\n\
                  What to do: type a new password twice and press Save, then press Share this \
                  desktop again.",
    somebody_connected: "Somebody is connected, and would be cut off.\n\
                         What to do: press once more to stop sharing all the same.",
    unsaved: "What you have changed is not saved yet.\n\
              What to do: press Save, or close once more to drop it.",
    name_later: "The host does not run. It asks for the new computer ID when it does.",
    name_undecided: "The relay has not answered about the new computer ID yet; the host keeps \
                     asking.",
    bad_id: "This is no computer ID.\n\
             What to do: type at most 31 of the letters A to Z, digits, - and _. Upper and lower \
             case are alike.",
    differ: "The two passwords differ.\n\
             What to do: type the same one twice.",
    bad_user_agent: "This is no User-Agent.\n\
                     What to do: type at most 200 letters, digits and signs of ASCII, or leave it \
                     empty.",
    bad_proxy: "This is no address of a proxy.\n\
                What to do: type its name or address and its port, as in proxy.example:8080.",
    bad_proxy_user: "No proxy takes this user name.\n\
                     What to do: type at most 255 bytes without a colon.",
    bad_proxy_password: "No proxy takes this password.\n\
                         What to do: type at most 255 bytes.",
    no_proxy_password: "The proxy's user name has no password.\n\
                        What to do: type its password, or leave the user name empty.",
};

const JAPANESE: Words = Words {
    language: Language::Japanese,
    title: "Tasuki ホストの設定",
    font: ("Yu Gothic UI", 9),

    share: "この画面を共有(&H)",
    unshare: "共有を停止(&H)",
    at_logon: "ログオンするたびに共有する(&V)",
    computer_id: "コンピューターID(&I)：",
    copy: "コピー(&C)",
    callers: "自宅から接続するときのパスワード",
    password: "新しいパスワード(&P)：",
    password_again: "もう一度(&G)：",
    without_symbols: "記号を入力できない人のための規則を使う(&W)",
    window: "このウィンドウ",
    protect: "開く前にパスワードを求める(&O)",
    window_password: "新しいパスワード(&D)：",
    window_password_again: "もう一度(&N)：",
    who: "接続できる人",
    rules: "接続元アドレスの規則(&R)：1行に1つ、permit 192.0.2.0/24（許可）や deny ::/0（拒否）。\
            最初に当てはまる行に従い、なければ許可します。",
    way_out: "中継サーバーへの経路",
    proxy: "プロキシ(&X)：",
    proxy_address: "アドレス(&E)：",
    proxy_user: "ユーザー名(&U)：",
    proxy_password: "パスワード(&Y)：",
    user_agent: "User-Agent(&A)：",
    stay_awake: "ホストの動作中はこのPCをスリープさせない(&K)",
    updates: "新しいバージョンを知らせる(&T)",
    look: "今すぐ確認(&F)",
    browse: "ブラウザーで表示(&B)",
    logs: "ログを表示(&L)",
    save: "保存(&S)",
    close: "閉じる",

    ask: "この職場のPCの設定は、パスワードで保護されています。",
    ask_password: "パスワード(&P)：",
    open: "開く(&O)",
    wrong_password: "パスワードが違います。",
    guarded: "このPCではホストがサービスとして動作しており、設定は管理者だけが開けます。\n\
              対処：このプログラムを右クリックして「管理者として実行」を選ぶか、このPCの管理者に\
              依頼してください。",
    usage: "このプログラムに指定できるのは、--state とホストの状態を保存したフォルダーだけです。\n\
            対処：何も指定せずに起動してください。ターミナルで使うコマンドは tasuki-host --help で\
            確認できます。",

    hello: "「保存」を押すまで設定は変わりません。接続中のセッションは続きます。",
    saving: "保存しています...",
    saved: "保存しました。",
    not_saved: "保存していません。",
    nothing_new: "変更はありません。",
    name_kept: "保存しました。ただし、コンピューターIDは変わっていません。",
    copied: "コンピューターIDをクリップボードにコピーしました。",
    starting: "ホストを起動しています...",
    ending: "ホストを終了しています...",
    looking: "新しいバージョンがあるか確認しています...",
    looked: "新しいバージョンがあるか確認しました。",
    not_looked: "新しいバージョンがあるか確認できませんでした。",

    unprepared: "このPCには、まだ中継サーバーが登録されていません。中継サーバーの管理者から受け取った \
                 tasuki-entry.toml を、このプログラムと同じフォルダーに置いて、このウィンドウを\
                 開き直してください。",
    no_password: "パスワードがまだないため、だれも接続できません。\n\
                  対処：新しいパスワードを2回入力して「保存」を押してから、もう一度「この画面を\
                  共有」を押してください。",
    somebody_connected: "接続中の人がいます。共有を停止すると接続が切れます。\n\
                         対処：それでも停止するには、もう一度押してください。",
    unsaved: "変更がまだ保存されていません。\n\
              対処：「保存」を押すか、破棄するにはもう一度閉じてください。",
    name_later: "ホストが動作していません。次に動作したときに、新しいコンピューターIDを申請します。",
    name_undecided: "新しいコンピューターIDについて、中継サーバーの返事がまだありません。ホストが\
                     申請を続けます。",
    bad_id: "コンピューターIDの形式が正しくありません。\n\
             対処：半角の英字、数字、- と _ を31文字以内で入力してください。大文字と小文字は区別\
             しません。",
    differ: "2つのパスワードが一致しません。\n\
             対処：同じパスワードを2回入力してください。",
    bad_user_agent: "User-Agent として使えません。\n\
                     対処：半角の英字、数字、記号を200文字以内で入力するか、空のままにしてください。",
    bad_proxy: "プロキシのアドレスの形式が正しくありません。\n\
                対処：proxy.example:8080 のように、名前またはアドレスとポート番号を入力して\
                ください。",
    bad_proxy_user: "プロキシのユーザー名として使えません。\n\
                     対処：コロンを含まない255バイト以内で入力してください。",
    bad_proxy_password: "プロキシのパスワードとして使えません。\n\
                         対処：255バイト以内で入力してください。",
    no_proxy_password: "プロキシのユーザー名に対するパスワードがありません。\n\
                        対処：パスワードを入力するか、ユーザー名を空にしてください。",
};

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
