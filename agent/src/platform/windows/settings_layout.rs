//! Where each control of the settings tool stands.

use agent_windows::dialog::{Control, Kind};

use crate::settings::Words;

/// What each control is called.
pub(super) mod id {
    pub(in super::super) const STATE: u16 = 100;
    pub(in super::super) const COMPUTER_ID: u16 = 101;
    pub(in super::super) const COPY: u16 = 102;
    pub(in super::super) const PASSWORD: u16 = 103;
    pub(in super::super) const PASSWORD_AGAIN: u16 = 104;
    pub(in super::super) const WITHOUT_SYMBOLS: u16 = 105;
    pub(in super::super) const RULE: u16 = 106;
    pub(in super::super) const PROTECT: u16 = 107;
    pub(in super::super) const WINDOW_PASSWORD: u16 = 108;
    pub(in super::super) const WINDOW_PASSWORD_AGAIN: u16 = 109;
    pub(in super::super) const WINDOW_RULE: u16 = 110;
    pub(in super::super) const RULES: u16 = 111;
    pub(in super::super) const PROXY: u16 = 112;
    pub(in super::super) const PROXY_ADDRESS: u16 = 113;
    pub(in super::super) const PROXY_USER: u16 = 114;
    pub(in super::super) const PROXY_PASSWORD: u16 = 115;
    pub(in super::super) const USER_AGENT: u16 = 116;
    pub(in super::super) const STAY_AWAKE: u16 = 117;
    pub(in super::super) const LOGS: u16 = 118;
    pub(in super::super) const SAVE: u16 = 119;
    pub(in super::super) const CLOSE: u16 = 120;
    pub(in super::super) const STATUS: u16 = 121;
    pub(in super::super) const NOTICE: u16 = 122;
    pub(in super::super) const UPDATES: u16 = 123;
    pub(in super::super) const LOOK: u16 = 124;
    pub(in super::super) const BROWSE: u16 = 125;
    pub(in super::super) const SHARE: u16 = 126;
    pub(in super::super) const AT_LOGON: u16 = 127;
    /// Of labels and frames, which nobody asks for anything.
    pub(super) const NOBODY: u16 = 99;
}

/// What can be used while somebody may type; while `host.toml` can be changed; with a proxy that
/// has an address, or a user; and while the window has a password.
pub(super) const GROUPS: [&[u16]; 5] = [
    &[
        id::SHARE,
        id::AT_LOGON,
        id::COMPUTER_ID,
        id::COPY,
        id::PASSWORD,
        id::PASSWORD_AGAIN,
        id::WITHOUT_SYMBOLS,
        id::PROTECT,
        id::SAVE,
        id::CLOSE,
    ],
    &[
        id::RULES,
        id::PROXY,
        id::USER_AGENT,
        id::STAY_AWAKE,
        id::UPDATES,
    ],
    &[id::PROXY_ADDRESS],
    &[id::PROXY_USER, id::PROXY_PASSWORD],
    &[id::WINDOW_PASSWORD, id::WINDOW_PASSWORD_AGAIN],
];

/// Longest texts that can be typed, in UTF-16 units; what is too long for its purpose is told.
const LINE_MAX: u16 = 300;
const PASSWORD_MAX: u16 = 1024;
const RULES_MAX: u16 = 30_000;

const MARGIN: i16 = 8;
const COLUMN: i16 = 200;
const RIGHT: i16 = MARGIN + COLUMN + MARGIN;
const WIDTH: i16 = RIGHT + COLUMN + MARGIN;
const LINE_HEIGHT: i16 = 13;
const ROW: i16 = 16;
/// From the frame of a group to what is in it.
const INSET: i16 = 7;
const LABEL_WIDTH: i16 = 72;
const STATE_HEIGHT: i16 = 46;
/// What stands beside how the host stands.
const SHARE_WIDTH: i16 = 114;
const TOP: i16 = MARGIN + STATE_HEIGHT + 6;
const BUTTON_HEIGHT: i16 = 15;
const BUTTON_WIDTH: i16 = 62;

const CALLERS: i16 = TOP + ROW + 4;
const CALLERS_HEIGHT: i16 = 86;
const OWN: i16 = CALLERS + CALLERS_HEIGHT + 4;
const OWN_HEIGHT: i16 = 86;
const WHO_HEIGHT: i16 = 74;
const WAY: i16 = TOP + WHO_HEIGHT + 4;
const WAY_HEIGHT: i16 = 94;
const UPDATES: i16 = OWN + OWN_HEIGHT - 10;
const AWAKE: i16 = UPDATES - 12;
const STATUS: i16 = OWN + OWN_HEIGHT + 6;
const NOTICE: i16 = STATUS + 12;
const NOTICE_HEIGHT: i16 = 38;
const BUTTONS: i16 = NOTICE + NOTICE_HEIGHT + 6;

pub(super) const SIZE: [i16; 2] = [WIDTH, BUTTONS + BUTTON_HEIGHT + MARGIN];
pub(super) const DOOR_SIZE: [i16; 2] = [230, 76];

const LINE: Kind = Kind::Line { limit: LINE_MAX };
const SECRET: Kind = Kind::Secret {
    limit: PASSWORD_MAX,
};

/// Controls in the order of the Tab key.
struct Sheet<'w>(Vec<Control<'w>>);

impl<'w> Sheet<'w> {
    fn add(&mut self, id: u16, kind: Kind, text: &'w str, place: [i16; 4]) {
        self.0.push(Control {
            id,
            kind,
            text,
            place,
        });
    }

    /// A frame in a column.
    fn group(&mut self, heading: &'w str, left: i16, top: i16, height: i16) {
        self.add(
            id::NOBODY,
            Kind::Group,
            heading,
            [left, top, COLUMN, height],
        );
    }

    /// Something to fill in with its label, in a group that begins at `left`.
    fn row(&mut self, label: &'w str, id: u16, kind: Kind, left: i16, top: i16) {
        let label_place = [left + INSET, top + 2, LABEL_WIDTH, 9];
        self.add(id::NOBODY, Kind::Label, label, label_place);
        let field = left + INSET + LABEL_WIDTH;
        let height = if kind == Kind::Choice {
            60
        } else {
            LINE_HEIGHT
        };
        let width = COLUMN - 2 * INSET - LABEL_WIDTH;
        self.add(id, kind, "", [field, top, width, height]);
    }
}

/// The window.
pub(super) fn controls(words: &Words) -> Vec<Control<'_>> {
    let mut sheet = Sheet(Vec::new());
    let share = WIDTH - MARGIN - SHARE_WIDTH;
    let place = [share, MARGIN, SHARE_WIDTH, BUTTON_HEIGHT];
    sheet.add(id::SHARE, Kind::Button, words.share, place);
    let place = [share, MARGIN + BUTTON_HEIGHT + 6, SHARE_WIDTH, 10];
    sheet.add(id::AT_LOGON, Kind::Check, words.at_logon, place);
    left(&mut sheet, words);
    right(&mut sheet, words);
    let inner = WIDTH - 2 * MARGIN;
    let below = |left, width| [left, BUTTONS, width, BUTTON_HEIGHT];
    let close = WIDTH - MARGIN - BUTTON_WIDTH;
    let save = close - BUTTON_WIDTH - 6;
    sheet.add(
        id::SAVE,
        Kind::DefaultButton,
        words.save,
        below(save, BUTTON_WIDTH),
    );
    sheet.add(
        id::CLOSE,
        Kind::Button,
        words.close,
        below(close, BUTTON_WIDTH),
    );
    sheet.add(id::LOGS, Kind::Button, words.logs, below(MARGIN, 62));
    let look = MARGIN + 62 + 6;
    sheet.add(id::LOOK, Kind::Button, words.look, below(look, 80));
    let browse = look + 80 + 6;
    sheet.add(id::BROWSE, Kind::Button, words.browse, below(browse, 80));
    sheet.add(id::STATUS, Kind::Label, "", [MARGIN, STATUS, inner, 10]);
    sheet.add(
        id::NOTICE,
        Kind::Report,
        "",
        [MARGIN, NOTICE, inner, NOTICE_HEIGHT],
    );
    sheet.add(
        id::STATE,
        Kind::Report,
        "",
        [MARGIN, MARGIN, share - 8 - MARGIN, STATE_HEIGHT],
    );
    sheet.0
}

fn left<'w>(sheet: &mut Sheet<'w>, words: &'w Words) {
    let field = MARGIN + INSET + LABEL_WIDTH;
    let label = [MARGIN, TOP + 2, LABEL_WIDTH + INSET, 9];
    sheet.add(id::NOBODY, Kind::Label, words.computer_id, label);
    let copy = MARGIN + COLUMN - 46;
    sheet.add(
        id::COMPUTER_ID,
        LINE,
        "",
        [field, TOP, copy - 4 - field, LINE_HEIGHT],
    );
    sheet.add(
        id::COPY,
        Kind::Button,
        words.copy,
        [copy, TOP, 46, LINE_HEIGHT],
    );

    sheet.group(words.callers, MARGIN, CALLERS, CALLERS_HEIGHT);
    let rows = [CALLERS + 11, CALLERS + 11 + ROW, CALLERS + 11 + 2 * ROW];
    sheet.row(words.password, id::PASSWORD, SECRET, MARGIN, rows[0]);
    sheet.row(
        words.password_again,
        id::PASSWORD_AGAIN,
        SECRET,
        MARGIN,
        rows[1],
    );
    let wide = COLUMN - 2 * INSET;
    let place = [MARGIN + INSET, rows[2], wide, 10];
    sheet.add(
        id::WITHOUT_SYMBOLS,
        Kind::Check,
        words.without_symbols,
        place,
    );
    let place = [MARGIN + INSET, rows[2] + 12, wide, 27];
    sheet.add(id::RULE, Kind::Label, "", place);

    sheet.group(words.window, MARGIN, OWN, OWN_HEIGHT);
    let place = [MARGIN + INSET, OWN + 11, wide, 10];
    sheet.add(id::PROTECT, Kind::Check, words.protect, place);
    let rows = [OWN + 25, OWN + 25 + ROW];
    sheet.row(
        words.window_password,
        id::WINDOW_PASSWORD,
        SECRET,
        MARGIN,
        rows[0],
    );
    let again = id::WINDOW_PASSWORD_AGAIN;
    sheet.row(words.window_password_again, again, SECRET, MARGIN, rows[1]);
    let place = [MARGIN + INSET, rows[1] + ROW, wide, 27];
    sheet.add(id::WINDOW_RULE, Kind::Label, "", place);
}

fn right<'w>(sheet: &mut Sheet<'w>, words: &'w Words) {
    sheet.group(words.who, RIGHT, TOP, WHO_HEIGHT);
    let wide = COLUMN - 2 * INSET;
    let text = Kind::Text { limit: RULES_MAX };
    let place = [RIGHT + INSET, TOP + 11, wide, 27];
    sheet.add(id::NOBODY, Kind::Label, words.rules, place);
    sheet.add(
        id::RULES,
        text,
        "",
        [RIGHT + INSET, TOP + 39, wide, WHO_HEIGHT - 45],
    );

    sheet.group(words.way_out, RIGHT, WAY, WAY_HEIGHT);
    let first = WAY + 11;
    sheet.row(words.proxy, id::PROXY, Kind::Choice, RIGHT, first);
    for (row, label, id, kind) in [
        (1, words.proxy_address, id::PROXY_ADDRESS, LINE),
        (2, words.proxy_user, id::PROXY_USER, LINE),
        (3, words.proxy_password, id::PROXY_PASSWORD, SECRET),
        (4, words.user_agent, id::USER_AGENT, LINE),
    ] {
        sheet.row(label, id, kind, RIGHT, first + row * ROW);
    }
    let place = [RIGHT + INSET, AWAKE, wide, 10];
    sheet.add(id::STAY_AWAKE, Kind::Check, words.stay_awake, place);
    let place = [RIGHT + INSET, UPDATES, wide, 10];
    sheet.add(id::UPDATES, Kind::Check, words.updates, place);
}

/// The small window before it, which asks for the password.
pub(super) fn door(words: &Words) -> Vec<Control<'_>> {
    let mut sheet = Sheet(Vec::new());
    let [width, height] = DOOR_SIZE;
    let inner = width - 2 * MARGIN;
    let nobody = id::NOBODY;
    sheet.add(nobody, Kind::Label, words.ask, [MARGIN, MARGIN, inner, 10]);
    let label = [MARGIN, 25, LABEL_WIDTH, 9];
    sheet.add(nobody, Kind::Label, words.ask_password, label);
    let field = MARGIN + LABEL_WIDTH;
    let place = [field, 23, width - MARGIN - field, LINE_HEIGHT];
    sheet.add(id::PASSWORD, SECRET, "", place);
    sheet.add(id::STATUS, Kind::Label, "", [MARGIN, 41, inner, 10]);
    let top = height - BUTTON_HEIGHT - MARGIN;
    let close = width - MARGIN - BUTTON_WIDTH;
    let open = close - BUTTON_WIDTH - 6;
    let button = |left| [left, top, BUTTON_WIDTH, BUTTON_HEIGHT];
    sheet.add(id::SAVE, Kind::DefaultButton, words.open, button(open));
    sheet.add(id::CLOSE, Kind::Button, words.close, button(close));
    sheet.0
}
