//! One window made of controls of Windows: a dialog, which knows tab order, letters under Alt,
//! Enter, Escape, letters that grow with the screen's resolution, and screen readers.

mod icon;
mod template;

use std::cell::{Cell, RefCell};
use std::io;
use std::ptr::{from_ref, null_mut, with_exposed_provenance, with_exposed_provenance_mut};

use windows_sys::Win32::Foundation::{HWND, LPARAM, WPARAM};
use windows_sys::Win32::UI::Accessibility::NotifyWinEvent;
use windows_sys::Win32::UI::Controls::{
    BST_CHECKED, BST_UNCHECKED, CheckDlgButton, EM_LIMITTEXT, EM_SETSEL, ICC_STANDARD_CLASSES,
    INITCOMMONCONTROLSEX, InitCommonControlsEx, IsDlgButtonChecked,
};
use windows_sys::Win32::UI::Input::KeyboardAndMouse::{EnableWindow, GetKeyState, VK_ESCAPE};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    BN_CLICKED, CB_ADDSTRING, CB_GETCURSEL, CB_LIMITTEXT, CB_SETCURSEL, CBN_SELCHANGE,
    DialogBoxIndirectParamW, EN_CHANGE, EVENT_SYSTEM_ALERT, EndDialog, GWLP_USERDATA, GetDlgItem,
    GetWindowLongPtrW, GetWindowTextLengthW, GetWindowTextW, IDCANCEL, MB_ICONERROR, MessageBoxW,
    OBJID_CLIENT, PostMessageW, SW_HIDE, SW_SHOWNA, SendMessageW, SetDlgItemTextW,
    SetForegroundWindow, SetWindowLongPtrW, ShowWindow, WM_APP, WM_CLOSE, WM_COMMAND, WM_COPY,
    WM_DPICHANGED, WM_INITDIALOG, WM_NEXTDLGCTL,
};
use zeroize::Zeroizing;

use self::icon::Icons;
use crate::text::wide;

/// What a control is. A limit is in UTF-16 units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Label,
    /// A frame with a heading.
    Group,
    Line {
        limit: u16,
    },
    /// A line that shows dots.
    Secret {
        limit: u16,
    },
    /// A line with a list of what can be picked; its height is that of the open list.
    Pick {
        limit: u16,
    },
    /// A list of which one line is chosen; its height is that of the open list.
    Choice,
    /// Several lines, which [`Window::text`] ends with `\r\n`; Enter begins a new one.
    Text {
        limit: u16,
    },
    /// Several lines to read.
    Report,
    Check,
    Button,
    /// The one that Enter presses.
    DefaultButton,
}

/// One control. The order of controls is that of the Tab key, and a label names what comes
/// after it; a letter behind `&` is reached with Alt.
#[derive(Debug, Clone, Copy)]
pub struct Control<'a> {
    /// Beyond 2, which belongs to Escape.
    pub id: u16,
    pub kind: Kind,
    pub text: &'a str,
    /// Left, top, width and height, in a quarter and an eighth of a letter.
    pub place: [i16; 4],
}

/// A window to be.
#[derive(Debug, Clone, Copy)]
pub struct Dialog<'a> {
    pub title: &'a str,
    /// Family of the letters.
    pub font: &'a str,
    /// Their size.
    pub points: u16,
    /// Width and height, as of controls.
    pub size: [i16; 2],
    pub controls: &'a [Control<'a>],
}

/// Something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The window is there, and about to be seen.
    Opened,
    /// A button or box was pressed.
    Pressed(u16),
    /// Of a [`Kind::Pick`] or [`Kind::Choice`], a line of its list was picked.
    Picked(u16, usize),
    /// What stands in a line or text has changed.
    Typed(u16),
    /// The Escape key.
    Escaped,
    /// The window was told to close.
    Closed,
    /// A [`Waker`] called.
    Woken,
}

/// A window that is there, for as long as an event is dealt with.
#[derive(Debug)]
pub struct Window(HWND);

/// Calls a window from any thread. One that has gone hears nothing.
#[derive(Debug, Clone, Copy)]
pub struct Waker(usize);

const WOKEN: u32 = WM_APP;

type Owner<'o> = dyn FnMut(&Window, Event) + 'o;

/// What the procedure finds by way of its window.
struct Shared<'o> {
    owner: RefCell<&'o mut Owner<'o>>,
    limits: Vec<(u16, u32, u16)>,
    icons: Cell<Option<Icons>>,
}

impl Dialog<'_> {
    /// Shows the window until [`Window::close`]; `owner` hears what happens. What the owner
    /// causes itself while it deals with an event is not told.
    pub fn show<'o>(&self, owner: &'o mut Owner<'o>) -> io::Result<()> {
        let classes = INITCOMMONCONTROLSEX {
            dwSize: size_of::<INITCOMMONCONTROLSEX>()
                .try_into()
                .map_err(|_| io::ErrorKind::InvalidInput)?,
            dwICC: ICC_STANDARD_CLASSES,
        };
        // SAFETY: the structure says how large it is, and outlives the call. Without the
        // classes the controls would look old, no more.
        unsafe { InitCommonControlsEx(&raw const classes) };
        let template = template::template(self);
        let limits = self.controls.iter().filter_map(limit).collect();
        let shared = Shared {
            owner: RefCell::new(owner),
            limits,
            icons: Cell::new(None),
        };
        let context = from_ref(&shared).expose_provenance().cast_signed();
        // SAFETY: the template is a whole one, aligned to four bytes; the procedure has the
        // signature that is asked for; `shared` lives until the call returns, which is when the
        // window has gone.
        let answer = unsafe {
            DialogBoxIndirectParamW(
                null_mut(),
                template.as_ptr().cast(),
                null_mut(),
                Some(procedure),
                context,
            )
        };
        if answer < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

fn limit(control: &Control<'_>) -> Option<(u16, u32, u16)> {
    match control.kind {
        Kind::Line { limit } | Kind::Secret { limit } | Kind::Text { limit } => {
            Some((control.id, EM_LIMITTEXT, limit))
        }
        Kind::Pick { limit } => Some((control.id, CB_LIMITTEXT, limit)),
        Kind::Label
        | Kind::Group
        | Kind::Report
        | Kind::Choice
        | Kind::Check
        | Kind::Button
        | Kind::DefaultButton => None,
    }
}

impl Window {
    /// What stands in a control; wiped when it is dropped.
    pub fn text(&self, id: u16) -> Zeroizing<String> {
        let control = self.control(id);
        // SAFETY: the control is one of this window's, or null, for which the answer is 0.
        let length = unsafe { GetWindowTextLengthW(control) };
        let room = usize::try_from(length).unwrap_or(0) + 1;
        let mut units = Zeroizing::new(vec![0_u16; room]);
        let most = i32::try_from(room).unwrap_or(i32::MAX);
        // SAFETY: no more units than there is room for are written, the zero included.
        let copied = unsafe { GetWindowTextW(control, units.as_mut_ptr(), most) };
        let copied = usize::try_from(copied).unwrap_or(0).min(room);
        Zeroizing::new(String::from_utf16_lossy(&units[..copied]))
    }

    /// Puts a text into a control; its lines end with `\n`.
    pub fn set_text(&self, id: u16, text: &str) {
        let text = wide(text.replace('\n', "\r\n"));
        // SAFETY: the text ends with a zero and is copied. It fails when the window has gone,
        // and then nobody misses it.
        unsafe { SetDlgItemTextW(self.0, i32::from(id), text.as_ptr()) };
    }

    /// Adds a line to what can be picked.
    pub fn offer(&self, id: u16, line: &str) {
        let line = wide(line);
        let line = line.as_ptr().expose_provenance().cast_signed();
        // SAFETY: this message takes a text that ends with a zero, and copies it.
        unsafe { SendMessageW(self.control(id), CB_ADDSTRING, 0, line) };
    }

    /// Chooses a line of a list.
    pub fn choose(&self, id: u16, line: usize) {
        // SAFETY: the message takes a number and no pointers.
        unsafe { SendMessageW(self.control(id), CB_SETCURSEL, line, 0) };
    }

    /// The line of a list that is chosen.
    pub fn chosen(&self, id: u16) -> Option<usize> {
        // SAFETY: the message takes no pointers; without a choice the answer is negative.
        let line = unsafe { SendMessageW(self.control(id), CB_GETCURSEL, 0, 0) };
        usize::try_from(line).ok()
    }

    /// Copies what stands in a line to the clipboard.
    pub fn copy(&self, id: u16) {
        let control = self.control(id);
        // SAFETY: the message takes two numbers: from the first letter to the last one.
        unsafe { SendMessageW(control, EM_SETSEL, 0, -1) };
        // SAFETY: the message takes nothing.
        unsafe { SendMessageW(control, WM_COPY, 0, 0) };
    }

    /// Whether a box is ticked.
    pub fn is_checked(&self, id: u16) -> bool {
        // SAFETY: the call takes no pointers.
        unsafe { IsDlgButtonChecked(self.0, i32::from(id)) == BST_CHECKED }
    }

    /// Ticks a box, or not.
    pub fn check(&self, id: u16, is_checked: bool) {
        let state = if is_checked {
            BST_CHECKED
        } else {
            BST_UNCHECKED
        };
        // SAFETY: the call takes no pointers.
        unsafe { CheckDlgButton(self.0, i32::from(id), state) };
    }

    /// Lets a control be used, or not.
    pub fn enable(&self, id: u16, is_enabled: bool) {
        // SAFETY: the control is one of this window's, or null, with which nothing happens.
        unsafe { EnableWindow(self.control(id), i32::from(is_enabled)) };
    }

    /// Lets a control be seen, and reached with the Tab key, or not.
    pub fn show(&self, id: u16, is_shown: bool) {
        let how = if is_shown { SW_SHOWNA } else { SW_HIDE };
        // SAFETY: the control is one of this window's, or null, with which nothing happens.
        unsafe { ShowWindow(self.control(id), how) };
    }

    /// Gives a control the keyboard, once what is going on has been dealt with.
    pub fn focus(&self, id: u16) {
        let control = self.control(id).expose_provenance();
        // SAFETY: with 1 as the last argument this message takes a window, which is ours.
        unsafe { PostMessageW(self.0, WM_NEXTDLGCTL, control, 1) };
    }

    /// Puts a text into a control that nobody is at, and has screen readers tell it.
    pub fn tell(&self, id: u16, text: &str) {
        self.set_text(id, text);
        if text.is_empty() {
            return;
        }
        // SAFETY: the call takes no pointers but the window.
        unsafe { NotifyWinEvent(EVENT_SYSTEM_ALERT, self.control(id), OBJID_CLIENT, 0) };
    }

    /// Puts the window in front of others, as far as Windows allows it.
    pub fn raise(&self) {
        // SAFETY: the window is ours.
        unsafe { SetForegroundWindow(self.0) };
    }

    /// Ends [`Dialog::show`].
    pub fn close(&self) {
        // SAFETY: the window is a dialog that `show` has made.
        unsafe { EndDialog(self.0, 0) };
    }

    /// For other threads.
    pub fn waker(&self) -> Waker {
        Waker(self.0.expose_provenance())
    }

    fn control(&self, id: u16) -> HWND {
        // SAFETY: the call takes no pointers but the window.
        unsafe { GetDlgItem(self.0, i32::from(id)) }
    }
}

impl Waker {
    /// Has [`Event::Woken`] told.
    pub fn wake(&self) {
        let window = with_exposed_provenance_mut(self.0);
        // SAFETY: a window of any thread may be posted to; the message has no pointers. When the
        // window has gone the call fails, and nobody waits for it.
        unsafe { PostMessageW(window, WOKEN, 0, 0) };
    }
}

unsafe extern "system" fn procedure(
    window: HWND,
    message: u32,
    wparam: WPARAM,
    lparam: LPARAM,
) -> isize {
    if message == WM_INITDIALOG {
        // SAFETY: the window is the one that is being made, and a number is kept with it.
        unsafe { SetWindowLongPtrW(window, GWLP_USERDATA, lparam) };
    }
    // SAFETY: a number is asked for; it is 0 before the message above.
    let context = unsafe { GetWindowLongPtrW(window, GWLP_USERDATA) };
    if context == 0 {
        return 0;
    }
    // SAFETY: it is what `show` has handed over, which lives until the window has gone; nobody
    // has it for writing, since the owner is in a cell.
    let shared = unsafe { &*with_exposed_provenance::<Shared<'_>>(context.cast_unsigned()) };
    let window = Window(window);
    if message == WM_INITDIALOG {
        for (id, message, limit) in &shared.limits {
            // SAFETY: these messages take a number and no pointers.
            unsafe { SendMessageW(window.control(*id), *message, usize::from(*limit), 0) };
        }
    }
    if matches!(message, WM_INITDIALOG | WM_DPICHANGED) {
        shared.icons.set(Some(Icons::of_program(window.0)));
    }
    let Some(event) = event(&window, message, wparam) else {
        return 0;
    };
    if let Ok(mut owner) = shared.owner.try_borrow_mut() {
        owner(&window, event);
    }
    // At the beginning: let Windows give the first control the keyboard. Otherwise: it is done.
    1
}

fn event(window: &Window, message: u32, wparam: WPARAM) -> Option<Event> {
    match message {
        WM_INITDIALOG => Some(Event::Opened),
        // A text of several lines answers Escape with this message.
        WM_CLOSE if is_down(VK_ESCAPE) => Some(Event::Escaped),
        WM_CLOSE => Some(Event::Closed),
        WOKEN => Some(Event::Woken),
        WM_COMMAND => {
            let [low, low_too, high, high_too, ..] = wparam.to_le_bytes();
            let id = u16::from_le_bytes([low, low_too]);
            let code = u32::from(u16::from_le_bytes([high, high_too]));
            match code {
                BN_CLICKED if i32::from(id) == IDCANCEL => Some(Event::Escaped),
                BN_CLICKED => Some(Event::Pressed(id)),
                CBN_SELCHANGE => window.chosen(id).map(|line| Event::Picked(id, line)),
                EN_CHANGE => Some(Event::Typed(id)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn is_down(key: u16) -> bool {
    // SAFETY: the call takes no pointers.
    unsafe { GetKeyState(i32::from(key)) < 0 }
}

/// Shows a text until somebody has read it, for when there is no other window.
pub fn alarm(title: &str, text: &str) {
    let (title, text) = (wide(title), wide(text));
    // SAFETY: both texts end with a zero, and outlive the call.
    unsafe { MessageBoxW(null_mut(), text.as_ptr(), title.as_ptr(), MB_ICONERROR) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window with one control of each kind, which closes when `script` has no more to do.
    fn show(script: &mut dyn FnMut(&Window, Event)) {
        let kinds = [
            Kind::Label,
            Kind::Pick { limit: 4 },
            Kind::Line { limit: 4 },
            Kind::Secret { limit: 4 },
            Kind::Group,
            Kind::Check,
            Kind::Report,
            Kind::DefaultButton,
            Kind::Button,
            Kind::Choice,
            Kind::Text { limit: 40 },
        ];
        let controls: Vec<Control<'_>> = (10..)
            .zip(kinds)
            .map(|(id, kind)| Control {
                id,
                kind,
                text: "&text",
                place: [0, 0, 50, 10],
            })
            .collect();
        let dialog = Dialog {
            title: "a title",
            font: "Segoe UI",
            points: 9,
            size: [200, 100],
            controls: &controls,
        };
        dialog.show(script).expect("is shown");
    }

    #[test]
    fn every_kind_of_control_is_there_and_keeps_what_is_put_into_it() {
        let mut seen = Vec::new();
        show(&mut |window, event| {
            seen.push(event);
            if event == Event::Opened {
                for id in 10..21 {
                    assert!(!window.control(id).is_null(), "{id}");
                }
                window.set_text(12, "秘密");
                assert_eq!(window.text(12).as_str(), "秘密");
                assert_eq!(window.text(17).as_str(), "&text");
                window.check(15, true);
                assert!(window.is_checked(15));
                assert_eq!(window.text(99).as_str(), "", "there is no such control");
                window.offer(19, "one");
                window.offer(19, "two");
                assert_eq!(window.chosen(19), None);
                window.choose(19, 1);
                assert_eq!(window.chosen(19), Some(1));
                window.set_text(20, "two\nlines");
                assert_eq!(window.text(20).as_str(), "two\r\nlines");
                icon::tests::try_on(window.0);
                let waker = window.waker();
                std::thread::spawn(move || waker.wake());
            } else {
                window.close();
            }
        });

        assert_eq!(seen, [Event::Opened, Event::Woken]);
    }
}
