//! `cargo xtask demo`: somebody at home sees the office desktop through a relay that cannot read it.
//!
//! Everything is real and on loopback: an xrdp desktop, a deployment, relay, host, client, FreeRDP.
//! With `--board` the relay runs in the board's image, which QEMU boots. With `--windows` host
//! and client are Windows programs, which Wine runs; with `--desktop` the host shares the desktop
//! of a Windows itself (`shared`).
//! The proof is a picture of the home PC's screen that shows this run's wallpaper.
//! Read next: `stage` for what is put on the machine and how it goes away, `desktop` and
//! `deployment` for the two halves, `board` for a whole board, `pattern` for the proof.

mod board;
mod deployment;
mod desktop;
mod pattern;
mod picture;
mod shared;
pub(crate) mod shots;
mod stage;
mod windows;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;

use crate::debian::{self, Consent, Package};
use crate::dist;
use crate::dist::package::{Scope, VERSION, installer};
use crate::exec::{Shell, Stopped};
use crate::report::{self, Steps};
use crate::wine::{self, Wine};

use self::board::Board;
use self::deployment::{Deployment, Programs};
use self::desktop::{Desktop, Screen};
use self::pattern::Pattern;
use self::picture::Picture;
use self::shared::Office;
use self::stage::Stage;
use self::windows::{Installers, NEXT, Registry, Windows};

const BUILD_LIMIT: Duration = Duration::from_secs(3600);
/// Also through a relay on an emulated board.
const PICTURE_LIMIT: Duration = Duration::from_secs(300);

/// How long the picture has to stay the same before it is taken: windows appear one by one.
const SETTLED: Duration = Duration::from_millis(400);

pub(crate) const PACKAGES: [Package; 9] = [
    Package {
        name: "xrdp",
        purpose: "the RDP server of the office PC",
    },
    Package {
        name: "tigervnc-standalone-server",
        purpose: "the office PC's screen",
    },
    Package {
        name: "jwm",
        purpose: "its window manager",
    },
    Package {
        name: "x11-apps",
        purpose: "its clock",
    },
    Package {
        name: "x11-xserver-utils",
        purpose: "its wallpaper",
    },
    Package {
        name: "xterm",
        purpose: "its window",
    },
    Package {
        name: "fonts-dejavu-core",
        purpose: "its letters",
    },
    Package {
        name: "freerdp2-x11",
        purpose: "the home PC's RDP client",
    },
    Package {
        name: "xvfb",
        purpose: "the home PC's screen",
    },
];

#[derive(Args)]
pub(crate) struct Options {
    /// Run the relay in this board's image, booted in QEMU (vm-x86-64, virt).
    #[arg(long, value_name = "NAME")]
    board: Option<String>,
    /// The folder of an image that is there already [default: built here].
    #[arg(long, value_name = "FOLDER", requires = "board")]
    image: Option<PathBuf>,
    /// Let host and client be Windows programs, run by Wine.
    #[arg(long, conflicts_with_all = ["board", "keep"])]
    windows: bool,
    /// Let the host share the desktop of the Windows that it runs in, in user mode; the client is a
    /// program of Linux then.
    #[arg(long, requires = "windows")]
    desktop: bool,
    /// A folder with the programs for Windows, passage.exe and viewer.exe that are there already
    /// [default: built here].
    #[arg(long, value_name = "FOLDER", requires = "windows")]
    programs: Option<PathBuf>,
    /// Install missing Debian packages without asking; so does the environment variable CI.
    #[arg(long)]
    yes: bool,
    /// Leave everything running, and say how to look at it.
    #[arg(long)]
    keep: bool,
    /// Stop what an earlier run with --keep left running.
    #[arg(long, conflicts_with_all = ["board", "windows", "yes", "keep"])]
    stop: bool,
}

pub(crate) fn run(shell: &Shell, root: &Path, options: &Options) -> Result<()> {
    let demo = root.join("target/demo");
    if options.stop {
        let stopped = stage::strike(&demo)?;
        report::say(if stopped {
            "Stopped and cleaned up."
        } else {
            "Nothing is running."
        });
        return Ok(());
    }
    let mut steps = Steps::default();
    show(shell, root, &demo, &mut steps, options)?;
    report::say(&format!("  in all {:>68.1} s", steps.total().as_secs_f64()));
    Ok(())
}

/// The demos that checks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Linux,
    Windows,
    WindowsDesktop,
}

/// Runs a demo for `ci` or `nightly`.
pub(crate) fn check(shell: &Shell, root: &Path, kind: Kind) -> Result<()> {
    run(
        shell,
        root,
        &Options {
            board: None,
            image: None,
            windows: kind != Kind::Linux,
            desktop: kind == Kind::WindowsDesktop,
            programs: None,
            yes: true,
            keep: false,
            stop: false,
        },
    )
}

fn show(
    shell: &Shell,
    root: &Path,
    demo: &Path,
    steps: &mut Steps,
    options: &Options,
) -> Result<()> {
    if stage::strike(demo)? {
        report::say("An earlier demo was still there: stopped it.");
    }
    steps.quiet("packages", "Debian packages for two PCs", || {
        debian::provide(shell, &PACKAGES, Consent::new(options.yes))
    })?;
    let folder = steps.quiet("build", "relay, agents and operator's tool", || {
        build(shell, root, options.board.is_some())
    })?;
    if options.desktop {
        return show_shared(shell, root, demo, steps, folder, options);
    }
    let windows = if options.windows {
        Some(steps.loud("windows", || windows(shell, root, options))?)
    } else {
        None
    };
    let programs = Programs {
        folder: folder.clone(),
        windows,
    };
    let board = options.board.as_deref();
    let board = board.map(|name| Board {
        name,
        image: options.image.as_deref(),
        programs: &folder,
        root,
    });
    let mut stage = Stage::set(shell, demo)?;
    let played = play(&mut stage, steps, programs, board.as_ref());
    let stopped = played.as_ref().is_err_and(|error| error.is::<Stopped>());
    if played.is_err() && !stopped {
        stage.logs().iter().for_each(|log| report::say(log));
    }
    if options.keep && !stopped {
        say_how_to_look(&stage, played.as_ref().ok());
        stage.keep();
    } else {
        steps.quiet("clean up", "all processes and files", || {
            drop(stage);
            Ok(())
        })?;
    }
    let seen = played?;
    let name = if options.windows {
        "windows.png"
    } else {
        "desktop.png"
    };
    let path = demo.join(name);
    seen.picture.save(&path)?;
    report::say(&format!(
        "Picture: {}\n\
         It shows {} blocks of this run's random wallpaper, none wrong; {}.",
        path.display(),
        seen.blocks,
        seen.relay,
    ));
    Ok(())
}

/// The host in user mode.
fn show_shared(
    shell: &Shell,
    root: &Path,
    demo: &Path,
    steps: &mut Steps,
    folder: PathBuf,
    options: &Options,
) -> Result<()> {
    let consent = Consent::new(options.yes);
    let office = steps.loud("windows", || -> Result<Office<'_>> {
        debian::provide(shell, &wine::PACKAGES, consent)?;
        debian::provide(shell, &shots::PACKAGES, consent)?;
        debian::provide(shell, &shared::PACKAGES, consent)?;
        let folder = windows_programs(shell, root, options)?;
        if options.programs.is_none() {
            dist::viewer(shell, root, &folder)?;
        }
        let wine = Wine::open(shell, root, shared::PC)?;
        Ok(Office { wine, folder })
    })?;
    let mut stage = Stage::set(shell, demo)?;
    let programs = Programs {
        folder,
        windows: None,
    };
    let deployment = steps.quiet("deployment", "keys, board and entry file", || {
        Deployment::make(&mut stage, programs)
    })?;
    let played = shared::play(shell, &mut stage, steps, &deployment, &office);
    if played.as_ref().is_err_and(|error| !error.is::<Stopped>()) {
        stage.logs().iter().for_each(|log| report::say(log));
    }
    steps.quiet("clean up", "all processes and files", || {
        drop(stage);
        Ok(())
    })?;
    let path = demo.join("shared.png");
    played?.save(&path)?;
    report::say(&format!(
        "Picture: {}\nWhat was typed and copied at home, Japanese too, is in the file that the office \
         PC's editor has saved, and what was copied there could be pasted at home.",
        path.display(),
    ));
    Ok(())
}

/// What the home PC's screen showed in the end.
struct Seen {
    picture: Picture,
    blocks: usize,
    /// What the relay tells of it.
    relay: String,
    desktop: Desktop,
    screen: Screen,
}

fn play(
    stage: &mut Stage<'_>,
    steps: &mut Steps,
    programs: Programs<'_>,
    board: Option<&Board<'_>>,
) -> Result<Seen> {
    let pattern = Pattern::random()?;
    let desktop = steps.quiet("office PC", "a desktop behind an RDP server", || {
        Desktop::start(stage, &pattern)
    })?;
    let screen = steps.quiet("home PC", "a screen", || Screen::start(stage))?;
    let deployment = steps.quiet("deployment", "keys, board and entry file", || {
        Deployment::make(stage, programs)
    })?;
    match board {
        None => steps.quiet("relay", "serving", || deployment.start_relay(stage))?,
        Some(board) => {
            let what = format!("{}, image and node file", board.name);
            let card = steps.quiet("card", &what, || board.card(stage, &deployment))?;
            let port = deployment.relay_port;
            steps.quiet("board", "boots and serves", || {
                board.boot(stage, &card, port)
            })?;
        }
    }
    let windows = deployment.programs.windows.as_ref();
    let before = match windows {
        None => {
            steps.quiet("host", "linked to the relay", || {
                deployment.start_host(stage, desktop.rdp_port)
            })?;
            None
        }
        Some(windows) => Some(serve(stage, steps, &deployment, windows, &desktop)?),
    };
    steps.quiet(
        "client",
        "password check, tunnel, RDP login",
        || match windows {
            None => deployment.start_client(stage, &screen),
            Some(windows) => deployment.start_windows_client(stage, &screen, windows),
        },
    )?;
    let (picture, blocks) = steps.quiet("picture", "the office desktop at home", || {
        look(stage, &screen, &pattern)
    })?;
    let relay = match board {
        None => {
            let carried = deployment.carried(stage)?;
            format!("the relay carried {} KiB for it", carried / 1024)
        }
        Some(board) => {
            board.tell(stage)?;
            "the board's screen tells of one session".to_owned()
        }
    };
    if let (Some(windows), Some(before)) = (windows, before) {
        steps.quiet("remove", "the service, and the registry as before", || {
            windows.remove(stage, &before)
        })?;
    }
    Ok(Seen {
        picture,
        blocks,
        relay,
        desktop,
        screen,
    })
}

/// The Windows office PC, before anybody calls: a client would end with the first stop.
fn serve(
    stage: &mut Stage<'_>,
    steps: &mut Steps,
    deployment: &Deployment<'_>,
    windows: &Windows<'_>,
    desktop: &Desktop,
) -> Result<Registry> {
    let before = steps.quiet("registry", "before anything is installed", || {
        windows.prepare(stage, desktop.rdp_port)
    })?;
    steps.quiet("installer", "all that it does, and nothing left", || {
        windows.try_installer(stage, deployment, &before)
    })?;
    steps.quiet("for a user", "the same for one without rights", || {
        windows.try_user_installer(stage, deployment, &before)
    })?;
    steps.quiet("host", "a service through its life, then linked", || {
        deployment.start_service(stage, windows, &before)
    })?;
    Ok(before)
}

/// Waits until the screen has come to rest and shows the desktop.
fn look(stage: &mut Stage<'_>, screen: &Screen, pattern: &Pattern) -> Result<(Picture, usize)> {
    let mut latest = None;
    let mut since = Instant::now();
    let mut missing = None;
    let found = stage.wait_for("the home PC's screen", PICTURE_LIMIT, |_| {
        let picture = screen.picture()?;
        if latest.as_ref() != Some(&picture) {
            latest = Some(picture);
            since = Instant::now();
            return Ok(None);
        }
        if since.elapsed() < SETTLED {
            return Ok(None);
        }
        match pattern.find_in(&picture) {
            Ok(blocks) => Ok(Some((picture, blocks))),
            Err(why) => {
                missing = Some(why);
                Ok(None)
            }
        }
    });
    match (found, missing) {
        (Err(error), Some(why)) => Err(error.context(why)),
        (found, _) => found,
    }
}

/// Builds the product's programs and returns their folder; a board brings its own relay.
fn build(shell: &Shell, root: &Path, board: bool) -> Result<PathBuf> {
    let third = if board { "image-testkit" } else { "relay" };
    let messages = shell
        .call("cargo")
        .args(["build", "--release", "--locked", "--quiet", "--bins"])
        .args(["-p", "agent", "-p", "image-builder", "-p", third])
        .arg("--message-format=json-render-diagnostics")
        .dir(root)
        .output_shown(BUILD_LIMIT)?;
    let program = programs(&messages)
        .next()
        .context("cargo built no program")?;
    let folder = program.parent().context("a program lies in no folder")?;
    Ok(folder.to_owned())
}

/// The folder of the programs for Windows.
fn windows_programs(shell: &Shell, root: &Path, options: &Options) -> Result<PathBuf> {
    if let Some(folder) = &options.programs {
        return Ok(std::path::absolute(folder)?);
    }
    let folder = dist::windows(shell, root, Consent::new(options.yes))?;
    dist::desktop(shell, root, &folder)?;
    Ok(folder)
}

fn windows<'a>(shell: &'a Shell, root: &Path, options: &Options) -> Result<Windows<'a>> {
    debian::provide(shell, &wine::PACKAGES, Consent::new(options.yes))?;
    let folder = windows_programs(shell, root, options)?;
    let out = root.join("target/demo/installers");
    let installers = |scope| -> Result<Installers> {
        let make = |version| installer(shell, root, &folder, version, scope, None, &out);
        Ok(Installers {
            this: make(VERSION)?,
            next: make(NEXT)?,
        })
    };
    Ok(Windows {
        installers: installers(Scope::Machine)?,
        user_installers: installers(Scope::User)?,
        folder,
        office: Wine::open(shell, root, "office")?,
        // The client finds out when it is asked to connect to its own PC.
        home: Wine::open(shell, root, "home")?,
    })
}

/// The programs that cargo has built, by its messages.
pub(crate) fn programs(messages: &str) -> impl Iterator<Item = PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
}

fn say_how_to_look(stage: &Stage<'_>, seen: Option<&Seen>) {
    report::say(&format!(
        "Everything is still running; the logs are in {}",
        stage.path("").display()
    ));
    if let Some(Seen {
        desktop, screen, ..
    }) = seen
    {
        report::say(&format!(
            "The home PC's screen, seen through the relay:   DISPLAY={home} xwd -root | xwud\n\
             The office PC's desktop, not through the relay: \
             xfreerdp /v:127.0.0.1:{port} /u:demo /p:demo /sec:tls /cert:ignore\n\
             Put something on the office desktop:            DISPLAY={office} xeyes",
            home = screen.display,
            office = desktop.display,
            port = desktop.rdp_port,
        ));
    }
    report::say("Stop and clean up: cargo xtask demo --stop");
}
