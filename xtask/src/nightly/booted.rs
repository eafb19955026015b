//! Whole boards in QEMU: images built here, booted, looked at from inside, damaged, updated, cut off.

use anyhow::Result;

use super::suite::Suite;
use super::{Night, Part};
use crate::image::{self, Order};

/// What the tests call the image that boards run, and the one that they are updated to.
const VERSIONS: [&str; 2] = ["1.0.0", "1.0.1"];

/// Tests of the program `booted`, and the board whose images they boot.
pub(super) struct Booted {
    board: &'static str,
    suite: Suite,
}

pub(super) const BOARD: Booted = Booted {
    board: "vm-x86-64",
    suite: Suite {
        name: "board",
        what: "an image in QEMU: what is open inside, who may log in, bad cards, a swap, ten quiet minutes",
        package: "image-testkit",
        program: "booted",
        prefixes: &["data::", "inside::", "login::", "quiet::", "swap::"],
        without: &[],
        variables: &[("TASUKI_BOARD", "vm-x86-64")],
        release: false,
        inputs: &[
            "agent",
            "boards",
            "image-builder",
            "protocol",
            "relay",
            "systemd",
            "Cargo.lock",
            "xtask/src/nightly",
        ],
    },
};

/// Apart from the others, so that each part takes less than an hour.
pub(super) const SLOTS: Booted = Booted {
    suite: Suite {
        name: "slots",
        what: "an update that works; one that hangs, panics, rots or does not serve is taken back",
        prefixes: &["bad_slot::", "update::an_update"],
        ..BOARD.suite
    },
    ..BOARD
};

pub(super) const POWER: Booted = Booted {
    suite: Suite {
        name: "power",
        what: "the power cut in 24 first boots and 26 updates: the board always serves again",
        prefixes: &["first_boot::", "update::a_board"],
        ..BOARD.suite
    },
    ..BOARD
};

/// Each boot takes several times as long as on the workstation's own architecture.
pub(super) const VIRT: Booted = Booted {
    board: "virt",
    suite: Suite {
        name: "virt",
        what: "the same for three cuts of an ARM64 board",
        variables: &[("TASUKI_BOARD", "virt"), ("TASUKI_CUTS", "3")],
        ..POWER.suite
    },
};

impl Part for Booted {
    fn name(&self) -> &'static str {
        self.suite.name
    }

    fn what(&self) -> &'static str {
        self.suite.what
    }

    fn inputs(&self) -> &'static [&'static str] {
        self.suite.inputs
    }

    fn prepare(&self, night: &Night<'_>) -> Result<Vec<String>> {
        let tasuki = image::tasuki(night.shell, night.root)?;
        for version in VERSIONS {
            let order = Order {
                board: self.board,
                version,
                locks: None,
            };
            image::release(night.shell, night.root, &tasuki, &order)?;
        }
        self.suite.prepare(night)
    }

    fn run(&self, night: &Night<'_>, unit: &str) -> Result<String> {
        self.suite.run(night, unit)
    }
}
