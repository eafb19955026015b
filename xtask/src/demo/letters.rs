//! Japanese typed at home, as letters: by a second viewer, Remmina, which is told to go by the
//! keyboard at home. FreeRDP sends keys, and drops what its keyboard has no key for.

use std::fs;
use std::net::SocketAddr;

use anyhow::Result;

use super::desktop::Screen;
use super::pattern::{HEIGHT, WIDTH};
use super::shots::KEYS_LIMIT;
use super::stage::Stage;
use crate::debian::Package;

pub(super) const PACKAGES: [Package; 3] = [
    Package {
        name: "remmina",
        purpose: "a second viewer",
    },
    Package {
        name: "remmina-plugin-rdp",
        purpose: "lets it speak RDP",
    },
    Package {
        name: "x11-xserver-utils",
        purpose: "gives its keyboard Japanese letters",
    },
];

/// What is typed, and what X calls each of its keys. Katakana, since Remmina sends what has an old
/// name in X as a letter; hiragana and kanji have none, and it takes them for keys.
const LETTERS: [(char, &str); 10] = [
    ('タ', "kana_TA"),
    ('ス', "kana_SU"),
    ('キ', "kana_KI"),
    ('、', "kana_comma"),
    ('テ', "kana_TE"),
    ('レ', "kana_RE"),
    ('ワ', "kana_WA"),
    ('ー', "prolongedsound"),
    ('ク', "kana_KU"),
    ('。', "kana_fullstop"),
];

/// What Remmina is told for all connections: to send letters, and to show the desktop alone.
const PREFERENCES: &str = "[remmina_pref]
rdp_use_client_keymap=1
always_show_tab=false
hide_connection_toolbar=true
fullscreen_toolbar_visibility=2
disable_tray_icon=true
";

/// Starts Remmina on a screen of its own, with nothing but the office desktop on it.
pub(super) fn start_viewer(stage: &mut Stage<'_>, address: SocketAddr) -> Result<Screen> {
    let screen = Screen::named(stage, "letters")?;
    let settings = stage.path("");
    fs::create_dir(settings.join("remmina"))?;
    stage.write("remmina/remmina.pref", PREFERENCES)?;
    let profile = format!(
        "[remmina]\nname=office\nprotocol=RDP\nserver={address}\nusername=demo\nsecurity=tls\n\
         cert_ignore=1\ndisableclipboard=1\nsound=off\ncolordepth=32\n\
         viewmode=4\nresolution_mode=0\nresolution_width={WIDTH}\nresolution_height={HEIGHT}\n"
    );
    let profile = stage.write("office.remmina", &profile)?;
    let viewer = stage
        .call("remmina")
        .env("DISPLAY", &screen.display)
        .env("XDG_CONFIG_HOME", &settings)
        .env("XDG_DATA_HOME", &settings)
        .env("XDG_CACHE_HOME", &settings)
        .env("NO_AT_BRIDGE", "1")
        .env_remove("DBUS_SESSION_BUS_ADDRESS")
        .arg("--connect")
        .arg(profile);
    stage.start("remmina", viewer)?;
    Ok(screen)
}

/// Types on that screen, and says what.
pub(super) fn type_all(stage: &Stage<'_>, screen: &Screen) -> Result<String> {
    let call = |program| stage.call(program).env("DISPLAY", &screen.display);
    // A key for each of them, which stays: xdotool would lend it one for the moment in which it is
    // typed, and the viewer might look too late which letter it is.
    let keys = LETTERS.map(|(_, name)| ["-e".to_owned(), format!("keycode any = {name}")]);
    call("xmodmap")
        .args(keys.iter().flatten())
        .output(KEYS_LIMIT)?;
    let names = LETTERS.map(|(_, name)| name);
    call("xdotool").arg("key").args(names).output(KEYS_LIMIT)?;
    Ok(LETTERS.iter().map(|(letter, _)| letter).collect())
}
