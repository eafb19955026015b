//! Which machine an image is booted on: a board file and a few choices become QEMU's arguments.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, bail};
use data_encoding::BASE64;
use image_builder::board::{Architecture, Board, Chain};
use image_builder::tools::Tools;

/// A virtual machine before it is started.
#[derive(Debug, Clone)]
pub struct Setup {
    pub board: Board,
    pub disk: Disk,
    pub firmware: Firmware,
    pub accelerator: Accelerator,
    /// Ports of this machine's loopback that lead to the guest's.
    pub forwards: Vec<Forward>,
    /// Whether the guest reaches nothing but who calls it; else it reaches what this machine does,
    /// and this machine's loopback as 10.0.2.2.
    pub isolated: bool,
    /// What systemd in the guest is given by name, over SMBIOS: `systemd.system-credentials(7)`.
    pub credentials: Vec<(String, Vec<u8>)>,
}

/// The card.
#[derive(Debug, Clone)]
pub struct Disk {
    /// A path, or what else QEMU opens: `nbd+unix:///?socket=PATH`.
    pub file: OsString,
    /// The guest sees a card whose switch is on "lock".
    pub read_only: bool,
}

/// What starts the boot program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    Uefi,
    /// U-Boot for QEMU's `virt`, ARM64 only.
    UBoot,
}

/// Who carries out the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// The processor; not everywhere where there is a `/dev/kvm`.
    Kvm,
    /// QEMU itself, everywhere, ten to fifty times slower.
    Tcg,
}

/// A port of this machine's loopback, and the guest's port that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// 0: whichever is free, see [`crate::Machine::address`].
    pub here: u16,
    pub guest: u16,
}

impl Setup {
    /// The board's machine with its firmware, this card, an isolated network, and TCG.
    pub fn new(board: Board, disk: Disk) -> Self {
        let firmware = match board.boot.chain {
            Chain::SystemdBoot | Chain::Tryboot => Firmware::Uefi,
            Chain::UBoot => Firmware::UBoot,
        };
        Self {
            board,
            disk,
            firmware,
            accelerator: Accelerator::Tcg,
            forwards: Vec::new(),
            isolated: true,
            credentials: Vec::new(),
        }
    }

    /// The same with a port of the guest that can be reached.
    pub fn forward(mut self, here: u16, guest: u16) -> Self {
        self.forwards.push(Forward { here, guest });
        self
    }

    /// The same with a credential for the guest's systemd.
    pub fn credential(mut self, name: &str, value: &[u8]) -> Self {
        self.credentials.push((name.to_owned(), value.to_vec()));
        self
    }

    /// QEMU's program for the board.
    pub(crate) fn program(&self) -> &'static str {
        match self.board.architecture {
            Architecture::Amd64 => "qemu-system-x86_64",
            Architecture::Arm64 => "qemu-system-aarch64",
        }
    }

    /// Its arguments, but for who listens to it.
    pub(crate) fn arguments(&self, tools: &Tools) -> Result<Vec<OsString>> {
        let mut words = Words::default();
        let data = tools.path("usr/share/qemu");
        words.pair("-L", data);
        words.all(["-nodefaults", "-display", "none"]);
        let (machine, processor) = match (self.board.architecture, self.accelerator) {
            (Architecture::Amd64, Accelerator::Kvm) => ("q35", "host"),
            (Architecture::Amd64, Accelerator::Tcg) => ("q35", "max"),
            (Architecture::Arm64, Accelerator::Kvm) => ("virt", "host"),
            // What the Rockchip and Raspberry Pi boards are like; `max` would be slower.
            (Architecture::Arm64, Accelerator::Tcg) => ("virt", "cortex-a72"),
        };
        words.pair("-machine", machine);
        words.pair("-cpu", processor);
        words.pair(
            "-accel",
            match self.accelerator {
                Accelerator::Kvm => "kvm",
                Accelerator::Tcg => "tcg",
            },
        );
        let hardware = &self.board.hardware;
        words.pair("-smp", hardware.cpus.to_string());
        words.pair("-m", format!("{}M", hardware.memory >> 20));
        self.firmware(tools, &mut words)?;
        self.card(&mut words);
        self.network(&mut words);
        words.all(["-device", "virtio-rng-pci"]);
        if hardware.watchdog.as_deref() == Some("i6300esb") {
            words.all(["-device", "i6300esb"]);
        }
        for (name, value) in &self.credentials {
            let value = BASE64.encode(value);
            let value = format!("type=11,value=io.systemd.credential.binary:{name}={value}");
            words.pair("-smbios", value);
        }
        Ok(words.0)
    }

    fn firmware(&self, tools: &Tools, words: &mut Words) -> Result<()> {
        let (code, variables) = match (self.firmware, self.board.architecture) {
            (Firmware::Uefi, Architecture::Amd64) => {
                ("OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd")
            }
            (Firmware::Uefi, Architecture::Arm64) => {
                ("AAVMF/AAVMF_CODE.no-secboot.fd", "AAVMF/AAVMF_VARS.fd")
            }
            (Firmware::UBoot, Architecture::Arm64) => {
                words.pair("-bios", tools.path("usr/lib/u-boot/qemu_arm64/u-boot.bin"));
                return Ok(());
            }
            (Firmware::UBoot, Architecture::Amd64) => bail!("no board with x86-64 has U-Boot"),
        };
        // What the firmware notes for its next boot is forgotten with the machine.
        for (file, access) in [(code, "readonly=on"), (variables, "snapshot=on")] {
            let file = tools.path("usr/share").join(file);
            let mut drive = OsString::from(format!("if=pflash,format=raw,{access},file="));
            drive.push(escaped(file.as_os_str()));
            words.pair("-drive", drive);
        }
        Ok(())
    }

    fn card(&self, words: &mut Words) {
        let access = if self.disk.read_only { "on" } else { "off" };
        let mut drive = OsString::from(format!(
            "if=none,id=card,format=raw,readonly={access},file="
        ));
        drive.push(escaped(&self.disk.file));
        words.pair("-drive", drive);
        // No card writes zeros on demand; with it, making `data` would write all of it.
        words.pair("-device", "virtio-blk-pci,drive=card,write-zeroes=off");
    }

    fn network(&self, words: &mut Words) {
        let isolated = if self.isolated { "on" } else { "off" };
        let mut network = format!("user,id=network,restrict={isolated}");
        for Forward { here, guest } in &self.forwards {
            network.push_str(&format!(",hostfwd=tcp:127.0.0.1:{here}-:{guest}"));
        }
        words.pair("-netdev", network);
        // Without a ROM: nothing boots from the network.
        words.pair("-device", "virtio-net-pci,netdev=network,romfile=");
    }
}

impl Disk {
    /// A file that holds the card, which the guest writes to.
    pub fn file(path: &Path) -> Self {
        Self {
            file: path.into(),
            read_only: false,
        }
    }

    /// A block server at a Unix socket, which speaks NBD.
    pub fn nbd(socket: &Path) -> Self {
        let mut file = OsString::from("nbd+unix:///?socket=");
        file.push(socket);
        Self {
            file,
            read_only: false,
        }
    }

    /// The same, locked.
    pub fn read_only(self) -> Self {
        Self {
            read_only: true,
            ..self
        }
    }
}

#[derive(Default)]
struct Words(Vec<OsString>);

impl Words {
    fn all(&mut self, words: impl IntoIterator<Item = &'static str>) {
        self.0.extend(words.into_iter().map(OsString::from));
    }

    fn pair(&mut self, key: &str, value: impl Into<OsString>) {
        self.0.push(key.into());
        self.0.push(value.into());
    }
}

/// A value as QEMU reads it in a list with commas.
fn escaped(value: &std::ffi::OsStr) -> OsString {
    value.to_string_lossy().replace(',', ",,").into()
}
