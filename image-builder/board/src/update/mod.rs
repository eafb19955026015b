//! Updates: a signed bundle from the card, or from the node file's address, into the other slot.
//!
//! [`verdict`] decides and [`install`] writes; both know nothing of files and networks. What is
//! refused is said in plain words; the operator's file is never written to or removed.
//! `docs/BOARD.md` has the rules.

mod device;
pub mod https;
pub mod install;
pub mod verdict;

use std::fs::{self, File, TryLockError};
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use first_stage::command_line;
use protocol::file::node::NodeFile;
use protocol::file::update::{Head, HeadError, MANIFEST_MAX, Manifest, Sha256};
use protocol::id::PublicKey;
use tasuki_relay::admin::client;

use crate::error_file::{self, Section};
use crate::file;
use crate::places::{self, Board, Topic};
use crate::provision::RIVALS;
use crate::slot::mounted;
use crate::sys::{self, System, seconds};

use self::device::Devices;
use self::install::{InstallError, Place};
use self::verdict::{Facts, Other, Refusal, Verdict, judge};

/// More bundles than this on a card are not looked at.
const FILES_MAX: usize = 16;
const ENDING: &str = ".update";
/// Held while one program looks for an update.
const LOCK: &str = "/run/tasuki/update.lock";
/// Bytes of the data partition that a bundle on its way leaves to others; a store of 10,000 claims
/// has 4 MiB.
const ROOM_LEFT: u64 = 32 << 20;
/// How long users are waited for before a pulled update is written and started.
const QUIET_MAX: Duration = Duration::from_secs(86_400);
const QUIET: &str = "update: it goes on when nobody is on this board, or in a day";
/// Between two looks for sessions.
const QUIET_INTERVAL: Duration = Duration::from_secs(10);

/// What came of looking for an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There is nothing to take.
    Nothing,
    /// The next boot starts the new system.
    Restart,
}

/// Takes the newest update that lies on the card, if it is for this board.
///
/// # Errors
/// The image or `/run` is broken.
pub fn from_card(system: &System, now: SystemTime, mut tell: impl FnMut(&str)) -> Result<Outcome> {
    let Some(_lock) = lock(system)? else {
        return Ok(Outcome::Nothing);
    };
    let facts = Facts::gather(system, now)?;
    let key = node(system).and_then(|node| node.setup.deployment_key);
    let mut complaints = Vec::new();
    let mut best: Option<(String, File, Opened)> = None;
    let mut outcome = Outcome::Nothing;
    for (name, mut file) in bundles(system) {
        let opened = match open(&mut file, key.as_ref()) {
            Ok(opened) => opened,
            Err(trouble) => {
                complaints.push((name, trouble));
                continue;
            }
        };
        match judge(&opened.manifest, &facts) {
            Ok(Verdict::Install) => {
                let generation = opened.manifest.order.generation;
                let older = |it: &Opened| it.manifest.order.generation < generation;
                if best.as_ref().is_none_or(|(_, _, best)| older(best)) {
                    best = Some((name, file, opened));
                }
            }
            Ok(Verdict::Restart) => outcome = Outcome::Restart,
            Ok(Verdict::Nothing) => {}
            Err(refusal) => complaints.push((name, refusal.into())),
        }
    }
    if let Some((name, file, opened)) = best {
        tell(&format!(
            "update: {name} has version {}",
            opened.manifest.version
        ));
        match from_file(system, &opened, file) {
            Ok(()) => outcome = Outcome::Restart,
            Err(trouble) => complaints.push((name, trouble)),
        }
    }
    report(system, &complaints, &mut tell)?;
    Ok(outcome)
}

/// Takes the update that lies at the node file's address, if it is for this board, and waits until
/// nobody is on it: what it returns is to be done at once.
///
/// # Errors
/// The image or `/run` is broken.
pub fn pull(system: &System, now: SystemTime, mut tell: impl FnMut(&str)) -> Result<Outcome> {
    let Some(_lock) = lock(system)? else {
        return Ok(Outcome::Nothing);
    };
    let setup = node(system).map(|node| node.setup).unwrap_or_default();
    let Some(address) = setup.update else {
        Topic::Pull.warn(system, None)?;
        return Ok(Outcome::Nothing);
    };
    let facts = Facts::gather(system, now)?;
    let address = format!("{}/{}{ENDING}", address.trim_end_matches('/'), facts.board);
    let pulled = https::get(&address, setup.update_ca.as_deref(), https::LIMITS)
        .map_err(Trouble::from)
        .and_then(|mut body| {
            let opened = open(&mut body, setup.deployment_key.as_ref())?;
            let verdict = judge(&opened.manifest, &facts)?;
            if verdict == Verdict::Install {
                tell(&format!(
                    "update: {address} has version {}",
                    opened.manifest.version
                ));
                let mut pieces = Cursor::new(opened.rest).chain(body);
                match room_for(system, &opened.manifest) {
                    Some(mut kept) => {
                        install::check(&opened.manifest, &mut pieces, &mut kept)?;
                        // The server has said all.
                        drop(pieces);
                        kept.rewind().map_err(InstallError::Source)?;
                        // What is read back from the card now is started moments later.
                        tell(QUIET);
                        wait_for_quiet(system);
                        take(system, &opened.manifest, &mut kept)?;
                        return Ok(verdict);
                    }
                    None => take(system, &opened.manifest, &mut pieces)?,
                }
            }
            if verdict != Verdict::Nothing {
                tell(QUIET);
                wait_for_quiet(system);
            }
            Ok(verdict)
        });
    let (outcome, trouble) = match pulled {
        Ok(Verdict::Install | Verdict::Restart) => (Outcome::Restart, None),
        Ok(Verdict::Nothing) => (Outcome::Nothing, None),
        Err(trouble) => (Outcome::Nothing, Some(trouble)),
    };
    let text = trouble.map(|trouble| format!("update: {address} {trouble}"));
    if let Some(text) = &text {
        tell(text);
    }
    Topic::Pull.warn(system, text.as_deref())?;
    Ok(outcome)
}

/// Waits until nobody is on the board, for a day at most.
fn wait_for_quiet(system: &System) {
    let begin = Instant::now();
    let socket = system.at(places::CONTROL_SOCKET);
    let busy = || client::status(&socket).is_ok_and(|status| status.sessions.now > 0);
    while begin.elapsed() < QUIET_MAX && busy() {
        thread::sleep(QUIET_INTERVAL);
    }
}

/// Leaves the mark for `tasuki-restart.service`.
///
/// # Errors
/// `/run` cannot be written.
pub fn ask_for_restart(system: &System) -> io::Result<()> {
    file::replace(&system.at(places::RESTART), b"", 0o644)
}

/// Why an update did not come into the other slot.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error("{0}")]
    Fetch(#[from] https::FetchError),
    #[error("cannot be put into the other slot: {0:#}")]
    Slot(anyhow::Error),
}

/// A bundle whose signature holds.
struct Opened {
    manifest: Manifest,
    /// Bytes before the first piece.
    length: u64,
    /// What was read of the pieces already.
    rest: Vec<u8>,
}

/// Reads the head of a bundle and checks its signature, and nothing else.
fn open(bundle: &mut impl Read, key: Option<&PublicKey>) -> Result<Opened, Trouble> {
    const STEP: u64 = 4 * 1024;
    let key = key.ok_or(Refusal::NoKey)?;
    let mut begin = Vec::new();
    while begin.len() < MANIFEST_MAX {
        let count = bundle.take(STEP).read_to_end(&mut begin);
        if count.map_err(InstallError::Source)? == 0 {
            break;
        }
        if let Some(head) = Head::find(&begin).map_err(Refusal::from)? {
            let manifest = head.open(key).map_err(Refusal::from)?;
            let rest = begin.split_off(head.length);
            return Ok(Opened {
                manifest,
                length: u64::try_from(begin.len()).unwrap_or(u64::MAX),
                rest,
            });
        }
    }
    Err(Refusal::from(HeadError).into())
}

/// A file is read twice: a damaged one costs the slot nothing.
fn from_file(system: &System, opened: &Opened, mut file: File) -> Result<(), Trouble> {
    let start = SeekFrom::Start(opened.length);
    file.seek(start).map_err(InstallError::Source)?;
    install::check(&opened.manifest, &mut file, &mut io::sink())?;
    file.seek(start).map_err(InstallError::Source)?;
    take(system, &opened.manifest, &mut file)
}

/// A file without a name, for the pieces of a bundle until all of them have come: so a server that
/// goes away or has a damaged file costs the slot nothing. None: the data partition has no room, or
/// does not work; a board must not stay old for that.
fn room_for(system: &System, manifest: &Manifest) -> Option<File> {
    if Topic::Data.is_set(system) {
        return None;
    }
    let folder = system.at(places::KEPT);
    fs::create_dir_all(&folder).ok()?;
    let room = sys::room(&folder).ok()?;
    fits(manifest, room)
        .then(|| sys::nameless_file(&folder).ok())
        .flatten()
}

/// Whether the pieces fit into so many bytes, and leave the others theirs.
fn fits(manifest: &Manifest, room: u64) -> bool {
    let pieces = manifest.parts().into_iter().flat_map(|(_, it)| &it.pieces);
    let needed: u64 = pieces.map(|piece| u64::from(piece.stored)).sum();
    needed.saturating_add(ROOM_LEFT) <= room
}

/// Puts the system into the other slot and on probation.
fn take(system: &System, manifest: &Manifest, pieces: &mut impl Read) -> Result<(), Trouble> {
    // Labels find the partitions: nothing may be written to somebody else's.
    if let Some(disks) = system.rivals("CONFIG") {
        return Err(Trouble::Slot(anyhow::anyhow!("{disks} {RIVALS}")));
    }
    let other = {
        let mut slots = mounted::slots(system).map_err(Trouble::Slot)?;
        slots.withdraw().map_err(|it| Trouble::Slot(it.into()))?;
        slots.running.other()
    };
    let mut devices = Devices::open(system, other).map_err(InstallError::Card)?;
    install::install(manifest, pieces, &mut devices)?;
    drop(devices);
    try_new(system, manifest).map_err(Trouble::Slot)
}

fn try_new(system: &System, manifest: &Manifest) -> Result<()> {
    // Before the try: an order counts once, whatever becomes of it.
    let taken = format!("{}\n", manifest.order.generation);
    // Without a disk the failed system's root hash in the slot still tells (`verdict`).
    let _ = file::replace(&system.at(places::TAKEN), taken.as_bytes(), 0o644);
    file::remove(&system.at(places::FAILURE))?;
    mounted::slots(system)?.try_other()?;
    file::replace(&system.at(places::STARTS_NEXT), b"", 0o644)?;
    Ok(())
}

impl Facts {
    fn gather(system: &System, now: SystemTime) -> Result<Self> {
        let board = Board::load(system)?;
        let slots = mounted::slots(system)?;
        let state = slots.state();
        let other = slots.running.other();
        let read = |path| fs::read_to_string(system.at(path));
        let line = read("/proc/cmdline").context("cannot read the kernel's command line")?;
        let taken = read(places::TAKEN).ok();
        Ok(Self {
            version: board.version.parse().ok(),
            board: board.board,
            root_hash: Sha256(command_line::parse(&line)?.root),
            now: seconds(now),
            taken: taken.and_then(|text| text.trim().parse().ok()).unwrap_or(0),
            is_good: state
                .as_ref()
                .is_ok_and(|state| state.good == slots.running),
            other: Other {
                tries_left: state.ok().and_then(|state| state.tries_left),
                tree: device::tree(system, other),
                starts_next: system.at(places::STARTS_NEXT).exists(),
                failure: read(places::FAILURE)
                    .ok()
                    .map(|text| text.trim().to_owned()),
            },
            room: Place::ALL.map(|place| (place, device::size(system, other, place))),
        })
    }
}

fn node(system: &System) -> Option<NodeFile> {
    let text = fs::read_to_string(system.at(places::NODE)).ok()?;
    NodeFile::parse(&text).ok()
}

/// Every bundle on the card, in the order of names.
fn bundles(system: &System) -> Vec<(String, File)> {
    let Ok(entries) = fs::read_dir(system.at(places::CONFIG)) else {
        return Vec::new();
    };
    let mut found: Vec<(String, File)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            // macOS writes a `._NAME` beside each file that it copies.
            let is_bundle = !name.starts_with('.') && name.to_ascii_lowercase().ends_with(ENDING);
            is_bundle.then(|| Some((name, File::open(entry.path()).ok()?)))?
        })
        .take(FILES_MAX)
        .collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

/// Says what is wrong with the card's bundles: on the console, the screen, the LED, the card.
fn report(
    system: &System,
    complaints: &[(String, Trouble)],
    tell: &mut impl FnMut(&str),
) -> Result<()> {
    let mut lines = Vec::new();
    let mut warning = None;
    for (name, trouble) in complaints {
        let line = format!("{name}: {trouble}");
        tell(&format!("update: {line}"));
        let passes = matches!(trouble, Trouble::Refused(refusal) if !refusal.is_fault());
        if !passes && warning.is_none() {
            warning = Some(format!("update: {line}"));
        }
        lines.push(line);
    }
    if !lines.is_empty() {
        lines.insert(0, error_file::UPDATE.to_owned());
        lines
            .push("The board goes on as it was. / これまでのシステムで動作しています。".to_owned());
    }
    Topic::Update.warn(system, warning.as_deref())?;
    if let Err(error) = error_file::set(system, Section::Update, &lines) {
        tell(&format!(
            "cannot write CONFIG/{}: {error}",
            error_file::NAME
        ));
    }
    Ok(())
}

/// None: another program is looking for an update right now.
fn lock(system: &System) -> Result<Option<File>> {
    let path = system.at(LOCK);
    let folder = path.parent().unwrap_or(&path);
    fs::create_dir_all(folder)?;
    let file = File::create(&path).with_context(|| format!("cannot make {LOCK}"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).context("cannot lock"),
    }
}

#[cfg(test)]
mod tests {
    use protocol::file::update::{Order, Part, Piece};

    use super::*;

    #[test]
    fn a_bundle_on_its_way_leaves_room_for_claims() {
        let part = |stored: &[u32]| Part {
            length: 512,
            sha256: Sha256([0; 32]),
            pieces: stored
                .iter()
                .map(|stored| Piece {
                    stored: *stored,
                    sha256: Sha256([0; 32]),
                })
                .collect(),
        };
        let manifest = Manifest {
            board: "virt".into(),
            version: semver::Version::new(0, 2, 0),
            root_hash: Sha256([0; 32]),
            order: Order::default(),
            root: part(&[1_000, 200]),
            verity: part(&[30]),
            boot: part(&[4]),
        };
        assert!(fits(&manifest, ROOM_LEFT + 1_234));
        assert!(!fits(&manifest, ROOM_LEFT + 1_233));
    }
}
