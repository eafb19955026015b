//! A dialog as Windows reads it (DLGTEMPLATEEX).

use windows_sys::Win32::UI::WindowsAndMessaging::{
    BS_AUTOCHECKBOX, BS_DEFPUSHBUTTON, BS_GROUPBOX, BS_PUSHBUTTON, CBS_AUTOHSCROLL, CBS_DROPDOWN,
    CBS_DROPDOWNLIST, DS_CENTER, DS_FIXEDSYS, DS_SETFONT, ES_AUTOHSCROLL, ES_AUTOVSCROLL,
    ES_MULTILINE, ES_PASSWORD, ES_READONLY, ES_WANTRETURN, WS_CAPTION, WS_CHILD, WS_EX_APPWINDOW,
    WS_EX_CLIENTEDGE, WS_MINIMIZEBOX, WS_SYSMENU, WS_TABSTOP, WS_VISIBLE, WS_VSCROLL,
};

use super::{Control, Dialog, Kind};

const NORMAL_WEIGHT: u16 = 400;
const DEFAULT_CHARSET: u8 = 1;

/// The bytes, as numbers that are aligned as Windows wants them.
pub(super) fn template(dialog: &Dialog<'_>) -> Vec<u32> {
    let mut words = Words(Vec::new());
    let style = number(DS_SETFONT | DS_FIXEDSYS | DS_CENTER);
    words.short(1);
    words.short(0xffff);
    words.long(0);
    words.long(WS_EX_APPWINDOW);
    words.long(style | WS_CAPTION | WS_SYSMENU | WS_MINIMIZEBOX | WS_VISIBLE);
    words.short(u16::try_from(dialog.controls.len()).unwrap_or(u16::MAX));
    let [width, height] = dialog.size;
    words.place([0, 0, width, height]);
    // No menu, and the class of dialogs.
    words.short(0);
    words.short(0);
    words.text(dialog.title);
    words.short(dialog.points);
    words.short(NORMAL_WEIGHT);
    // Not italic.
    words.short(u16::from_le_bytes([0, DEFAULT_CHARSET]));
    words.text(dialog.font);
    for control in dialog.controls {
        words.control(control);
    }
    words.aligned()
}

struct Words(Vec<u16>);

impl Words {
    fn short(&mut self, value: u16) {
        self.0.push(value);
    }

    /// Low half first.
    fn long(&mut self, value: u32) {
        let [a, b, c, d] = value.to_le_bytes();
        self.0.push(u16::from_le_bytes([a, b]));
        self.0.push(u16::from_le_bytes([c, d]));
    }

    fn place(&mut self, place: [i16; 4]) {
        self.0.extend(place.map(i16::cast_unsigned));
    }

    fn text(&mut self, text: &str) {
        self.0.extend(text.encode_utf16().filter(|unit| *unit != 0));
        self.0.push(0);
    }

    fn control(&mut self, control: &Control<'_>) {
        let (class, style, extended) = look(control.kind);
        self.align();
        self.long(0);
        self.long(extended);
        self.long(style | WS_CHILD | WS_VISIBLE);
        self.place(control.place);
        self.long(u32::from(control.id));
        self.text(class);
        self.text(control.text);
        // No data of its own.
        self.short(0);
    }

    fn align(&mut self) {
        if !self.0.len().is_multiple_of(2) {
            self.0.push(0);
        }
    }

    fn aligned(mut self) -> Vec<u32> {
        self.align();
        let pairs = self.0.chunks_exact(2);
        pairs
            .map(|pair| u32::from(pair[0]) | u32::from(pair[1]) << 16)
            .collect()
    }
}

/// Class, style and extended style of a kind.
fn look(kind: Kind) -> (&'static str, u32, u32) {
    let (class, style, extended) = match kind {
        Kind::Label => ("Static", 0, 0),
        Kind::Group => ("Button", BS_GROUPBOX, 0),
        Kind::Line { .. } => ("Edit", ES_AUTOHSCROLL, WS_EX_CLIENTEDGE),
        Kind::Secret { .. } => ("Edit", ES_AUTOHSCROLL | ES_PASSWORD, WS_EX_CLIENTEDGE),
        Kind::Report => {
            let style = ES_MULTILINE | ES_READONLY | ES_AUTOVSCROLL;
            ("Edit", style, WS_EX_CLIENTEDGE)
        }
        Kind::Text { .. } => {
            let style = ES_MULTILINE | ES_WANTRETURN | ES_AUTOVSCROLL;
            ("Edit", style, WS_EX_CLIENTEDGE)
        }
        Kind::Choice => ("ComboBox", CBS_DROPDOWNLIST, 0),
        Kind::Pick { .. } => ("ComboBox", CBS_DROPDOWN | CBS_AUTOHSCROLL, 0),
        Kind::Check => ("Button", BS_AUTOCHECKBOX, 0),
        Kind::Button => ("Button", BS_PUSHBUTTON, 0),
        Kind::DefaultButton => ("Button", BS_DEFPUSHBUTTON, 0),
    };
    let more = match kind {
        Kind::Label | Kind::Group => 0,
        Kind::Report | Kind::Text { .. } | Kind::Pick { .. } | Kind::Choice => {
            WS_TABSTOP | WS_VSCROLL
        }
        Kind::Line { .. }
        | Kind::Secret { .. }
        | Kind::Check
        | Kind::Button
        | Kind::DefaultButton => WS_TABSTOP,
    };
    (class, number(style) | more, extended)
}

fn number(style: i32) -> u32 {
    style.cast_unsigned()
}
