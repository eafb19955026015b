//! The program as units call it, on a folder that looks like a board.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tasuki_board::places;
use tasuki_board::slot::environment::{decode, encode};
use tasuki_board::slot::{Slot, State};

struct Board {
    root: tempfile::TempDir,
}

impl Board {
    fn new(chain: &str) -> Self {
        let board = Self {
            root: tempfile::tempdir().expect("a folder"),
        };
        let text = format!(
            "board = \"test\"\ntitle = \"A board\"\nversion = \"0.1.0\"\nbuilt = 1764000000\n\
             chain = \"{chain}\"\ninterface = \"end0\"\n"
        );
        board.write(places::BOARD, text);
        board.write(places::SLOT, "a\n");
        board
    }

    fn with_state_files(self, tries_left: Option<u8>) -> Self {
        let state = State {
            good: Slot::A,
            tries_left,
        };
        for copy in [0, 1] {
            let path = format!("{}/tasuki/slot-{copy}.env", places::CONFIG);
            self.write(&path, encode(state));
        }
        let autoboot = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n";
        self.write(&format!("{}/autoboot.txt", places::CONFIG), autoboot);
        self
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a folder");
        fs::write(path, bytes).expect("writes");
    }

    fn call(&self, arguments: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tasuki-board"))
            .arg("--root")
            .arg(self.root.path())
            .args(arguments.split(' '))
            .output()
            .expect("starts")
    }

    fn says(&self, arguments: &str) -> String {
        let output = self.call(arguments);
        assert!(output.status.success(), "{arguments}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn state(&self) -> State {
        let path = format!("{}/tasuki/slot-0.env", places::CONFIG);
        decode(&fs::read(self.at(&path)).expect("reads")).expect("is whole")
    }
}

#[test]
fn a_raspberry_pi_asks_for_a_reboot_while_tries_remain_and_then_says_why_it_gave_up() {
    let board = Board::new("tryboot").with_state_files(None);
    let tries = |board: &Board| {
        board.says("slot resume");
        fs::remove_file(board.at(places::TRY_OTHER)).is_ok()
    };
    assert!(!tries(&board), "nothing to try");
    board.says("slot try");
    for left in [2, 1, 0] {
        assert!(tries(&board), "reboots");
        assert_eq!(board.state().tries_left, Some(left));
    }
    assert!(!tries(&board), "stays");
    assert!(!board.at(places::PROBATION).exists(), "is the good one");
    board.write(places::FAILURE, "the relay does not serve yet");

    let last = board.call("slot resume");

    let told = String::from_utf8_lossy(&last.stderr).into_owned();
    assert!(
        told.contains("slot b failed: the relay does not serve yet"),
        "{told}"
    );
    assert!(
        board
            .says("slot status")
            .contains("Slot b has used up its tries.")
    );
}

#[test]
fn u_boot_counts_itself_so_nothing_is_resumed() {
    let board = Board::new("u-boot").with_state_files(None);
    board.says("slot try");

    board.says("slot resume");
    assert!(!board.at(places::TRY_OTHER).exists());
    assert_eq!(board.state().tries_left, Some(3));
    // This boot should have started the other slot.
    let system = tasuki_board::sys::System::new(board.root.path());
    let warnings = places::warnings(&system);
    assert!(
        warnings[0].starts_with("update: slot b was not started: "),
        "{warnings:?}"
    );
}

#[test]
fn a_system_on_probation_marks_itself_good() {
    let board = Board::new("systemd-boot");
    board.write("/run/tasuki/boot-a/EFI/Linux/tasuki-000001.efi", "MZ");
    board.write("/run/tasuki/boot-b/EFI/Linux/tasuki-000002+2-1.efi", "MZ");
    // What a power cut leaves of a renaming.
    board.write("/run/tasuki/boot-b/EFI/Linux/tasuki-000009+3.efi", "");
    board.write(places::SLOT, "b");
    let status = board.says("slot status");
    assert!(
        status.contains("Slot b is on probation, 2 tries left."),
        "{status}"
    );
    let refused = board.call("slot try");
    assert_eq!(refused.status.code(), Some(1));
    board.says("slot resume");
    assert!(
        board.at(places::PROBATION).exists(),
        "the gate's unit waits for it"
    );

    board.says("slot mark-good");

    assert!(
        board
            .at("/run/tasuki/boot-b/EFI/Linux/tasuki-000002.efi")
            .exists()
    );
    assert_eq!(board.says("slot status"), "Slot b runs. Slot b is good.\n");
    assert_eq!(
        board.call("gate").status.code(),
        Some(0),
        "nothing is left to prove"
    );
}

#[test]
fn a_card_without_slot_state_is_told_and_does_not_stop_the_boot() {
    let board = Board::new("tryboot");

    let resumed = board.call("slot resume");

    assert_eq!(resumed.status.code(), Some(0));
    let system = tasuki_board::sys::System::new(board.root.path());
    assert!(places::warnings(&system)[0].starts_with("slots: "));
}

#[test]
fn a_clock_is_saved_and_put_forward() {
    let board = Board::new("u-boot");
    board.says("clock save");
    let saved: u64 = fs::read_to_string(board.at(places::SAVED_CLOCK))
        .expect("is there")
        .trim()
        .parse()
        .expect("a number");
    // A clock that is ahead of this machine's, as after a flat start.
    board.write(places::SAVED_CLOCK, (saved + 3_600).to_string());

    let told = board.call("clock restore");

    assert_eq!(told.status.code(), Some(0));
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.contains(&(saved + 3_600).to_string()), "{told}");
}

#[test]
fn a_state_file_of_another_length_is_left_alone() {
    // FAT would have to allocate, which a power cut may tear.
    let board = Board::new("u-boot").with_state_files(None);
    let copy = format!("{}/tasuki/slot-1.env", places::CONFIG);
    board.write(&copy, [7; 513]);

    let refused = board.call("slot try");

    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert_eq!(fs::read(board.at(&copy)).expect("reads"), [7; 513]);
    assert_eq!(board.state().tries_left, None);
}
