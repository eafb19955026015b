//! A machine with the card of a Rockchip board and the U-Boot that Debian builds for QEMU, of the
//! same source as the boards' own.

use std::path::{Path, PathBuf};

use image_builder::board::Board;
use image_builder::boot::{self, BootFiles, Ingredients};
use image_builder::disk::fat::{self, Fat, FatKind, Files};
use image_builder::disk::image::{self, Bytes};
use image_builder::disk::layout::Part;
use image_builder::disk::plan::{Content, Parts, Plan};
use image_builder::identity::{Hash, Seed};
use image_builder::root::{Entry, Tree};
use image_builder::tools::Tools;
use image_builder::workplace::Workplace;
use image_testkit::{Disk, Machine, Setup};
use jiff::Timestamp;
use tasuki_board::slot::State;
use tasuki_board::slot::environment::{decode, encode};
use tempfile::TempDir;

use super::kernel::{self, Start};

/// A board with its card.
pub(crate) struct Rockchip {
    board: Board,
    tools: Tools,
    /// QEMU and U-Boot.
    machines: Tools,
    folder: TempDir,
    plan: Plan,
}

impl Rockchip {
    /// A card whose slots have the kernels `a` and `b`.
    pub(crate) fn new() -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let workplace = Workplace::new(Some(source), None, false).expect("a checkout");
        let tools = workplace.tools().expect("tools");
        let mut board = workplace.board("rock64").expect("a board");
        // QEMU has a device tree of its own, and no boot code in raw areas.
        board.boot.device_trees.clear();
        board.boot.raw.clear();
        let folder = tempfile::tempdir().expect("a folder");
        let [a, b] = ["a", "b"].map(|slot| files(&board, slot));
        let make = |part: Part, files: &Files| {
            let fat = Fat {
                label: part.label(),
                serial: 1,
                size: if part == Part::Config {
                    board.disk.config
                } else {
                    board.disk.boot
                },
                kind: FatKind::Fat16,
                files,
            };
            let time = Timestamp::UNIX_EPOCH;
            fat::make(&fat, |name| tools.call(name), time, folder.path()).expect("mtools")
        };
        let bytes = Bytes {
            config: make(Part::Config, &a.config),
            boot_a: make(Part::BootA, &a.slot),
            boot_b: make(Part::BootB, &b.slot),
            ..Bytes::default()
        };
        let parts = Parts {
            config: Content::of(&bytes.config),
            boot_a: Content::of(&bytes.boot_a),
            boot_b: Content::of(&bytes.boot_b),
            root: Content::of(&[]),
            verity: Content::of(&[]),
            raw: Vec::new(),
        };
        let plan = Plan::new(&board, &Seed::new(Hash::of(b"")), &parts).expect("fits");
        let machine = Self {
            board,
            tools,
            machines: workplace.machines().expect("QEMU"),
            folder,
            plan,
        };
        let mut disk = std::fs::File::create(machine.disk()).expect("a file");
        disk.set_len(machine.plan.length).expect("sparse");
        image::write(&machine.plan, &bytes, &mut disk).expect("writes");
        machine
    }

    fn disk(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Starts the board and waits until kernels were started that often.
    pub(crate) fn starts(&self, count: usize) -> Vec<Start> {
        let setup = Setup::new(self.board.clone(), Disk::file(&self.disk()));
        let machine = Machine::start(&self.machines, &setup).expect("QEMU starts");
        let console = machine.console();
        loop {
            let mut starts = kernel::starts(&console.text());
            if starts.len() >= count {
                starts.truncate(count);
                return starts;
            }
            console.wait_for(kernel::MARK).expect("a kernel");
            console
                .wait_for(
                    "
",
                )
                .expect("its name");
            console
                .wait_for(
                    "
",
                )
                .expect("its device tree");
        }
    }

    /// What the boot script will read, from its two files.
    pub(crate) fn states(&self) -> [Option<State>; 2] {
        STATE_FILES.map(|path| decode(&self.get(Part::Config, path)))
    }

    pub(crate) fn get(&self, part: Part, path: &str) -> Vec<u8> {
        let (image, path) = self.place(part, path);
        let call = self.tools.call("mcopy").args(["-i", &image, &path, "-"]);
        call.output().expect("mcopy")
    }

    /// Writes the state as `tasuki-board` does.
    pub(crate) fn set(&self, state: State) {
        for path in STATE_FILES {
            self.put(Part::Config, path, &encode(state));
        }
    }

    pub(crate) fn put(&self, part: Part, path: &str, content: &[u8]) {
        let (image, path) = self.place(part, path);
        let call = self
            .tools
            .call("mcopy")
            .args(["-o", "-i", &image, "-", &path]);
        call.input(content).run().expect("mcopy");
    }

    pub(crate) fn remove(&self, part: Part, path: &str) {
        let (image, path) = self.place(part, path);
        let call = self.tools.call("mdel").args(["-i", &image, &path]);
        call.run().expect("mdel");
    }

    /// As mtools name a file in a partition.
    fn place(&self, part: Part, path: &str) -> (String, String) {
        let offset = self.plan.partition(part).expect("is planned").offset;
        (
            format!("{}@@{offset}", self.disk().display()),
            format!("::/{path}"),
        )
    }
}

pub(crate) const STATE_FILES: [&str; 2] = ["tasuki/slot-0.env", "tasuki/slot-1.env"];

/// What the builder puts into the boot partitions, with our kernel.
fn files(board: &Board, slot: &str) -> BootFiles {
    let mut kernel = Tree::new(Timestamp::UNIX_EPOCH);
    let image = Entry::file(kernel::image(slot));
    kernel.insert("boot/vmlinuz-1", image).expect("a path");
    boot::files(&Ingredients {
        board,
        version: "1",
        kernel_version: "1",
        firmware: &kernel.clone(),
        kernel: &kernel,
        initramfs: b"initramfs",
        root_hash: Hash::of(slot.as_bytes()),
    })
    .expect("files")
}
