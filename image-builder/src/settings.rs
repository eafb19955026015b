//! The files of a root that say which board it is for: what `boards/` says, in the words of the
//! programs that read it on the board (`docs/BOARD.md`).

use jiff::Timestamp;

use crate::board::{Board, Chain};
use crate::root::{Entry, Tree, TreeError};

const BOARD: &str = "usr/lib/tasuki/board.toml";
const RELAY: &str = "etc/tasuki/relay.toml";
const SYSCTL: &str = "usr/lib/sysctl.d/50-tasuki-board.conf";
const MODULES: &str = "usr/lib/modules-load.d/50-tasuki-board.conf";
const SYSTEM: &str = "usr/lib/systemd/system.conf.d/50-tasuki-board.conf";
const LINK: &str = "usr/lib/systemd/network/99-default.link.d/50-tasuki-board.conf";
/// Lets the kernel blink an LED; nothing asks for it by itself.
pub const LED_TRIGGER: &str = "ledtrig_timer";

/// Adds them.
pub fn add(tree: &mut Tree, board: &Board, version: &str) -> Result<(), TreeError> {
    let built = tree.time();
    for (path, text) in [
        (BOARD, board_file(board, version, built)),
        (RELAY, relay_file(board)),
        (SYSCTL, sysctl_file(board)),
        (MODULES, modules_file(board)),
        (SYSTEM, system_file(board)),
        (LINK, link_file(board)),
    ] {
        if !text.is_empty() {
            tree.insert(path, Entry::file(text.into_bytes()))?;
        }
    }
    Ok(())
}

fn board_file(board: &Board, version: &str, built: Timestamp) -> String {
    let chain = match board.boot.chain {
        Chain::SystemdBoot => "systemd-boot",
        Chain::UBoot => "u-boot",
        Chain::Tryboot => "tryboot",
    };
    let mut text = String::new();
    let mut line = |key: &str, value: toml::Value| text.push_str(&format!("{key} = {value}\n"));
    line("board", board.name.as_str().into());
    line("title", board.title.as_str().into());
    line("version", version.into());
    line("built", built.as_second().into());
    line("chain", chain.into());
    line("interface", board.network.interface.as_str().into());
    if let Some(led) = &board.hardware.led {
        line("led", led.as_str().into());
    }
    text
}

fn relay_file(board: &Board) -> String {
    let relay = &board.relay;
    format!(
        "node_file = \"/run/tasuki/node.toml\"\n\
         state_dir = \"/var/lib/tasuki/relay\"\n\
         workers = {}\n\
         \n\
         [limits]\n\
         sessions = {}\n\
         hosts = {}\n",
        relay.workers, relay.sessions, relay.hosts,
    )
}

/// The smallest and the first size of a buffer are Linux's own; the largest is the board's.
fn sysctl_file(board: &Board) -> String {
    let largest = board.relay.socket_buffer;
    format!(
        "net.ipv4.tcp_rmem = 4096 131072 {largest}\n\
         net.ipv4.tcp_wmem = 4096 16384 {largest}\n"
    )
}

/// What no device asks for by itself (modules-load.d(5)).
fn modules_file(board: &Board) -> String {
    let trigger = board.hardware.led.as_ref().map(|_| LED_TRIGGER);
    let watchdog = board.hardware.watchdog.as_deref();
    let modules = trigger.into_iter().chain(watchdog);
    modules.map(|module| format!("{module}\n")).collect()
}

/// How long the hardware watchdog waits (systemd-system.conf(5)): a board that hangs resets, and
/// the boot chain counts a try.
fn system_file(board: &Board) -> String {
    format!(
        "[Manager]\nRuntimeWatchdogSec={}\n",
        board.hardware.watchdog_seconds
    )
}

/// Which CPUs take received packets (systemd.link(5)).
fn link_file(board: &Board) -> String {
    let cpus: Vec<String> = board.relay.rps_cpus.iter().map(usize::to_string).collect();
    if cpus.is_empty() {
        return String::new();
    }
    format!("[Link]\nReceivePacketSteeringCPUMask={}\n", cpus.join(" "))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::board;

    #[test]
    fn every_board_has_files_that_are_toml() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards");
        for name in board::names(&folder).unwrap() {
            let board = board::load(&folder, &name).unwrap();
            let mut tree = Tree::new(Timestamp::UNIX_EPOCH);

            add(&mut tree, &board, "1.0").unwrap();

            for path in [BOARD, RELAY] {
                let table: toml::Table = tree.read_text(path).unwrap().parse().unwrap();
                assert!(!table.is_empty(), "{name}: {path}");
            }
        }
    }

    #[test]
    fn what_a_board_file_says_of_hardware_reaches_the_board() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards");
        let files = |name| {
            let board = board::load(&folder, name).unwrap();
            let mut tree = Tree::new(Timestamp::UNIX_EPOCH);
            add(&mut tree, &board, "1.0").unwrap();
            [MODULES, SYSTEM, LINK].map(|path| tree.read_text(path).unwrap_or("").to_owned())
        };

        let [modules, system, link] = files("rpi4");
        assert_eq!(modules, "ledtrig_timer\nbcm2835_wdt\n");
        assert_eq!(system, "[Manager]\nRuntimeWatchdogSec=15\n");
        assert_eq!(link, "[Link]\nReceivePacketSteeringCPUMask=1 2 3\n");
        let [modules, _, link] = files("virt");
        assert_eq!(modules, "i6300esb\n", "no LED");
        assert_eq!(link, "", "a card with queues of its own");
    }
}
