//! What a booted image looks like from inside, seen by a unit that systemd takes from the virtual
//! machine's firmware: the image itself lets nobody in.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use image_builder::identity::Hash;
use image_testkit::{Disk, Machine, Setup};
use serde_json::Value;

use crate::OLD;
use crate::card::Card;
use crate::lab::Lab;

const PROBE: &str = include_str!("probe.sh");

/// What everybody may write to, and why that is no harm.
const WRITABLE: [(&str, &str); 13] = [
    ("/dev/full", "keeps nothing"),
    (
        "/dev/fuse",
        "what comes of it has to be mounted, which nobody may",
    ),
    ("/dev/null", "keeps nothing"),
    ("/dev/ptmx", "gives a terminal of one's own"),
    ("/dev/random", "only stirs"),
    ("/dev/shm", "sticky, in memory"),
    ("/dev/tty", "is the caller's own terminal"),
    ("/dev/urandom", "only stirs"),
    ("/dev/zero", "keeps nothing"),
    ("/run/lock", "sticky, in memory"),
    ("/run/systemd/", "sockets of services that check who calls"),
    ("/tmp", "sticky, in memory"),
    ("/var/tmp", "sticky, in memory"),
];

/// Sockets that take something from anybody who sends it, and why.
const SOCKETS: [(&str, &str); 4] = [
    ("tcp6 :443", "the relay"),
    (
        "tcp 127.0.0.1:9464",
        "the relay's metrics, for the board itself",
    ),
    (
        "udp 10.0.2.15:68",
        "answers to questions for an address (DHCP), which QEMU gives",
    ),
    (
        "raw6 :58",
        "routers and neighbours (ICMPv6), by systemd-networkd",
    ),
];

/// What `systemd-analyze security` finds open in our units, and why it has to be. The units are
/// named without `tasuki-` and `.service`; none: all of them.
const OPEN: [(&str, &str, &str); 32] = [
    (
        "",
        "SystemCallFilter=~@privileged",
        "part of @system-service; nothing without a capability",
    ),
    (
        "",
        "SystemCallFilter=~@resources",
        "part of @system-service; nothing without a capability",
    ),
    (
        "",
        "PrivateUsers=",
        "the board's files belong to root and to the relay's own user",
    ),
    (
        "",
        "DeviceAllow=",
        "ProtectClock= lets the clock be read; what else is open stands in the unit",
    ),
    (
        "",
        "User=/DynamicUser=",
        "root, with the capabilities that the unit names and no other",
    ),
    (
        "",
        "UMask=",
        "others on the board read what it writes; secrets are given their own mode",
    ),
    (
        "",
        "ProcSubset=",
        "the kernel's command line and counters lie in /proc",
    ),
    (
        "",
        "IPAddressDeny=",
        "the firewall decides, or there is no network at all",
    ),
    (
        "",
        "RestrictAddressFamilies=~AF_UNIX",
        "the journal, systemd, and the relay's control socket",
    ),
    (
        "",
        "RootDirectory=/RootImage=",
        "the root is verified and cannot be written",
    ),
    ("restart try", "", "runs /usr/bin/true, which does nothing"),
    (
        "ssh",
        "",
        "starts only where the node file has a key; who has that is root, to look after the board",
    ),
    (
        "data",
        "",
        "mounts the data partition for everybody, which these would hide; nobody reaches it",
    ),
    (
        "clock",
        "PrivateDevices=",
        "a hardware clock, where there is one",
    ),
    (
        "gate provision slot update-card update",
        "PrivateDevices=",
        "the card's partitions",
    ),
    (
        "watch",
        "PrivateDevices=",
        "the screen and the serial console",
    ),
    (
        "firewall gate log relay update watch",
        "PrivateNetwork=",
        "what it does, it does there",
    ),
    (
        "clock-save gate log update-card update watch",
        "PrivateTmp=",
        "uses none",
    ),
    (
        "gate provision slot update-card update",
        "SystemCallFilter=~@mount",
        "mounts CONFIG and boot partitions",
    ),
    (
        "gate provision slot update-card update",
        "CapabilityBoundingSet=~CAP_SYS_ADMIN",
        "the same",
    ),
    (
        "gate log relay update",
        "RestrictAddressFamilies=~AF_(INET",
        "it speaks TCP",
    ),
    ("watch", "ProtectKernelTunables=", "LEDs are files in /sys"),
    (
        "firewall",
        "ProtectKernelModules=",
        "nft asks for modules by name",
    ),
    ("provision", "ProtectHostname=", "gives the board its name"),
    ("clock", "ProtectClock=", "sets the clock"),
    ("clock", "SystemCallFilter=~@clock", "sets the clock"),
    (
        "clock",
        "CapabilityBoundingSet=~CAP_SYS_TIME",
        "sets the clock",
    ),
    (
        "gate update watch",
        "CapabilityBoundingSet=~CAP_(DAC_*",
        "files of the relay's user",
    ),
    (
        "firewall watch",
        "RestrictAddressFamilies=~AF_NETLINK",
        "nft; the board's addresses",
    ),
    ("firewall", "CapabilityBoundingSet=~CAP_NET_ADMIN", "nft"),
    (
        "relay",
        "CapabilityBoundingSet=~CAP_NET_(BIND_SERVICE",
        "port 443, before it gives that up",
    ),
    ("relay", "AmbientCapabilities=", "the same"),
];

/// Services of ours at least.
const UNITS_MIN: usize = 15;

#[test]
#[ignore = "boots a board: cargo xtask nightly board"]
fn nothing_is_open_in_a_board_but_the_relays_port() -> Result<()> {
    let lab = Lab::open()?;
    let card = lab.card("card.img", OLD)?;
    let mut board = lab.boot(probed(lab.setup(Disk::file(&card))?))?;
    lab.served_by(&mut board)?;

    let found = Findings::gather(&board)?;

    let mut open: Vec<String> = Vec::new();
    for kind in ["setid", "failed"] {
        let all = found.all(kind).into_iter();
        open.extend(all.map(|what| format!("{kind}: {what}")));
    }
    let known = |path: &str| {
        let mut all = WRITABLE.iter();
        all.any(|(known, _)| path == *known || known.ends_with('/') && path.starts_with(known))
    };
    let writable = found.all("writable");
    ensure!(writable.contains(&"/dev/null"), "the probe saw nothing");
    let strange = writable.into_iter().filter(|path| !known(path));
    open.extend(strange.map(|path| format!("writable for everybody: {path}")));
    for table in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"] {
        let sockets = found.all(table).into_iter().filter_map(listening);
        let sockets = sockets.map(|socket| format!("{table} {socket}"));
        let known = |socket: &String| SOCKETS.iter().any(|(known, _)| socket == known);
        open.extend(sockets.filter(|socket| !known(socket)));
    }
    open.extend(judged(&found.all("judged")));
    ensure!(open.is_empty(), "{open:#?}");
    lists_what_is_there(&lab, &card, &found.all("package"))
}

/// Prints every unit's score with a reason for each line that is open, and returns what has none.
fn judged(lines: &[&str]) -> Vec<String> {
    let mut strange = Vec::new();
    let mut units = BTreeSet::new();
    for line in lines {
        let Some((unit, rest)) = line.split_once(".service ") else {
            continue;
        };
        let unit = unit.trim_start_matches("tasuki-");
        units.insert(unit);
        let Some(setting) = rest.strip_prefix("✗ ") else {
            eprintln!("{rest}");
            continue;
        };
        let setting = setting.split_whitespace().next().unwrap_or_default();
        let is_reason = |(who, what, _): &&(&str, &str, &str)| {
            (who.is_empty() || who.split(' ').any(|it| it == unit))
                && (what.is_empty() || *what == setting)
        };
        match OPEN.iter().find(is_reason) {
            Some((_, _, reason)) => eprintln!("  {unit:<12} {setting:<45} {reason}"),
            None => strange.push(format!("tasuki-{unit}.service: {setting} has no reason")),
        }
    }
    if units.len() < UNITS_MIN {
        strange.push(format!("systemd-analyze told of {units:?} alone"));
    }
    strange
}

/// The list of packages and programs that the board has is the release's, and what our programs are
/// is what lies on the card.
fn lists_what_is_there(lab: &Lab, card: &Path, lines: &[&str]) -> Result<()> {
    let sbom: Value =
        serde_json::from_str(&fs::read_to_string(lab.release(OLD)?.join("sbom.json"))?)?;
    let components = sbom["components"].as_array().context("no components")?;
    let listed: BTreeSet<&str> = components
        .iter()
        .filter_map(|it| it["purl"].as_str())
        .collect();
    let told: BTreeSet<&str> = lines.iter().filter_map(|it| it.split(' ').next()).collect();
    ensure!(told == listed && listed.len() > 50, "{told:?}\n{listed:?}");

    let root = lab.path("root.erofs");
    let place = Card::open(card, &lab.tools)?.place("root-a")?;
    let mut partition = File::open(card)?;
    partition.seek(SeekFrom::Start(place.start))?;
    io::copy(
        &mut partition.take(place.end - place.start),
        &mut File::create(&root)?,
    )?;
    let tree = lab.path("root");
    let extract = lab.tools.call("fsck.erofs").arg("--no-preserve");
    let mut option = OsString::from("--extract=");
    option.push(&tree);
    extract.arg(option).arg(&root).run()?;
    let hashes: BTreeSet<String> = fs::read_dir(tree.join("usr/bin"))?
        .filter_map(|entry| Some((entry.ok()?.path(),)))
        .filter(|(path,)| {
            path.is_file()
                && path
                    .file_name()
                    .is_some_and(|it| it.to_string_lossy().starts_with("tasuki-"))
        })
        .map(|(path,)| Ok(Hash::of(&fs::read(path)?).to_string()))
        .collect::<Result<_>>()?;
    let programs = components.iter().filter(|it| it["type"] == "application");
    let named: BTreeSet<String> = programs
        .filter_map(|it| it["hashes"][0]["content"].as_str().map(str::to_owned))
        .collect();
    ensure!(
        named.is_superset(&hashes) && hashes.len() > 1,
        "{named:?} {hashes:?}"
    );
    Ok(())
}

/// Where a socket listens, by a line of proc_net_tcp(5); no address is any.
fn listening(line: &str) -> Option<String> {
    /// TCP's state LISTEN; that of a socket without a peer, for UDP and raw ones.
    const OPEN: [&str; 2] = ["0A", "07"];
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, state, ..] = words.as_slice() else {
        return None;
    };
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let address = match u32::from_str_radix(address, 16) {
        Ok(0) => String::new(),
        // In the order of the network, read as a number of this processor.
        Ok(address) => Ipv4Addr::from(address.to_le_bytes()).to_string(),
        Err(_) if address.bytes().all(|digit| digit == b'0') => String::new(),
        Err(_) => address.to_owned(),
    };
    OPEN.contains(state).then(|| format!("{address}:{port}"))
}

/// The same board with the probe, once as root and once as nobody.
fn probed(setup: Setup) -> Setup {
    let mut wanted = "[Unit]\n".to_owned();
    let mut setup = setup.credential("probe", PROBE.as_bytes());
    for who in ["root", "nobody"] {
        let name = format!("probe-{who}.service");
        let unit = format!(
            "[Unit]\nAfter=tasuki-relay.service\n\
             [Service]\nUser={who}\nLoadCredential=probe\nStandardOutput=file:/dev/console\n\
             ExecStart=/bin/sh %d/probe {who}\n"
        );
        wanted.push_str(&format!("Wants={name}\n"));
        setup = setup.credential(&format!("systemd.extra-unit.{name}"), unit.as_bytes());
    }
    setup.credential("systemd.unit-dropin.multi-user.target", wanted.as_bytes())
}

/// What the probe said, up to the end of both its rounds.
struct Findings(String);

impl Findings {
    fn gather(board: &Machine) -> Result<Self> {
        for _ in 0..2 {
            board.console().wait_for("probe|done|")?;
        }
        Ok(Self(board.console().text()))
    }

    fn all(&self, kind: &str) -> Vec<&str> {
        let mark = format!("probe|{kind}|");
        let finds = self.0.split(&mark).skip(1);
        finds
            .filter_map(|rest| rest.split_once('|'))
            .map(|(value, _)| value)
            .collect()
    }
}
