//! The office PC's desktop, which an RDP server shows, and the home PC's screen.
//!
//! The desktop is an X server that shows nothing on any hardware (Xvnc), with a window manager and
//! a few windows. xrdp serves it without its session manager, so that nobody's login is needed.
//! All of it listens on loopback only, and offers nothing that starts a program, so that another
//! user of this machine who connects to it gains nothing.

use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use super::pattern::{HEIGHT, Pattern, WIDTH};
use super::picture::Picture;
use super::stage::Stage;

const START_LIMIT: Duration = Duration::from_secs(20);

/// The office PC's screen and the RDP server that shows it.
pub(super) struct Desktop {
    pub(super) rdp_port: u16,
    pub(super) display: String,
}

impl Desktop {
    pub(super) fn start(stage: &mut Stage<'_>, pattern: &Pattern) -> Result<Self> {
        let vnc_port = stage.free_port()?;
        let display = x_server(stage, "Xvnc", |call| {
            call.args(["-rfbport", &vnc_port.to_string(), "-interface", "127.0.0.1"])
                .args(["-localhost", "-SecurityTypes", "None", "-AlwaysShared"])
                .args(["-geometry", &format!("{WIDTH}x{HEIGHT}"), "-depth", "24"])
        })?;
        furnish(stage, &display, pattern)?;
        let rdp_port = xrdp(stage, vnc_port)?;
        Ok(Self { rdp_port, display })
    }
}

/// The home PC's screen, which nobody sees but the check.
pub(super) struct Screen {
    pub(super) display: String,
    frame_buffer: PathBuf,
}

impl Screen {
    pub(super) fn start(stage: &mut Stage<'_>) -> Result<Self> {
        Self::named(stage, "screen")
    }

    /// One of several screens.
    pub(super) fn named(stage: &mut Stage<'_>, name: &str) -> Result<Self> {
        let folder = stage.path(name);
        std::fs::create_dir(&folder)?;
        let display = x_server(stage, "Xvfb", |call| {
            call.args(["-screen", "0", &format!("{WIDTH}x{HEIGHT}x24"), "-fbdir"])
                .arg(&folder)
        })?;
        Ok(Self {
            display,
            frame_buffer: folder.join("Xvfb_screen0"),
        })
    }

    pub(super) fn picture(&self) -> Result<Picture> {
        Picture::read(&self.frame_buffer)
    }
}

/// Starts an X server on a display that it finds free itself, and returns that display.
fn x_server<'a>(
    stage: &mut Stage<'a>,
    program: &'static str,
    with: impl FnOnce(crate::exec::Call<'a>) -> crate::exec::Call<'a>,
) -> Result<String> {
    let call = with(
        stage
            .call(program)
            .args(["-displayfd", "1", "-nolisten", "tcp"]),
    );
    stage.start(program, call)?;
    let log = stage.path(&format!("{program}.log"));
    stage.wait_for(program, START_LIMIT, |_| {
        // The number comes when the server is ready; warnings may stand around it.
        let said = std::fs::read_to_string(&log)?;
        let number = said.split_inclusive('\n').find_map(|line| {
            let line = line.strip_suffix('\n')?;
            (!line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit())).then_some(line)
        });
        Ok(number.map(|number| format!(":{number}")))
    })
}

/// Paints the wallpaper and puts a window manager, a clock and a greeting on the desktop.
fn furnish(stage: &mut Stage<'_>, display: &str, pattern: &Pattern) -> Result<()> {
    let bitmap = stage.write("wallpaper.xbm", &pattern.bitmap())?;
    let [light, dark] = Pattern::colours();
    stage
        .call("xsetroot")
        .args(["-display", display, "-fg", &light, "-bg", &dark, "-bitmap"])
        .arg(bitmap)
        .output(START_LIMIT)?;
    let settings = stage.write("jwm.xml", WINDOW_MANAGER)?;
    let jwm = stage
        .call("jwm")
        .args(["-display", display, "-f"])
        .arg(settings);
    stage.start("jwm", jwm)?;
    let clock = stage
        .call("xclock")
        .args(["-display", display, "-geometry", "168x168-28+28"]);
    stage.start("xclock", clock)?;
    let greeting = stage.write("greeting", &greeting(stage)?)?;
    let window = stage
        .call("xterm")
        .args([
            "-display",
            display,
            "-geometry",
            "46x9+56+56",
            "-T",
            "Office PC",
        ])
        .args([
            "-fa",
            "DejaVu Sans Mono",
            "-fs",
            "13",
            "-bg",
            "white",
            "-fg",
            "#202020",
        ])
        .args(["-hold", "-e", "cat"])
        .arg(greeting);
    stage.start("xterm", window)
}

fn greeting(stage: &Stage<'_>) -> Result<String> {
    let date = stage
        .call("date")
        .arg("+%A, %-d %B %Y, %H:%M")
        .output(START_LIMIT)?;
    Ok(format!(
        "\n  Tasuki office PC\n  {date}\n  This desktop reaches the home PC through a\n  \
         relay that cannot read it.\n"
    ))
}

/// No menu: nothing on this desktop starts a program.
const WINDOW_MANAGER: &str = r##"<?xml version="1.0"?>
<JWM>
  <Tray x="0" y="-1" height="28" autohide="off">
    <TaskList maxwidth="220"/>
    <Clock format="%H:%M"/>
  </Tray>
  <WindowStyle>
    <Font>DejaVu Sans-11</Font>
    <Active><Foreground>#ffffff</Foreground><Background>#0f6d8c</Background></Active>
  </WindowStyle>
  <TrayStyle>
    <Font>DejaVu Sans-11</Font>
    <Foreground>#ffffff</Foreground><Background>#0c2238</Background>
  </TrayStyle>
  <TaskListStyle>
    <Active><Foreground>#ffffff</Foreground><Background>#0f6d8c</Background></Active>
  </TaskListStyle>
  <FocusModel>click</FocusModel>
</JWM>
"##;

/// Starts xrdp in front of the desktop and returns its port.
fn xrdp(stage: &mut Stage<'_>, vnc_port: u16) -> Result<u16> {
    let (key, certificate) = (stage.path("rdp.key"), stage.path("rdp.crt"));
    stage
        .call("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args(["-days", "30", "-subj", "/CN=office-pc", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output(START_LIMIT)
        .context("no certificate for the RDP server")?;
    let port = stage.free_port()?;
    let settings = format!(
        "[Globals]\nini_version=1\nfork=false\nport=tcp://127.0.0.1:{port}\n\
         security_layer=tls\nssl_protocols=TLSv1.2, TLSv1.3\ncertificate={}\nkey_file={}\n\
         autorun=desktop\nmax_bpp=32\nallow_channels=true\n\
         [Logging]\nLogFile={}\nLogLevel=INFO\nEnableSyslog=false\n\
         [desktop]\nname=desktop\nlib=libvnc.so\nip=127.0.0.1\nport={vnc_port}\n\
         username=na\npassword=na\n",
        certificate.display(),
        key.display(),
        stage.path("xrdp-session.log").display(),
    );
    let settings = stage.write("xrdp.ini", &settings)?;
    let call = stage
        .call("xrdp")
        .args(["--nodaemon", "--config"])
        .arg(settings);
    stage.start("xrdp", call)?;
    stage.wait_for("the RDP server", START_LIMIT, |_| {
        Ok(listens(port).then_some(port))
    })
}

pub(super) fn listens(port: u16) -> bool {
    TcpStream::connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).is_ok()
}
