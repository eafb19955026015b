//! `--desktop`: the host in user mode. The office PC is a Japanese Windows under Wine with an
//! editor open, whose desktop `tasuki-host run --desktop` shares; all else is of this machine.
//!
//! The proof is what the editor saves: it has what was typed at home, a letter where the mouse has
//! clicked, what was copied at home, and Japanese that another viewer has sent, and no F of the keys
//! that leave full screen; and what is copied in the editor can be pasted at home. The picture is for a person to look at; it has to be what
//! the office PC's screen shows.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::deployment::{COMMAND_LIMIT, Deployment, READY_LIMIT};
use super::desktop::Screen;
use super::pattern::{HEIGHT, WIDTH};
use super::picture::Picture;
use super::shots::{CURSOR_PIXELS, KEYS_LIMIT, substitute_fonts};
use super::stage::Stage;
use super::windows::{HELLO, is_answered};
use crate::debian::Package;
use crate::exec::{Call, Shell};
use crate::report::Steps;
use crate::wine::{Wine, write_locale};

pub(super) const PACKAGES: [Package; 1] = [Package {
    name: "xclip",
    purpose: "copies and pastes at home",
}];

const LOCALE: &str = "ja_JP";
/// Its name among the PCs of Wine: it has a screen, which other tests' office PC has not.
pub(super) const PC: &str = "desk";

/// Windows lie on a desktop of Wine's own, as large as the screen.
const EXPLORER: &str = r"HKCU\Software\Wine\Explorer";

/// What starts when this user logs on.
pub(super) const RUN: &str = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Run";

/// The editor's file, in drive C.
const FILE: &str = "typed.txt";

/// What is typed, then what is typed where the mouse has clicked: before all others.
const KEYS: [&str; 2] = ["asuki 4071 (ok)", "T"];
const WRITTEN: &str = "\u{feff}Tasuki 4071 (ok)";

/// The keys that leave full screen, held until F repeats, which must not come to the editor either.
/// F is let go first: FreeRDP tells each repeat as an end and a new beginning, and an F that begins
/// without the others is one to be typed.
const LEAVE: [&str; 12] = [
    "keydown", "ctrl", "alt", "shift", "f", "sleep", "1", "keyup", "f", "shift", "alt", "ctrl",
];
/// What the client says that hears of them.
const ASKED: &str = "The office PC asks to leave full screen";

/// What is copied at home, and what is written behind it before all is copied at the office.
const COPIED: &str = "Tasuki 4071\nたすき 襷 🎋";
const MORE: &str = "z";

/// What a viewer with a keyboard of its own sends: hiragana, kanji, katakana, and one outside of the
/// 16 bits.
const LETTERS: &str = "たすきを掛けて、テレワーク。🎋";

/// What the host logs of a viewer who never ends a message.
const USED_UP: &str = "This session has used up its memory";
const FLOOD_LIMIT: Duration = Duration::from_secs(180);

/// The first letter's left edge, in an editor that fills the screen.
const FIRST_LETTER: [&str; 2] = ["4", "54"];

/// How long a picture has to stay the same: a key is on its way through the relay and back.
const REST: Duration = Duration::from_secs(2);
const PICTURE_LIMIT: Duration = Duration::from_secs(120);
const FILE_LIMIT: Duration = Duration::from_secs(30);
const CLIPBOARD_LIMIT: Duration = Duration::from_secs(30);

/// Bytes that are no RDP: from the first one on, and after a server has agreed to TLS.
const NOISE: usize = 256 * 1024;

/// The office PC: a Windows with a screen.
pub(super) struct Office<'w> {
    pub(super) wine: Wine<'w>,
    /// `tasuki-host.exe` and `tasuki-desktop.exe`.
    pub(super) folder: PathBuf,
}

impl Office<'_> {
    /// A call of a program that opens windows there.
    fn call<'a>(&self, stage: &Stage<'a>, screen: &Screen, program: &Path) -> Call<'a> {
        self.wine
            .call(|loader| stage.call(loader), program)
            .env("DISPLAY", &screen.display)
            .env("LOCPATH", stage.path("locales"))
            .env("LC_ALL", format!("{LOCALE}.UTF-8"))
    }

    /// A call of our own viewer, which does what FreeRDP does not. It needs no screen.
    fn viewer<'a>(&self, stage: &Stage<'a>, address: SocketAddr, what: &str) -> Call<'a> {
        self.wine
            .call(|loader| stage.call(loader), &self.folder.join("viewer.exe"))
            .args([&address.to_string(), what])
    }

    fn host<'a>(&self, stage: &Stage<'a>, screen: &Screen) -> Call<'a> {
        self.call(stage, screen, &self.folder.join("tasuki-host.exe"))
            .arg("--state")
            .arg(Wine::path(&stage.path("office-pc")))
    }

    /// Lets the host start whenever somebody logs on, and starts what the registry says then: Wine 8
    /// does not do it.
    fn log_on(&self, stage: &Stage<'_>, screen: &Screen) -> Result<()> {
        let autostart = |switch| self.host(stage, screen).args(["autostart", switch]);
        autostart("on").output(COMMAND_LIMIT)?;
        let said = self.autostart(stage, screen)?;
        let command = said.lines().find_map(|line| {
            let (_, command) = line.split_once("REG_SZ")?;
            let mut words = command.split('"');
            Some([words.nth(1)?, words.next()?.trim(), words.next()?])
        });
        let [program, option, state] = command.with_context(|| format!("in {said:?}"))?;
        self.call(stage, screen, Path::new(program))
            .args([option, state])
            .output(COMMAND_LIMIT)
            .map(drop)
    }

    /// Nothing is left of that afterwards, and the host goes on.
    fn forgets(&self, stage: &Stage<'_>, screen: &Screen) -> Result<()> {
        let status = || self.host(stage, screen).arg("status").output(COMMAND_LIMIT);
        ensure!(status()?.contains("At logon:"), "status does not show it");
        let off = self.host(stage, screen).args(["autostart", "off"]);
        off.output(COMMAND_LIMIT)?;
        let said = self.autostart(stage, screen)?;
        ensure!(!said.contains("Tasuki"), "it is still there: {said}");
        ensure!(!status()?.contains("At logon:"), "status still shows it");
        Ok(())
    }

    /// What this user's registry says of what starts.
    fn autostart(&self, stage: &Stage<'_>, screen: &Screen) -> Result<String> {
        let query = self.call(stage, screen, Path::new("reg"));
        Ok(query.args(["query", RUN]).finish(COMMAND_LIMIT)?.stdout)
    }

    /// A desktop as large as the screen, with nothing on it.
    fn furnish(&self, shell: &Shell, stage: &mut Stage<'_>, screen: &Screen) -> Result<()> {
        let locales = stage.path("locales");
        fs::create_dir(&locales)?;
        write_locale(shell, &locales, LOCALE)?;
        substitute_fonts(shell, &self.wine)?;
        let size = format!("{WIDTH}x{HEIGHT}");
        for (key, name, value) in [
            (EXPLORER.to_owned(), "Desktop", PC),
            (format!(r"{EXPLORER}\Desktops"), PC, &size),
        ] {
            self.call(stage, screen, Path::new("reg"))
                .args(["add", &key, "/v", name, "/d", value, "/f"])
                .output(COMMAND_LIMIT)?;
        }
        // What came up before there was a screen would take no windows.
        self.wine.restart()?;
        Ok(())
    }

    /// Opens an editor that fills the screen.
    fn edit(&self, stage: &mut Stage<'_>, screen: &Screen) -> Result<()> {
        // With its mark, so that the editor keeps it in UTF-8.
        fs::write(self.wine.drive_c().join(FILE), "\u{feff}")?;
        let file = format!(r"C:\{FILE}");
        let editor = self.call(stage, screen, Path::new("start"));
        stage.start("wine", editor.args(["/max", "/wait", "notepad", &file]))?;
        settle(stage, screen, |picture| !picture.is_plain()).context("no editor has come")?;
        Ok(())
    }
}

/// Plays it, and returns what the home PC's screen showed in the end.
pub(super) fn play(
    shell: &Shell,
    stage: &mut Stage<'_>,
    steps: &mut Steps,
    deployment: &Deployment<'_>,
    office: &Office<'_>,
) -> Result<Picture> {
    let desk = Screen::named(stage, "desk")?;
    let home = steps.quiet("home PC", "a screen", || Screen::start(stage))?;
    steps.quiet("office PC", "a Windows with an editor", || {
        office.furnish(shell, stage, &desk)?;
        office.edit(stage, &desk)
    })?;
    steps.quiet("relay", "serving", || deployment.start_relay(stage))?;
    steps.quiet("host", "starts as at a logon; linked", || {
        let entry_file = Wine::path(&deployment.entry_file).into();
        deployment.introduce_host(entry_file, || office.host(stage, &desk))?;
        office.log_on(stage, &desk)?;
        Deployment::wait_for_link(stage, |stage| office.host(stage, &desk))?;
        office.forgets(stage, &desk)
    })?;
    steps.quiet("client", "password check, tunnel, RDP", || {
        deployment.start_client(stage, &home)?;
        same(stage, &desk, &home)
    })?;
    steps.quiet("noise", "bytes that are no RDP end their session", || {
        make_noise(stage, deployment)
    })?;
    steps.quiet("keys", "typed at home, saved at the office", || {
        type_and_save(stage, &desk, &home, office)
    })?;
    steps.quiet("clipboard", "text, from home and to it", || {
        copy_and_paste(stage, &desk, &home, office)
    })?;
    steps.quiet("letters", "Japanese, from another viewer", || {
        type_letters(stage, &home, deployment, office)
    })?;
    steps.quiet("flood", "a message without end ends its session", || {
        flood(stage, deployment, office)
    })?;
    let picture = steps.quiet("picture", "the office desktop at home", || {
        same(stage, &desk, &home)
    })?;
    ensure!(
        deployment.carried(stage)? > 0,
        "the picture came another way"
    );
    Ok(picture)
}

/// Types at home, and waits until the editor has saved what it should have.
///
/// The X server under Wine has a pointer of its own, which Wine takes for the mouse whenever a
/// window captures that, as this editor does for a click. It has to be where the click will be, or
/// the click becomes a drag, and what is typed then takes the place of all that was selected.
fn type_and_save(
    stage: &mut Stage<'_>,
    desk: &Screen,
    home: &Screen,
    office: &Office<'_>,
) -> Result<()> {
    let [keys, clicked] = KEYS;
    let [x, y] = FIRST_LETTER;
    press(stage, home, &["type", "--delay", "100", keys])?;
    press(stage, home, &LEAVE)?;
    stage.wait_for("the client's word about the keys", KEYS_LIMIT, |stage| {
        let said = fs::read_to_string(stage.path("tasuki-client.log"))?;
        Ok(said.contains(ASKED).then_some(()))
    })?;
    press(stage, desk, &["mousemove", x, y])?;
    press(stage, home, &["mousemove", x, y, "click", "1"])?;
    press(stage, home, &["type", clicked])?;
    press(stage, home, &["key", "ctrl+s"])?;
    is_saved(stage, office, WRITTEN)
}

/// Copies at home and pastes at the office, then the other way.
fn copy_and_paste(
    stage: &mut Stage<'_>,
    desk: &Screen,
    home: &Screen,
    office: &Office<'_>,
) -> Result<()> {
    let copied = stage.write("copied", COPIED)?;
    let holder = clipboard(stage, home).args(["-quiet", "-in"]).arg(copied);
    stage.start("xclip", holder)?;
    // Wine shows its clipboard to the screen that its windows are on.
    has_text(stage, desk, COPIED).context("at the office")?;
    press(stage, home, &["key", "ctrl+a", "ctrl+v", "ctrl+s"])?;
    is_saved(
        stage,
        office,
        &format!("\u{feff}{}", COPIED.replace('\n', "\r\n")),
    )?;
    stage.end("xclip")?;
    press(stage, home, &["key", "ctrl+End"])?;
    press(stage, home, &["type", MORE])?;
    press(stage, home, &["key", "ctrl+a", "ctrl+c"])?;
    has_text(stage, home, &format!("{COPIED}{MORE}")).context("at home")
}

/// Replaces all that the editor has by Japanese, from a viewer that sends letters, not keys.
fn type_letters(
    stage: &mut Stage<'_>,
    home: &Screen,
    deployment: &Deployment<'_>,
    office: &Office<'_>,
) -> Result<()> {
    press(stage, home, &["key", "ctrl+a"])?;
    let address = connect(stage, deployment, "scribe")?;
    let viewer = office.viewer(stage, address, "type");
    viewer.line_on_stdin(LETTERS).output(COMMAND_LIMIT)?;
    press(stage, home, &["key", "ctrl+s"])?;
    is_saved(stage, office, &format!("\u{feff}{LETTERS}"))?;
    stage.end("scribe")
}

/// A viewer sends pieces of a message that never ends: his session ends, the host says why, and the
/// next viewer is served.
fn flood(stage: &mut Stage<'_>, deployment: &Deployment<'_>, office: &Office<'_>) -> Result<()> {
    let address = connect(stage, deployment, "flood")?;
    let viewer = office.viewer(stage, address, "flood");
    viewer.output(FLOOD_LIMIT)?;
    stage.wait_for("the host's word about memory", READY_LIMIT, |stage| {
        Ok(host_log(stage)?.contains(USED_UP).then_some(()))
    })?;
    ensure!(
        is_answered(&address.to_string())?,
        "nobody is served after a flood"
    );
    stage.end("flood")
}

/// All that the host has logged.
fn host_log(stage: &Stage<'_>) -> Result<String> {
    let folder = stage.path("office-pc").join("host/log");
    let files = fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))?;
    files
        .map(|file| Ok(fs::read_to_string(file?.path())?))
        .collect()
}

/// A call of what copies and pastes on a screen.
fn clipboard<'a>(stage: &Stage<'a>, screen: &Screen) -> Call<'a> {
    let call = stage.call("xclip").env("DISPLAY", &screen.display);
    call.args(["-selection", "clipboard", "-target", "UTF8_STRING"])
}

/// Waits until that text can be pasted on a screen.
fn has_text(stage: &mut Stage<'_>, screen: &Screen, text: &str) -> Result<()> {
    let mut seen = String::new();
    let wait = stage.wait_for("what was copied", CLIPBOARD_LIMIT, |stage| {
        // It fails while there is nothing to paste.
        let call = clipboard(stage, screen).arg("-out");
        seen = call.finish(KEYS_LIMIT)?.stdout;
        Ok((seen == text).then_some(()))
    });
    wait.with_context(|| format!("the clipboard has {seen:?}, and not {text:?}"))
}

/// Keys and mouse on a screen.
fn press(stage: &Stage<'_>, screen: &Screen, words: &[&str]) -> Result<()> {
    let call = stage.call("xdotool").env("DISPLAY", &screen.display);
    call.args(words).output(KEYS_LIMIT).map(drop)
}

/// Waits until the editor's file has that in it.
fn is_saved(stage: &mut Stage<'_>, office: &Office<'_>, text: &str) -> Result<()> {
    let file = office.wine.drive_c().join(FILE);
    let mut seen = String::new();
    let saved = stage.wait_for("the file that the editor saves", FILE_LIMIT, |_| {
        seen = fs::read_to_string(&file)?;
        Ok((seen == text).then_some(()))
    });
    saved.with_context(|| format!("the file has {seen:?}, and not {text:?}"))
}

/// Waits until both screens rest and show the same, but for cursors.
fn same(stage: &mut Stage<'_>, desk: &Screen, home: &Screen) -> Result<Picture> {
    let is_same = |picture: &Picture| {
        let office = desk.picture();
        !picture.is_plain()
            && office.is_ok_and(|office| office.looks_unlike(picture) < POINTER_PIXELS)
    };
    settle(stage, home, is_same).context("the screens do not show the same")
}

/// A mouse pointer on each screen, at another place.
const POINTER_PIXELS: usize = 1500;

/// A picture that `is_right` and rests.
fn settle(
    stage: &mut Stage<'_>,
    screen: &Screen,
    is_right: impl Fn(&Picture) -> bool,
) -> Result<Picture> {
    let mut latest: Option<Picture> = None;
    let mut since = Instant::now();
    stage.wait_for("a picture that rests", PICTURE_LIMIT, |_| {
        let picture = screen.picture()?;
        let rests = latest
            .as_ref()
            .is_some_and(|latest| latest.looks_unlike(&picture) < CURSOR_PIXELS);
        if !rests {
            latest = Some(picture);
            since = Instant::now();
            return Ok(None);
        }
        Ok((since.elapsed() >= REST && is_right(&picture)).then_some(picture))
    })
}

/// Another client, of that name, and the address that it lends to any viewer.
fn connect(stage: &mut Stage<'_>, deployment: &Deployment<'_>, name: &str) -> Result<SocketAddr> {
    let client = deployment.client(stage).arg("--no-launch");
    stage.start(name, client)?;
    let log = stage.path(&format!("{name}.log"));
    stage.wait_for("an address for a viewer", READY_LIMIT, |_| {
        let said = fs::read_to_string(&log)?;
        let address = |line: &str| line.trim().parse::<SocketAddr>().ok();
        Ok(said.lines().find_map(address))
    })
}

/// Somebody who has the password talks nonsense, again and again; the next one is served.
fn make_noise(stage: &mut Stage<'_>, deployment: &Deployment<'_>) -> Result<()> {
    let address = connect(stage, deployment, "stranger")?;
    let noise: Vec<u8> = (0..=250).cycle().step_by(31).take(NOISE).collect();
    for hello in [&b""[..], &HELLO] {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(READY_LIMIT))?;
        stream.write_all(hello)?;
        if !hello.is_empty() {
            ensure!(stream.read(&mut [0; 64])? > 0, "nobody answers");
        }
        // It may be closed in the middle of it.
        let _ = stream.write_all(&noise);
        let end = stream.read_to_end(&mut Vec::new());
        ensure!(
            !matches!(&end, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock),
            "noise does not end the session"
        );
        ensure!(
            is_answered(&address.to_string())?,
            "nobody is served after noise"
        );
    }
    stage.end("stranger")
}
