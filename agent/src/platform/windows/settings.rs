//! The settings tool as Windows draws it: where each control stands, and how what happens there
//! reaches the form.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use agent_windows::dialog::{self, Dialog, Waker, Window, alarm};
use agent_windows::{browser, folder};

use super::settings_layout::{self as layout, id};
use super::window::language;
use crate::config::Password;
use crate::settings::{
    Effect, Event, Fields, Form, Job, Place, ProxyKind, SettingsPassword, View, Words,
};
use crate::update::{LookError, in_background, now_in_background};

/// How often the host is asked how it stands.
const INTERVAL: Duration = Duration::from_secs(2);
/// News that wait for the window.
const NEWS_MAX: usize = 16;

/// The words of this user's language.
pub(crate) fn words() -> &'static Words {
    Words::of(language())
}

/// Tells what is in the way of a window.
pub(crate) fn tell(text: &str) {
    alarm(words().title, text);
}

/// Shows the settings until somebody closes them; where they are protected, to whoever knows the
/// password.
pub(crate) fn show(job: &Job) -> io::Result<()> {
    let words = words();
    let failed = |failure| io::Error::other(words.failure(&failure));
    if let Some(password) = job.password().map_err(failed)?
        && !ask(words, &password)?
    {
        return Ok(());
    }
    let snapshot = job.look().map_err(failed)?;
    let (form, fields) = Form::new(words, snapshot);
    let (sender, news) = sync_channel(NEWS_MAX);
    let (end, ended) = sync_channel(0);
    let mut desk = Desk {
        job: job.clone(),
        form,
        shown: None,
        sender,
        news,
        work: None,
        watch: None,
        ended: Some(ended),
    };
    let controls = layout::controls(words);
    let dialog = Dialog {
        title: words.title,
        font: words.font.0,
        points: words.font.1,
        size: layout::SIZE,
        controls: &controls,
    };
    let shown = dialog.show(&mut |window, event| {
        if event == dialog::Event::Opened {
            desk.open(window, words, &fields);
        } else {
            desk.deal_with(window, event);
        }
    });
    drop(end);
    desk.close();
    shown
}

/// Asks for the password until it is right, or somebody gives up.
fn ask(words: &Words, password: &SettingsPassword) -> io::Result<bool> {
    let controls = layout::door(words);
    let dialog = Dialog {
        title: words.title,
        font: words.font.0,
        points: words.font.1,
        size: layout::DOOR_SIZE,
        controls: &controls,
    };
    let mut is_right = false;
    dialog.show(&mut |window, event| match event {
        dialog::Event::Opened => window.raise(),
        dialog::Event::Pressed(id::SAVE) => {
            is_right = password.is(&window.text(id::PASSWORD)).unwrap_or(false);
            if is_right {
                window.close();
            } else {
                window.set_text(id::PASSWORD, "");
                window.tell(id::STATUS, words.wrong_password);
                window.focus(id::PASSWORD);
            }
        }
        dialog::Event::Pressed(id::CLOSE) | dialog::Event::Escaped | dialog::Event::Closed => {
            window.close();
        }
        dialog::Event::Pressed(_)
        | dialog::Event::Picked(_, _)
        | dialog::Event::Typed(_)
        | dialog::Event::Woken => {}
    })?;
    Ok(is_right)
}

/// What stands behind the window.
struct Desk {
    job: Job,
    form: Form,
    shown: Option<View>,
    sender: SyncSender<Event>,
    news: Receiver<Event>,
    /// Carries an order out, starts the host or ends it.
    work: Option<JoinHandle<()>>,
    /// Asks the host how it stands, until `ended` says that the window has gone.
    watch: Option<JoinHandle<()>>,
    ended: Option<Receiver<()>>,
}

impl Desk {
    fn open(&mut self, window: &Window, words: &Words, fields: &Fields) {
        for kind in ProxyKind::ALL {
            window.offer(id::PROXY, words.proxy_kind(kind));
        }
        fill(window, fields);
        self.draw(window);
        window.focus(id::COMPUTER_ID);
        window.raise();
        let (job, sender, waker) = (self.job.clone(), self.sender.clone(), window.waker());
        if let Some(ended) = self.ended.take() {
            self.watch = Some(thread::spawn(move || watch(&job, &sender, waker, &ended)));
        }
        if fields.updates
            && let Ok(Some(lookout)) = self.job.lookout()
        {
            let (sender, waker) = (self.sender.clone(), window.waker());
            in_background(lookout, SystemTime::now(), move |news| {
                // Nobody listens when the window has gone.
                let _ = sender.send(Event::News(news));
                waker.wake();
            });
        }
    }

    /// Asks for a newer version, because somebody wants to know.
    fn look(&mut self, window: &Window) {
        // What is wrong with host.toml is told already.
        let Ok(Some(lookout)) = self.job.lookout() else {
            return self.on(window, Event::Looked(Err(LookError::NoAddress)));
        };
        let (sender, waker) = (self.sender.clone(), window.waker());
        now_in_background(lookout, SystemTime::now(), move |looked| {
            // Nobody listens when the window has gone.
            let _ = sender.send(Event::Looked(looked));
            waker.wake();
        });
    }

    fn deal_with(&mut self, window: &Window, event: dialog::Event) {
        match event {
            dialog::Event::Pressed(id::SAVE) => self.on(window, Event::Save(fields(window))),
            dialog::Event::Pressed(id::COPY) => {
                window.copy(id::COMPUTER_ID);
                self.on(window, Event::Copied);
            }
            dialog::Event::Pressed(id::SHARE) => self.on(window, Event::Share),
            dialog::Event::Pressed(id::LOGS) => self.on(window, Event::Logs),
            dialog::Event::Pressed(id::LOOK) => self.on(window, Event::Look),
            dialog::Event::Pressed(id::BROWSE) => self.on(window, Event::Browse),
            dialog::Event::Pressed(id::CLOSE) | dialog::Event::Escaped | dialog::Event::Closed => {
                self.on(window, Event::Leave(fields(window)));
            }
            dialog::Event::Pressed(_) | dialog::Event::Picked(_, _) | dialog::Event::Typed(_) => {
                self.on(window, Event::Typed(fields(window)));
            }
            dialog::Event::Woken => {
                while let Ok(event) = self.news.try_recv() {
                    let event = if let Event::Status(status, _) = event {
                        Event::Status(status, window.text(id::COMPUTER_ID).to_string())
                    } else {
                        event
                    };
                    self.on(window, event);
                }
            }
            dialog::Event::Opened => {}
        }
    }

    fn on(&mut self, window: &Window, event: Event) {
        let reaction = self.form.on(event);
        match reaction.effect {
            Effect::Nothing => {}
            Effect::Run(order) => {
                self.start(window.waker(), |job| Event::Done(Box::new(job.run(*order))));
            }
            Effect::Share => self.start(window.waker(), |job| Event::Shared(job.share())),
            Effect::Unshare => self.start(window.waker(), |job| Event::Shared(job.unshare())),
            Effect::Open(folder) => open_folder(&folder),
            Effect::Look => self.look(window),
            Effect::Browse(page) => {
                if let Err(error) = browser::show(page.as_str()) {
                    tell(&words().unexpected(&error));
                }
            }
            Effect::Close => window.close(),
        }
        if let Some(fields) = reaction.fields {
            fill(window, &fields);
        }
        if let Some(id) = reaction.computer_id {
            window.set_text(id::COMPUTER_ID, &id);
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
        let can = |view: &View| {
            [
                view.is_asking,
                view.has_values,
                view.has_proxy_address,
                view.has_proxy_user,
                view.is_protected,
            ]
        };
        if before.as_ref().map(can) != Some(can(&view)) {
            for (ids, is_usable) in layout::GROUPS.into_iter().zip(can(&view)) {
                for id in ids {
                    window.enable(*id, is_usable);
                }
            }
        }
        if before.as_ref().map(|view| view.has_news) != Some(view.has_news) {
            window.show(id::BROWSE, view.has_news);
        }
        if before.as_ref().map(|view| view.is_own) != Some(view.is_own) {
            window.show(id::SHARE, view.is_own);
            window.show(id::AT_LOGON, view.is_own);
        }
        if changed(|view| view.share) {
            window.set_text(id::SHARE, view.share);
        }
        if changed(|view| &view.state) {
            window.set_text(id::STATE, &view.state);
        }
        if changed(|view| &view.rule) {
            window.set_text(id::RULE, &view.rule);
        }
        if changed(|view| &view.window_rule) {
            window.set_text(id::WINDOW_RULE, &view.window_rule);
        }
        if changed(|view| view.status) {
            window.tell(id::STATUS, view.status);
        }
        if changed(|view| &view.notice) {
            window.tell(id::NOTICE, &view.notice);
        }
        self.shown = Some(view);
    }

    /// Does something that takes a while; the form hears what came of it.
    fn start(&mut self, waker: Waker, work: impl FnOnce(&Job) -> Event + Send + 'static) {
        let (job, sender) = (self.job.clone(), self.sender.clone());
        // The one before has ended: the form starts no second one.
        self.work = Some(thread::spawn(move || {
            let event = work(&job);
            // Nobody listens when the window has gone.
            let _ = sender.send(event);
            waker.wake();
        }));
    }

    /// What was begun is done before the program ends.
    fn close(self) {
        let Self {
            news, work, watch, ..
        } = self;
        // Nobody waits for a window that has gone.
        drop(news);
        for thread in [work, watch].into_iter().flatten() {
            // One that has panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

/// Asks the host how it stands, again and again.
fn watch(job: &Job, sender: &SyncSender<Event>, waker: Waker, ended: &Receiver<()>) {
    while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        // One that does not answer now may do so the next time.
        if let Ok(status) = job.status() {
            if sender.send(Event::Status(status, String::new())).is_err() {
                return;
            }
            waker.wake();
        }
    }
}

fn fields(window: &Window) -> Fields {
    let text = |id| window.text(id).to_string();
    let proxy = window.chosen(id::PROXY);
    let proxy = proxy.and_then(|line| ProxyKind::ALL.get(line).copied());
    Fields {
        computer_id: text(id::COMPUTER_ID),
        password: Password(window.text(id::PASSWORD)),
        password_again: Password(window.text(id::PASSWORD_AGAIN)),
        without_symbols: window.is_checked(id::WITHOUT_SYMBOLS),
        is_protected: window.is_checked(id::PROTECT),
        window_password: Password(window.text(id::WINDOW_PASSWORD)),
        window_password_again: Password(window.text(id::WINDOW_PASSWORD_AGAIN)),
        rules: text(id::RULES),
        proxy: proxy.unwrap_or_default(),
        proxy_address: text(id::PROXY_ADDRESS),
        proxy_user: text(id::PROXY_USER),
        proxy_password: Password(window.text(id::PROXY_PASSWORD)),
        user_agent: text(id::USER_AGENT),
        stay_awake: window.is_checked(id::STAY_AWAKE),
        updates: window.is_checked(id::UPDATES),
        at_logon: window.is_checked(id::AT_LOGON),
    }
}

/// Puts everything into its place; passwords that stood there are wiped.
fn fill(window: &Window, fields: &Fields) {
    let proxy = ProxyKind::ALL.iter().position(|kind| *kind == fields.proxy);
    window.choose(id::PROXY, proxy.unwrap_or(0));
    for (id, text) in [
        (id::COMPUTER_ID, fields.computer_id.as_str()),
        (id::PASSWORD, &fields.password),
        (id::PASSWORD_AGAIN, &fields.password_again),
        (id::WINDOW_PASSWORD, &fields.window_password),
        (id::WINDOW_PASSWORD_AGAIN, &fields.window_password_again),
        (id::RULES, &fields.rules),
        (id::PROXY_ADDRESS, &fields.proxy_address),
        (id::PROXY_USER, &fields.proxy_user),
        (id::PROXY_PASSWORD, &fields.proxy_password),
        (id::USER_AGENT, &fields.user_agent),
    ] {
        window.set_text(id, text);
    }
    for (id, is_checked) in [
        (id::WITHOUT_SYMBOLS, fields.without_symbols),
        (id::PROTECT, fields.is_protected),
        (id::STAY_AWAKE, fields.stay_awake),
        (id::UPDATES, fields.updates),
        (id::AT_LOGON, fields.at_logon),
    ] {
        window.check(id, is_checked);
    }
}

/// In Windows' own window for folders, which stays when this program ends.
fn open_folder(path: &Path) {
    if let Err(error) = folder::show(path) {
        tell(&words().unexpected(&error));
    }
}

fn id_of(place: Place) -> u16 {
    match place {
        Place::ComputerId => id::COMPUTER_ID,
        Place::Password => id::PASSWORD,
        Place::PasswordAgain => id::PASSWORD_AGAIN,
        Place::WindowPassword => id::WINDOW_PASSWORD,
        Place::WindowPasswordAgain => id::WINDOW_PASSWORD_AGAIN,
        Place::Rules => id::RULES,
        Place::ProxyAddress => id::PROXY_ADDRESS,
        Place::ProxyUser => id::PROXY_USER,
        Place::ProxyPassword => id::PROXY_PASSWORD,
        Place::UserAgent => id::USER_AGENT,
        Place::Share => id::SHARE,
        Place::Save => id::SAVE,
    }
}
