//! The client's window as Windows draws it: where each control stands, and how what happens
//! there reaches the form.

use std::io;
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use agent_windows::dialog::{self, Control, Dialog, Kind, Waker, Window, alarm};
use agent_windows::{browser, locale};
use protocol::file::announcement::HttpsAddress;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::config::Password;
use crate::message::Language;
use crate::state::{StateDir, Visit};
use crate::update::in_background;
use crate::window::{
    Choice, Choices, Effect, Event, Fields, Form, Job, Order, Place, View, Words, lookout,
};

const COMPUTER_ID: u16 = 100;
const USER: u16 = 101;
const PASSWORD: u16 = 102;
const CONNECT: u16 = 103;
const LEAVE: u16 = 104;
const STATUS: u16 = 105;
const NOTICE: u16 = 106;
/// Of labels and frames, which nobody asks for anything.
const NOBODY: u16 = 107;
const NEWS: u16 = 108;
/// Of the first choice; the others follow.
const CHOICES: u16 = 200;

/// News of the connection that wait for the window.
const NEWS_MAX: usize = 64;
/// Longest texts that can be typed, in UTF-16 units; what is too long for its purpose is told.
const LINE_MAX: u16 = 128;
const PASSWORD_MAX: u16 = 1024;

/// `DETACHED_PROCESS`: no console, neither the starter's nor one of its own.
const DETACHED: u32 = 0x8;

/// The words of this user's language.
pub(crate) fn words() -> &'static Words {
    Words::of(language())
}

/// The language of this user.
pub(super) fn language() -> Language {
    const JAPANESE: u16 = 0x11;
    if locale::language() == JAPANESE {
        Language::Japanese
    } else {
        Language::English
    }
}

/// Starts `program` as the one that shows the window, without a console, and leaves it running.
pub(crate) fn start(program: &Path) -> io::Result<()> {
    let mut command = Command::new(program);
    command.arg("window").creation_flags(DETACHED);
    command.spawn().map(drop)
}

/// Tells what went wrong where there is no window.
pub(crate) fn tell(text: &str) {
    alarm(words().title, text);
}

/// Shows the window until somebody closes it, and the connection with it.
pub(crate) fn show(dir: StateDir, visits: Vec<Visit>) -> io::Result<()> {
    let words = words();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let (sender, news) = sync_channel(NEWS_MAX);
    let history: Vec<String> = visits
        .iter()
        .map(|visit| visit.computer_id.to_string())
        .collect();
    let mut desk = Desk {
        words,
        dir,
        runtime: Arc::new(runtime),
        form: Form::new(words, visits),
        shown: None,
        job: None,
        sender,
        news,
    };
    let controls = controls(words);
    let dialog = Dialog {
        title: words.title,
        font: words.font.0,
        points: words.font.1,
        size: [WIDTH, BUTTONS + BUTTON_HEIGHT + MARGIN],
        controls: &controls,
    };
    dialog.show(&mut |window, event| {
        if event == dialog::Event::Opened {
            desk.open(window, &history);
        } else {
            desk.deal_with(window, event);
        }
    })?;
    desk.close();
    Ok(())
}

const MARGIN: i16 = 8;
const WIDTH: i16 = 252;
const LABEL_WIDTH: i16 = 92;
const LINE_HEIGHT: i16 = 14;
const ROW: i16 = 19;
const BOX_ROW: i16 = 14;
const GROUP: i16 = MARGIN + 3 * ROW;
const GROUP_HEIGHT: i16 = 70;
const STATUS_TOP: i16 = GROUP + GROUP_HEIGHT + 5;
const NOTICE_TOP: i16 = STATUS_TOP + 13;
const NOTICE_HEIGHT: i16 = 76;
const BUTTONS: i16 = NOTICE_TOP + NOTICE_HEIGHT + MARGIN;
const BUTTON_WIDTH: i16 = 64;
const BUTTON_HEIGHT: i16 = 15;
const NEWS_WIDTH: i16 = 92;
/// Of the open list of past computers.
const LIST_HEIGHT: i16 = 90;

fn controls(words: &Words) -> Vec<Control<'_>> {
    let inner = WIDTH - 2 * MARGIN;
    let mut controls = Vec::new();
    let mut add = |id, kind, text, place| {
        controls.push(Control {
            id,
            kind,
            text,
            place,
        });
    };
    let line = Kind::Line { limit: LINE_MAX };
    let pick = Kind::Pick { limit: LINE_MAX };
    let secret = Kind::Secret {
        limit: PASSWORD_MAX,
    };
    let field = MARGIN + LABEL_WIDTH;
    for (row, label, id, kind, height) in [
        (0, words.computer_id, COMPUTER_ID, pick, LIST_HEIGHT),
        (1, words.user, USER, line, LINE_HEIGHT),
        (2, words.password, PASSWORD, secret, LINE_HEIGHT),
    ] {
        let top = MARGIN + row * ROW;
        add(
            NOBODY,
            Kind::Label,
            label,
            [MARGIN, top + 2, LABEL_WIDTH - 2, 10],
        );
        add(id, kind, "", [field, top, WIDTH - MARGIN - field, height]);
    }
    add(
        NOBODY,
        Kind::Group,
        words.desktop,
        [MARGIN, GROUP, inner, GROUP_HEIGHT],
    );
    let half = (inner - 16) / 2;
    for (id, choice) in (CHOICES..).zip(Choice::ALL) {
        let [column, row] = [(id - CHOICES) % 2, (id - CHOICES) / 2].map(u16::cast_signed);
        let place = [
            MARGIN + 8 + column * half,
            GROUP + 12 + row * BOX_ROW,
            half - 4,
            10,
        ];
        add(id, Kind::Check, words.choice(choice), place);
    }
    add(STATUS, Kind::Label, "", [MARGIN, STATUS_TOP, inner, 10]);
    add(
        NOTICE,
        Kind::Report,
        "",
        [MARGIN, NOTICE_TOP, inner, NOTICE_HEIGHT],
    );
    let right = WIDTH - MARGIN - BUTTON_WIDTH;
    let button = |left| [left, BUTTONS, BUTTON_WIDTH, BUTTON_HEIGHT];
    let left = right - BUTTON_WIDTH - 6;
    add(CONNECT, Kind::DefaultButton, words.connect, button(left));
    add(LEAVE, Kind::Button, words.close, button(right));
    let place = [MARGIN, BUTTONS, NEWS_WIDTH, BUTTON_HEIGHT];
    add(NEWS, Kind::Button, words.news, place);
    controls
}

/// What stands behind the window.
struct Desk {
    words: &'static Words,
    dir: StateDir,
    runtime: Arc<Runtime>,
    form: Form,
    shown: Option<View>,
    job: Option<Running>,
    sender: SyncSender<Event>,
    news: Receiver<Event>,
}

struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: JoinHandle<()>,
}

impl Desk {
    fn open(&mut self, window: &Window, history: &[String]) {
        for id in history {
            window.offer(COMPUTER_ID, id);
        }
        for (id, choice) in (CHOICES..).zip(Choice::ALL) {
            window.check(id, choice.is_usual());
        }
        if let Some(newest) = history.first() {
            window.set_text(COMPUTER_ID, newest);
            self.on(window, Event::Picked(0));
            window.focus(PASSWORD);
        }
        self.draw(window);
        window.raise();
        if let Some(lookout) = lookout(&self.dir) {
            let (sender, waker) = (self.sender.clone(), window.waker());
            in_background(lookout, SystemTime::now(), move |news| {
                if let Some(news) = news {
                    // Nobody listens when the window has gone.
                    let _ = sender.send(Event::News(news));
                    waker.wake();
                }
            });
        }
    }

    fn deal_with(&mut self, window: &Window, event: dialog::Event) {
        match event {
            dialog::Event::Pressed(CONNECT) => self.on(window, Event::Connect(fields(window))),
            dialog::Event::Pressed(LEAVE) => self.on(window, Event::Leave),
            dialog::Event::Pressed(NEWS) => self.on(window, Event::Browse),
            dialog::Event::Picked(COMPUTER_ID, line) => self.on(window, Event::Picked(line)),
            dialog::Event::Escaped => self.on(window, Event::Escape),
            dialog::Event::Closed => self.on(window, Event::Close),
            dialog::Event::Woken => {
                while let Ok(event) = self.news.try_recv() {
                    self.on(window, event);
                }
            }
            dialog::Event::Opened
            | dialog::Event::Pressed(_)
            | dialog::Event::Picked(_, _)
            | dialog::Event::Typed(_) => {}
        }
    }

    fn on(&mut self, window: &Window, event: Event) {
        let reaction = self.form.on(event);
        match reaction.effect {
            Effect::Nothing => {}
            Effect::Start(order) => self.start(window.waker(), order),
            Effect::Stop => {
                if let Some(stop) = self.job.as_mut().and_then(|job| job.stop.take()) {
                    // One that has just ended by itself does not hear it.
                    let _ = stop.send(());
                }
            }
            Effect::Browse(page) => browse(self.words, &page),
            Effect::Close => window.close(),
        }
        if reaction.wipe_password {
            window.set_text(PASSWORD, "");
        }
        if let Some(user) = reaction.user {
            window.set_text(USER, &user);
        }
        self.draw(window);
        if let Some(place) = reaction.focus {
            window.focus(id_of(place));
        }
    }

    /// Puts on the window what has changed.
    fn draw(&mut self, window: &Window) {
        let view = self.form.view();
        let before = self.shown.take();
        let changed = |part: fn(&View) -> &str| before.as_ref().map(part) != Some(part(&view));
        if before.as_ref().map(|view| view.is_asking) != Some(view.is_asking) {
            let choices = (CHOICES..).zip(Choice::ALL).map(|(id, _)| id);
            for id in [COMPUTER_ID, USER, PASSWORD, CONNECT]
                .into_iter()
                .chain(choices)
            {
                window.enable(id, view.is_asking);
            }
        }
        if changed(|view| view.leave) {
            window.enable(LEAVE, !view.leave.is_empty());
            if !view.leave.is_empty() {
                window.set_text(LEAVE, view.leave);
            }
        }
        if before.as_ref().map(|view| view.has_news) != Some(view.has_news) {
            window.show(NEWS, view.has_news);
        }
        if changed(|view| view.status) {
            window.tell(STATUS, view.status);
        }
        if changed(|view| &view.notice) {
            window.tell(NOTICE, &view.notice);
        }
        self.shown = Some(view);
    }

    fn start(&mut self, waker: Waker, order: Order) {
        let (stop, stopped) = oneshot::channel();
        let job = Job {
            dir: self.dir.clone(),
            order,
            language: self.words.language,
            stop: stopped,
        };
        let (runtime, sender) = (Arc::clone(&self.runtime), self.sender.clone());
        let thread = thread::spawn(move || {
            let tell = |event| {
                // Nobody listens when the window has gone.
                let _ = sender.send(event);
                waker.wake();
            };
            let outcome = runtime.block_on(job.run(&tell));
            tell(Event::Ended(outcome));
        });
        // The one before has ended: the form starts no second one.
        self.job = Some(Running {
            stop: Some(stop),
            thread,
        });
    }

    /// The office PC shall hear that this is an end.
    fn close(self) {
        let Self { job, news, .. } = self;
        // Nobody waits for a window that has gone.
        drop(news);
        if let Some(Running { stop, thread }) = job {
            drop(stop);
            // One that has panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

/// In the browser of whoever is here.
fn browse(words: &Words, page: &HttpsAddress) {
    if let Err(error) = browser::show(page.as_str()) {
        tell(&words.cannot_show(page.as_str(), &error));
    }
}

fn fields(window: &Window) -> Fields {
    let choices = (CHOICES..).zip(Choice::ALL);
    let ticked = choices.filter(|(id, _)| window.is_checked(*id));
    Fields {
        computer_id: window.text(COMPUTER_ID).to_string(),
        user: window.text(USER).to_string(),
        password: Password(window.text(PASSWORD)),
        choices: Choices(ticked.map(|(_, choice)| choice).collect()),
    }
}

fn id_of(place: Place) -> u16 {
    match place {
        Place::ComputerId => COMPUTER_ID,
        Place::User => USER,
        Place::Password => PASSWORD,
        Place::Connect => CONNECT,
        Place::Leave => LEAVE,
    }
}
