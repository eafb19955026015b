//! A folder that looks like a board, and bundles for it.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use image_builder::bundle::{Bundle, Parts};
use image_builder::identity::Uuid;
use image_builder::verity::{self, BLOCK};
use protocol::file::node::NodeFile;
use protocol::file::update::{Manifest, Order};
use protocol::secret::Secret;
use protocol::sign::SigningKey;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use relay_testkit::Deployment;
use tasuki_board::slot::environment::{decode, encode};
use tasuki_board::slot::{Slot, State};
use tasuki_board::sys::System;
use tasuki_board::update::{self, Outcome};
use tasuki_board::{file, places};

/// Two pieces and a bit; the boot partition has two as well.
const ROOT: usize = (2 << 20) + BLOCK;
const BOOT: usize = (1 << 20) + 512;

/// Whose deployment a bundle is of.
pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&Secret::new([seed; 32])).expect("a seed")
}

/// A system, small and whole. `filling` makes it another one.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) root: Vec<u8>,
    pub(crate) verity: Vec<u8>,
    pub(crate) boot: Vec<u8>,
    pub(crate) board: &'static str,
    pub(crate) version: &'static str,
    pub(crate) order: Order,
    pub(crate) signer: u8,
    root_hash: image_builder::identity::Hash,
}

impl Image {
    pub(crate) fn new(version: &'static str, filling: u8) -> Self {
        let root = vec![filling; ROOT];
        let tree = verity::hash_tree(&root, &[filling; 32], Uuid::known(1)).expect("whole blocks");
        // It does not compress, so that a bundle is longer than what is read at once.
        let mut boot = vec![0; BOOT];
        StdRng::seed_from_u64(filling.into()).fill_bytes(&mut boot);
        let expires = SystemTime::now() + Duration::from_secs(60);
        let expires = expires
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("is later");
        Self {
            root,
            verity: tree.bytes,
            boot,
            board: "virt",
            version,
            order: Order {
                generation: 2,
                expires: expires.as_secs(),
                downgrade: false,
            },
            signer: 1,
            root_hash: tree.root,
        }
    }

    /// The bundle as `tasuki deployment sign-update` writes it.
    pub(crate) fn bundle(&self) -> Vec<u8> {
        let parts = Parts {
            root: &self.root,
            verity: &self.verity,
            boot: &self.boot,
        };
        let bundle = Bundle::new(self.board, self.version, self.root_hash, parts).expect("packs");
        let manifest = Manifest {
            order: self.order,
            ..bundle.manifest.clone()
        };
        let head = manifest.to_signed_text(&key(self.signer));
        let mut bytes = Vec::new();
        let signed = bundle.with_head(manifest, head);
        signed.write(&mut bytes).expect("memory");
        bytes
    }
}

pub(crate) struct Rig {
    folder: tempfile::TempDir,
    pub(crate) system: System,
}

impl Rig {
    /// A board that runs version 0.1.0 from slot a; slot b is empty and just large enough.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let system = System::new(folder.path());
        let rig = Self { folder, system };
        rig.write(
            places::BOARD,
            "board = \"virt\"\ntitle = \"A board\"\nversion = \"0.1.0\"\nbuilt = 1764000000\n\
             chain = \"u-boot\"\ninterface = \"en*\"\n",
        );
        rig.runs(Slot::A, &Image::new("0.1.0", 1));
        rig.set_state(Slot::A, None);
        let image = Image::new("0.2.0", 2);
        for (label, length) in [
            ("root-b", image.root.len()),
            ("verity-b", image.verity.len()),
            ("BOOT-B", image.boot.len()),
        ] {
            rig.write(&partition(label), vec![0xee; length]);
        }
        rig.set_node(|_| {});
        rig
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("writes");
    }

    pub(crate) fn card(&self, name: &str, bytes: impl AsRef<[u8]>) {
        self.write(&format!("{}/{name}", places::CONFIG), bytes);
    }

    /// The node file, with the deployment's key in it.
    pub(crate) fn set_node(&self, change: impl FnOnce(&mut NodeFile)) {
        let mut node = Deployment::new().node(Duration::from_secs(86_400));
        node.setup.deployment_key = Some(key(1).public_key());
        change(&mut node);
        self.write(places::NODE, node.to_text());
    }

    /// Tells the board to look there for updates.
    pub(crate) fn look_at(&self, server: &str, ca: &str) {
        self.set_node(|node| {
            node.setup.update = Some(format!("{server}/tasuki/"));
            node.setup.update_ca = Some(ca.to_owned());
        });
    }

    /// How many files are in a folder.
    pub(crate) fn files(&self, path: &str) -> usize {
        fs::read_dir(self.at(path)).map_or(0, Iterator::count)
    }

    /// Power off and on: `/run` is empty again, but for what the first stage and provisioning leave.
    pub(crate) fn reboot(&self) {
        file::remove(&self.at(places::STARTS_NEXT)).expect("removes");
        file::remove(&self.at(places::RESTART)).expect("removes");
    }

    /// Which slot this boot started, with which system.
    pub(crate) fn runs(&self, slot: Slot, image: &Image) {
        self.write(places::SLOT, format!("{slot}\n"));
        let line = format!("ro tasuki.root={} panic=10\n", image.root_hash);
        self.write("/proc/cmdline", line);
    }

    pub(crate) fn set_state(&self, good: Slot, tries_left: Option<u8>) {
        for copy in [0, 1] {
            let path = format!("{}/tasuki/slot-{copy}.env", places::CONFIG);
            self.write(&path, encode(State { good, tries_left }));
        }
    }

    pub(crate) fn state(&self) -> State {
        let path = format!("{}/tasuki/slot-0.env", places::CONFIG);
        decode(&fs::read(self.at(&path)).expect("reads")).expect("is whole")
    }

    pub(crate) fn partition(&self, label: &str) -> Vec<u8> {
        fs::read(self.at(&partition(label))).expect("reads")
    }

    pub(crate) fn set_partition(&self, label: &str, bytes: &[u8]) {
        self.write(&partition(label), bytes);
    }

    /// Whether the other slot holds this system and nothing else is missing.
    pub(crate) fn holds(&self, image: &Image) -> bool {
        self.partition("root-b") == image.root
            && self.partition("verity-b") == image.verity
            && self.partition("BOOT-B") == image.boot
    }

    /// Whether nobody has written to the other slot.
    pub(crate) fn is_untouched(&self) -> bool {
        ["root-b", "verity-b", "BOOT-B"]
            .iter()
            .all(|label| self.partition(label).iter().all(|byte| *byte == 0xee))
    }

    pub(crate) fn error_file(&self) -> String {
        fs::read_to_string(self.at(places::CONFIG).join("ERROR.txt")).unwrap_or_default()
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        places::warnings(&self.system)
    }

    /// Looks at the card; also returns what the console shows.
    pub(crate) fn look_at_card(&self) -> (Outcome, Vec<String>) {
        let mut told = Vec::new();
        let tell = |line: &str| told.push(line.to_owned());
        let outcome = update::from_card(&self.system, SystemTime::now(), tell).expect("looks");
        (outcome, told)
    }

    pub(crate) fn pull(&self) -> Outcome {
        update::pull(&self.system, SystemTime::now(), |_| {}).expect("looks")
    }
}

fn partition(label: &str) -> String {
    format!("/dev/disk/by-partlabel/{label}")
}
