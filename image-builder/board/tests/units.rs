//! The units in `systemd/` as systemd reads them: `systemd-analyze verify` in a root of their own.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const UNITS: &str = "usr/lib/systemd/system";
/// Debian's units that have a file of ours beside them.
const DROP_INS: [&str; 3] = [
    "emergency.service",
    "systemd-fsck@dev-x.service",
    "systemd-repart.service",
];

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systemd")
}

/// Our units, by name.
fn units() -> Vec<String> {
    let kinds = ["service", "mount", "timer", "socket"];
    let entries = fs::read_dir(sources()).expect("a folder");
    let names = entries.map(|entry| entry.expect("reads").file_name().into_string());
    let mut units: Vec<String> = names
        .map(|name| name.expect("text"))
        .filter(|name| kinds.iter().any(|kind| name.ends_with(&format!(".{kind}"))))
        .collect();
    units.sort();
    units
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("reads");
        let place = to.join(entry.file_name());
        let kind = entry.file_type().expect("reads");
        fs::create_dir_all(to).expect("a folder");
        if kind.is_dir() {
            copy(&entry.path(), &place);
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path()).expect("reads"), place).expect("links");
        } else {
            fs::copy(entry.path(), place).expect("copies");
        }
    }
}

/// A root that has this machine's systemd units, ours, and something to start for each.
fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let at = |path: &str| root.path().join(path);
    let units = at(UNITS);
    copy(Path::new("/usr/lib/systemd/system"), &units);
    copy(&sources().join("root"), root.path());
    for name in self::units() {
        fs::copy(sources().join(&name), units.join(name)).expect("copies");
    }
    symlink("usr/lib", at("lib")).expect("links");
    symlink("usr/bin", at("bin")).expect("links");
    for path in [
        "usr/bin/tasuki-board",
        "usr/bin/tasuki-relay",
        "usr/sbin/dropbear",
        "usr/sbin/nft",
        "usr/bin/kill",
        "usr/bin/true",
        "usr/bin/sh",
    ] {
        let place = at(path);
        fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
        fs::copy("/bin/true", place).expect("copies");
    }
    root
}

/// What systemd says about the units with a line of `unit` exchanged.
fn complaints(unit: &str, from: &str, to: &str) -> Vec<String> {
    let root = root();
    let path = root.path().join(UNITS).join(unit);
    let text = fs::read_to_string(&path).expect("reads");
    assert!(text.contains(from), "{unit} says: {from}");
    fs::write(path, text.replace(from, to)).expect("writes");
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no", "--root"])
        .arg(root.path())
        .args(units())
        .args(DROP_INS)
        .output()
        .expect("systemd-analyze is there: apt install systemd");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours = |line: &&str| {
        let mut names = units();
        names.push("10-tasuki.conf".to_owned());
        names.iter().any(|name| line.contains(name.as_str()))
    };
    text.lines().filter(ours).map(str::to_owned).collect()
}

#[test]
fn systemd_understands_every_line() {
    assert_eq!(complaints("tasuki-gate.service", "", ""), [""; 0]);
    // That it looks at all.
    let wrong = complaints(
        "tasuki-gate.service",
        "NoNewPrivileges=yes",
        "NoNewPrivilege=yes",
    );
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    let emergency = "emergency.service.d/10-tasuki.conf";
    let wrong = complaints(emergency, "SuccessAction=", "SucessAction=");
    assert_eq!(wrong.len(), 1, "{wrong:?}");
}

#[test]
fn every_service_of_ours_is_confined() {
    // Those that others see mounts of cannot have a mount namespace of their own.
    let shared_mounts = BTreeSet::from(["tasuki-data.service", "tasuki-ssh.service"]);
    for unit in units().iter().filter(|unit| unit.ends_with(".service")) {
        let text = fs::read_to_string(sources().join(unit)).expect("reads");
        let mut lines = vec![
            "NoNewPrivileges=yes",
            "CapabilityBoundingSet=",
            "SystemCallFilter=",
            "MemoryDenyWriteExecute=yes",
            "RestrictNamespaces=",
            "RestrictAddressFamilies=",
        ];
        if !shared_mounts.contains(unit.as_str()) {
            lines.push("ProtectSystem=strict");
        }
        for line in lines {
            assert!(
                text.lines().any(|it| it.starts_with(line)),
                "{unit} lacks {line}"
            );
        }
    }
}

#[test]
fn nothing_that_runs_once_may_run_for_ever() {
    // Without the line a oneshot service has no limit (systemd.service(5)).
    for unit in units() {
        let text = fs::read_to_string(sources().join(&unit)).expect("reads");
        if text.lines().any(|it| it == "Type=oneshot") {
            let limit = text
                .lines()
                .find_map(|it| it.strip_prefix("TimeoutStartSec="))
                .unwrap_or_else(|| unreachable!("{unit} lacks TimeoutStartSec="));
            // It waits for users, and for nothing else without a limit of its own.
            assert!(
                limit != "infinity" || unit == "tasuki-update.service",
                "{unit}"
            );
        }
    }
}

#[test]
fn the_relay_does_not_require_the_data_partition() {
    // Its StateDirectory= requires every mount unit on the way there (systemd.unit(5),
    // RequiresMountsFor=); seen in a virtual machine whose partition was destroyed.
    let units = units();
    assert!(
        !units.iter().any(|unit| unit.starts_with("var-lib")),
        "{units:?}"
    );
}

#[test]
fn what_the_presets_enable_is_there_and_has_a_place_to_start() {
    let presets = fs::read_to_string(sources().join("90-tasuki.preset")).expect("reads");
    let ours: Vec<&str> = presets
        .lines()
        .filter_map(|line| line.strip_prefix("enable "))
        .filter(|unit| !unit.starts_with("systemd-"))
        .collect();
    assert!(ours.len() > 8, "{ours:?}");
    for unit in &ours {
        let text = fs::read_to_string(sources().join(unit)).expect(unit);
        assert!(
            text.contains("[Install]\nWantedBy="),
            "{unit} starts nowhere"
        );
    }
    for unit in units() {
        let text = fs::read_to_string(sources().join(&unit)).expect("reads");
        assert_eq!(
            text.contains("[Install]"),
            ours.contains(&unit.as_str()),
            "{unit}"
        );
    }
}

#[test]
fn a_raspberry_pi_is_restarted_with_the_word_that_its_firmware_knows() {
    let text = fs::read_to_string(sources().join("tasuki-try.service")).expect("reads");
    let argument = text
        .lines()
        .find_map(|it| it.strip_prefix("RebootArgument="));
    assert_eq!(argument, Some("0 tryboot"));
    assert_eq!(
        argument,
        Some(tasuki_board::slot::try_boot::REBOOT_ARGUMENT)
    );
}
