//! `cargo xtask shots`: the client's window and the host's settings in each state that a person
//! meets, in both languages.
//!
//! The window is the released program, run by Wine and driven by the keyboard alone; relay and
//! office PC are real. What is on the pictures is for a person to look at. What fails by itself:
//! a picture that never comes to rest, two that are the same where they must not be, a title bar
//! without our icon, and a window that the keyboard does not close.

mod news;
mod settings;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::build;
use super::deployment::{Deployment, Programs};
use super::desktop::Screen;
use super::picture::Picture;
use super::stage::{self, Stage};
use crate::debian::{self, Consent, Package};
use crate::dist;
use crate::exec::{Call, Shell};
use crate::report;
use crate::wine::{self, Wine, write_locale};

pub(super) const PACKAGES: [Package; 3] = [
    Package {
        name: "xvfb",
        purpose: "the screen with the window",
    },
    Package {
        name: "xdotool",
        purpose: "types",
    },
    Package {
        name: "fonts-noto-cjk",
        purpose: "Japanese letters",
    },
];

/// Fonts of Windows that this machine has not, and the one that stands in for them.
const FONTS: [&str; 5] = [
    "Lucida Console",
    "MS Shell Dlg",
    "Segoe UI",
    "Tahoma",
    "Yu Gothic UI",
];
const STAND_IN: &str = "Noto Sans CJK JP";
const REPLACEMENTS: &str = r"HKCU\Software\Wine\Fonts\Replacements";

/// What is looked at.
#[derive(Debug, Clone, Copy)]
struct Subject {
    program: &'static str,
    /// Beside where its state lies.
    arguments: &'static [&'static str],
    /// The side of the screen that Wine gets, in pixels.
    side: usize,
}

const CLIENT: Subject = Subject {
    program: "tasuki-client.exe",
    arguments: &["window"],
    side: 620,
};

/// Of pictures beside each other on the sheet.
const COLUMNS: usize = 4;
/// A blinking cursor changes fewer pixels than this, any text more.
pub(super) const CURSOR_PIXELS: usize = 40;

/// The smallest window has more than the screen's twentieth; a pointer on an empty one much less.
const WINDOW_SHARE: usize = 20;

/// The red of our icon, and how many pixels at least have it in the smallest one.
const ICON: [u8; 3] = [232, 80, 58];
const ICON_PIXELS: usize = 8;

const WINDOW_LIMIT: Duration = Duration::from_secs(120);
pub(super) const KEYS_LIMIT: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(crate) struct Options {
    /// A folder with the programs and passage.exe that are there already [default: built
    /// here].
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
    /// Install missing Debian packages without asking; so does the environment variable CI.
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(shell: &Shell, root: &Path, options: &Options) -> Result<()> {
    let consent = Consent::new(options.yes);
    debian::provide(shell, &PACKAGES, consent)?;
    debian::provide(shell, &news::PACKAGES, consent)?;
    debian::provide(shell, &wine::PACKAGES, consent)?;
    let target = root.join("target/shots");
    stage::strike(&target)?;
    let folder = match &options.programs {
        Some(folder) => folder.clone(),
        None => dist::windows(shell, root, consent)?,
    };
    let programs = Programs {
        folder: build(shell, root, false)?,
        windows: None,
    };
    let wine = Wine::open(shell, root, "shots")?;
    let mut stage = Stage::set(shell, &target)?;
    let screen = Screen::start(&mut stage)?;
    let mut studio = Studio::open(shell, &stage, wine, screen, folder)?;
    let deployment = Deployment::make(&mut stage, programs)?;
    let updated = news::announce(&mut stage, &studio, &deployment)?;
    let pictures = shoot(&mut stage, &studio, &deployment, &updated, &target)?;
    pin_up(&pictures, studio.subject.side, &target.join("sheet.png"))?;
    let pictures = settings::shoot(&mut stage, &mut studio, &deployment, &updated, &target)?;
    pin_up(&pictures, studio.subject.side, &target.join("settings.png"))
}

/// Puts pictures on one sheet.
fn pin_up(pictures: &[(String, Picture)], side: usize, sheet: &Path) -> Result<()> {
    let all: Vec<&Picture> = pictures.iter().map(|(_, picture)| picture).collect();
    Picture::sheet(&all, side, COLUMNS * side).save(sheet)?;
    let names: Vec<&str> = pictures.iter().map(|(name, _)| name.as_str()).collect();
    report::say(&format!(
        "{} pictures: {}\nAll on one sheet, in this order: {}",
        names.len(),
        names.join(", "),
        sheet.display()
    ));
    Ok(())
}

/// Takes all pictures at night.
pub(crate) fn check(shell: &Shell, root: &Path) -> Result<()> {
    let options = Options {
        programs: None,
        yes: true,
    };
    run(shell, root, &options)
}

/// Every state, the world being made richer from one to the next.
fn shoot(
    stage: &mut Stage<'_>,
    studio: &Studio<'_>,
    deployment: &Deployment<'_>,
    updated: &Path,
    folder: &Path,
) -> Result<Vec<(String, Picture)>> {
    let mut album = Album::new(folder);
    let quick = Duration::from_secs(2);
    let slow = Duration::from_secs(6);
    // Longer than the pause between two tries.
    let slowest = Duration::from_secs(12);
    let computer = ["type demo-office-pc", "key Tab", "key Tab"];
    let password = format!("type {}", deployment.password);
    let connect = |keys: &[&str]| -> Vec<String> {
        let all = computer.iter().chain(keys).chain(&["key Return"]);
        all.map(|key| (*key).to_owned()).collect()
    };
    let right = connect(&[password.as_str()]);
    let words = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();

    album.add(stage, studio, "opened", Vec::new(), quick)?;
    album.add(stage, studio, "no-id", words(&["key Return"]), quick)?;
    let bad = words(&["type tokyo pc", "key Return"]);
    album.add(stage, studio, "bad-id", bad, quick)?;
    album.add(stage, studio, "no-password", connect(&[]), quick)?;
    album.add(stage, studio, "no-entry-file", right.clone(), quick)?;

    studio.bring_entry_file(&deployment.entry_file)?;
    let silent = TcpListener::bind(("127.0.0.1", deployment.relay_port))?;
    album.add(stage, studio, "finding-the-relay", right.clone(), quick)?;
    drop(silent);
    album.add(stage, studio, "relay-unreachable", right.clone(), slowest)?;

    deployment.start_relay(stage)?;
    album.add(stage, studio, "unknown-id", right.clone(), slow)?;

    let port = stage.free_port()?;
    deployment.start_host(stage, port)?;
    let wrong = connect(&["type Wrong-Password-1"]);
    album.add(stage, studio, "wrong-password", wrong, slow)?;
    album.add(stage, studio, "no-viewer", right.clone(), slow)?;
    studio.bring_viewer(stage)?;
    let chosen = ["key alt+f", "key alt+v", "key alt+p"].map(str::to_owned);
    // The ID is there from the last success, and the password has the keyboard.
    let again = [password.clone(), "key Return".to_owned()];
    let keys = [&again[..1], &chosen[..], &again[1..]].concat();
    album.add(stage, studio, "connected", keys, slow)?;
    let mut keys = again.to_vec();
    keys.extend(["sleep 8", "key alt+d"].map(str::to_owned));
    album.add(stage, studio, "disconnected", keys, slow)?;
    let past = words(&["key alt+i", "key alt+Down"]);
    album.add(stage, studio, "history", past, quick)?;

    stage.end("tasuki-host")?;
    album.add(stage, studio, "offline", again.to_vec(), slow)?;
    studio.bring_entry_file(updated)?;
    album.add(stage, studio, "new-version", Vec::new(), slow)?;
    Ok(album.pictures)
}

/// A state of the window, and how one gets there.
struct Shot<'k> {
    name: &'k str,
    keys: &'k [String],
    /// How long it has to stay as it is.
    rest: Duration,
    end: End<'k>,
}

/// How a window goes after its picture.
#[derive(Debug, Clone, Copy)]
enum End<'k> {
    AtOnce,
    /// It has something to say to that first.
    Warned,
    /// These keys first, which put back what others have changed.
    After(&'k [&'k str]),
}

#[derive(Debug, Clone, Copy)]
enum Language {
    English,
    Japanese,
}

impl Language {
    const ALL: [Self; 2] = [Self::English, Self::Japanese];

    fn locale(self) -> &'static str {
        match self {
            Self::English => "en_US",
            Self::Japanese => "ja_JP",
        }
    }
}

/// Lets letters of Windows' fonts be drawn, Japanese ones too.
pub(super) fn substitute_fonts(shell: &Shell, wine: &Wine<'_>) -> Result<()> {
    for font in FONTS {
        wine.call(|loader| shell.call(loader), Path::new("reg"))
            .args(["add", REPLACEMENTS, "/v", font, "/d", STAND_IN, "/f"])
            .output(WINDOW_LIMIT)?;
    }
    Ok(())
}

/// Where the pictures are taken.
struct Studio<'a> {
    wine: Wine<'a>,
    screen: Screen,
    locales: PathBuf,
    subject: Subject,
    /// Its folder, and each language's folder of state in it.
    folder: PathBuf,
    /// Where all programs come from.
    programs: PathBuf,
}

impl<'a> Studio<'a> {
    fn open(
        shell: &Shell,
        stage: &Stage<'_>,
        wine: Wine<'a>,
        screen: Screen,
        programs: PathBuf,
    ) -> Result<Self> {
        let locales = stage.path("locales");
        fs::create_dir(&locales)?;
        for language in Language::ALL {
            write_locale(shell, &locales, language.locale())?;
        }
        substitute_fonts(shell, &wine)?;
        let mut studio = Self {
            wine,
            screen,
            locales,
            subject: CLIENT,
            folder: stage.path("client"),
            programs,
        };
        studio.turn_to(CLIENT, "client")?;
        Ok(studio)
    }

    /// From now on another program is looked at, in a new folder beside the one before.
    fn turn_to(&mut self, subject: Subject, folder: &str) -> Result<()> {
        self.subject = subject;
        self.folder.set_file_name(folder);
        for language in Language::ALL {
            fs::create_dir_all(self.state(language))?;
        }
        for program in [subject.program, "tasuki-host.exe"] {
            fs::copy(self.programs.join(program), self.folder.join(program))?;
        }
        Ok(())
    }

    /// Where the program keeps its state.
    fn state(&self, language: Language) -> PathBuf {
        self.folder.join(language.locale())
    }

    fn bring_entry_file(&self, file: &Path) -> Result<()> {
        fs::copy(file, self.folder.join("tasuki-entry.toml"))?;
        Ok(())
    }

    /// A program in the viewer's place, and with its name, which stays until it is ended.
    fn bring_viewer(&self, stage: &mut Stage<'_>) -> Result<()> {
        let viewer = self.folder.join("mstsc.exe");
        fs::copy(self.programs.join("passage.exe"), &viewer)?;
        for language in Language::ALL {
            let door = format!("127.0.0.1:{}", stage.free_port()?);
            let mut settings = toml::Table::new();
            settings.insert("viewer".to_owned(), Wine::path(&viewer).into());
            settings.insert("viewer_arguments".to_owned(), vec![door].into());
            let file = self.state(language).join("client.toml");
            fs::write(file, settings.to_string())?;
        }
        Ok(())
    }

    /// Opens the window, types, waits until it has been at rest for a while, takes the picture,
    /// and closes the window.
    fn take(&self, stage: &mut Stage<'_>, language: Language, shot: &Shot<'_>) -> Result<Picture> {
        let Shot {
            keys, rest, end, ..
        } = *shot;
        let window = self.window(stage, language);
        stage.start("wine", window)?;
        let pixels = self.subject.side * self.subject.side;
        let is_open = |picture: &Picture| picture.stands_out() * WINDOW_SHARE >= pixels;
        self.wait(stage, Duration::from_secs(1), is_open)
            .context("no window has come")?;
        for key in keys {
            self.press(stage, key)?;
        }
        let picture = self
            .wait(stage, rest, is_open)
            .context("it does not come to rest")?;
        ensure!(
            picture.count(ICON) >= ICON_PIXELS,
            "its title bar lacks our icon"
        );
        let has_changed = |now: &Picture| now.differs(&picture) >= CURSOR_PIXELS;
        match end {
            End::AtOnce => {}
            End::Warned => {
                self.press(stage, "key alt+F4")?;
                self.wait(stage, Duration::from_secs(1), has_changed)
                    .context("it lets somebody go who has not saved")?;
            }
            End::After(keys) => {
                for key in keys {
                    self.press(stage, key)?;
                }
                self.wait(stage, rest, has_changed)
                    .context("what is typed after the picture changes nothing")?;
            }
        }
        self.press(stage, "key alt+F4")?;
        stage
            .wait_for_end("wine", WINDOW_LIMIT)
            .context("Alt and F4 do not close the window")?;
        Ok(picture)
    }

    fn window<'c>(&self, stage: &Stage<'c>, language: Language) -> Call<'c> {
        let locale = language.locale();
        let call = |loader: &str| stage.call(loader);
        let Subject {
            program,
            arguments,
            side,
        } = self.subject;
        self.wine
            .call(call, Path::new("explorer"))
            .arg(format!("/desktop=shots,{side}x{side}"))
            .arg(Wine::path(&self.folder.join(program)))
            .arg("--state")
            .arg(Wine::path(&self.state(language)))
            .args(arguments)
            .env("DISPLAY", &self.screen.display)
            .env("LOCPATH", &self.locales)
            .env("LC_ALL", format!("{locale}.UTF-8"))
    }

    fn press(&self, stage: &Stage<'_>, key: &str) -> Result<()> {
        let words = key.split_once(' ').context("a key has two words")?;
        let call = stage.call("xdotool").env("DISPLAY", &self.screen.display);
        let call = match words {
            ("type", text) => call.args(["type", "--delay", "60", text]),
            (command, argument) => call.args([command, argument]),
        };
        call.output(KEYS_LIMIT)?;
        Ok(())
    }

    /// A picture that `is_right` and stays as it is for `rest`.
    fn wait(
        &self,
        stage: &mut Stage<'_>,
        rest: Duration,
        is_right: impl Fn(&Picture) -> bool,
    ) -> Result<Picture> {
        let side = self.subject.side;
        let mut latest: Option<Picture> = None;
        let mut since = Instant::now();
        stage.wait_for("the window", WINDOW_LIMIT, |_| {
            let picture = self.screen.picture()?.part(side, side);
            let is_same = latest
                .as_ref()
                .is_some_and(|latest| latest.differs(&picture) < CURSOR_PIXELS);
            if !is_same {
                latest = Some(picture);
                since = Instant::now();
                return Ok(None);
            }
            Ok((is_right(&picture) && since.elapsed() >= rest).then_some(picture))
        })
    }
}

struct Album<'a> {
    folder: &'a Path,
    pictures: Vec<(String, Picture)>,
}

impl<'a> Album<'a> {
    fn new(folder: &'a Path) -> Self {
        let pictures = Vec::new();
        Self { folder, pictures }
    }

    /// Takes a state in both languages.
    fn add(
        &mut self,
        stage: &mut Stage<'_>,
        studio: &Studio<'_>,
        name: &str,
        keys: Vec<String>,
        rest: Duration,
    ) -> Result<()> {
        for language in Language::ALL {
            let shot = Shot {
                name,
                keys: &keys,
                rest,
                end: End::AtOnce,
            };
            self.add_one(stage, studio, language, &shot)?;
        }
        Ok(())
    }

    fn add_one(
        &mut self,
        stage: &mut Stage<'_>,
        studio: &Studio<'_>,
        language: Language,
        shot: &Shot<'_>,
    ) -> Result<()> {
        let name = format!("{}-{}", shot.name, language.locale());
        report::say(&format!("  {name}"));
        let picture = studio
            .take(stage, language, shot)
            .with_context(|| name.clone())?;
        picture.save(&self.folder.join(format!("{name}.png")))?;
        for (other, earlier) in &self.pictures {
            ensure!(
                earlier.differs(&picture) >= CURSOR_PIXELS,
                "{name} looks like {other}"
            );
        }
        self.pictures.push((name, picture));
        Ok(())
    }
}
