//! Provisioning on a folder that looks like a board: good cards, bad cards, no cards.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use protocol::file::node::{NodeFile, PrivateKeyPem};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use relay_testkit::Deployment;
use tasuki_board::places::{self, Topic};
use tasuki_board::provision;
use tasuki_board::sys::System;

const BOARD: &str = "board = \"virt\"\ntitle = \"Virtual machine\"\nversion = \"0.1.0\"\n\
                     built = 1764000000\nchain = \"systemd-boot\"\ninterface = \"en*\"\n";

struct Rig {
    folder: tempfile::TempDir,
    deployment: Deployment,
    system: System,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let system = System::new(folder.path());
        let rig = Self {
            folder,
            deployment: Deployment::new(),
            system,
        };
        rig.write(places::BOARD, BOARD);
        fs::create_dir_all(rig.at(places::CONFIG)).expect("a folder");
        fs::create_dir_all(rig.at(places::DATA)).expect("a folder");
        rig
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("writes");
    }

    fn card(&self, name: &str, bytes: impl AsRef<[u8]>) {
        self.write(&format!("{}/{name}", places::CONFIG), bytes);
    }

    fn node(&self, generation: u64) -> NodeFile {
        NodeFile {
            generation,
            ..self.deployment.node(Duration::from_secs(86_400))
        }
    }

    /// Boots; returns what the console shows.
    fn boot(&self) -> Vec<String> {
        let mut told = Vec::new();
        let tell = |line: &str| told.push(line.to_owned());
        provision::run(&self.system, SystemTime::now(), tell).expect("provisions");
        told
    }

    /// The generation that the relay is given.
    fn in_use(&self) -> Option<u64> {
        let text = fs::read_to_string(self.at(places::NODE)).ok()?;
        Some(NodeFile::parse(&text).expect("is good").generation)
    }

    fn error_file(&self) -> Option<String> {
        fs::read_to_string(self.at(places::CONFIG).join("ERROR.txt")).ok()
    }

    fn network(&self) -> String {
        let path = self.at(places::NETWORK).join("10-tasuki.network");
        fs::read_to_string(path).expect("is there")
    }
}

const SSH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB me";

#[test]
fn a_good_card_makes_a_board() {
    let rig = Rig::new();
    let mut node = rig.node(3);
    node.setup.network.log_host = Some("log.example.jp:601".parse().expect("an address"));
    node.setup.network.ipv4 = "192.0.2.10/24".parse().expect("an address");
    node.setup.network.ssh_key = Some(SSH_KEY.parse().expect("a key"));
    rig.card("alpha.node.toml", node.to_text());

    assert_eq!(rig.boot(), [""; 0]);

    assert_eq!(rig.in_use(), Some(3));
    let mode = fs::metadata(rig.at(places::NODE))
        .expect("is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640, "a secret");
    let kept = fs::read_to_string(rig.at(places::LAST_GOOD_NODE)).expect("is kept");
    assert_eq!(kept, node.to_text());
    assert_eq!(rig.error_file(), None);
    assert!(rig.network().contains("Address=192.0.2.10/24"));
    let log_host = fs::read_to_string(rig.at(places::LOG_HOST)).expect("is asked for");
    assert_eq!(log_host, "log.example.jp:601\n");
    let key = fs::read_to_string(rig.at(places::SSH_KEY)).expect("is let in");
    assert_eq!(key, format!("{SSH_KEY}\n"));
    assert!(places::warnings(&rig.system).is_empty());
}

#[test]
fn a_higher_generation_on_the_card_is_taken_and_a_lower_one_is_told() {
    let rig = Rig::new();
    rig.card("alpha.node.toml", rig.node(3).to_text());
    rig.boot();
    rig.card("alpha.node.toml", rig.node(4).to_text());
    assert_eq!(rig.boot(), [""; 0]);
    assert_eq!(rig.in_use(), Some(4));

    rig.card("alpha.node.toml", rig.node(3).to_text());
    let told = rig.boot();

    assert_eq!(rig.in_use(), Some(4), "keeps the newer one");
    assert!(
        told[0].contains("generation 3") && told[0].contains("generation 4"),
        "{told:?}"
    );
    assert!(
        rig.error_file()
            .expect("is told")
            .contains("tasuki node renew")
    );
}

#[test]
fn a_bad_file_keeps_the_last_good_one_until_it_is_cured() {
    let rig = Rig::new();
    rig.card("alpha.node.toml", rig.node(3).to_text());
    rig.boot();
    let bad = rig.node(4).to_text() + "\n[network]\nvlan = 5000\n";
    let line = bad
        .lines()
        .position(|it| it.starts_with("vlan"))
        .expect("is there")
        + 1;
    rig.card("alpha.node.toml", &bad);

    let told = rig.boot();

    let place = format!("alpha.node.toml: line {line}: network.vlan: must be 1 to 4094");
    assert_eq!(told, [place.as_str()]);
    let error = rig.error_file().expect("is told");
    assert!(error.contains(&place), "{error}");
    assert!(
        error.contains("goes on with alpha of test, generation 3"),
        "{error}"
    );
    assert!(
        error.starts_with("\u{feff}Something is wrong"),
        "for Notepad"
    );
    assert!(error.lines().count() > 3 && !error.replace("\r\n", "").contains('\n'));
    assert!(Topic::NodeFile.is_set(&rig.system), "the LED shows it");
    assert_eq!(rig.in_use(), Some(3));
    let untouched = fs::read_to_string(rig.at(places::CONFIG).join("alpha.node.toml"));
    assert_eq!(untouched.expect("is there"), bad);

    rig.card("alpha.node.toml", rig.node(4).to_text());
    assert_eq!(rig.boot(), [""; 0]);
    assert_eq!(rig.in_use(), Some(4));
    assert_eq!(rig.error_file(), None);
    assert!(!Topic::NodeFile.is_set(&rig.system));
}

#[test]
fn an_empty_or_missing_card_keeps_the_last_good_one() {
    let rig = Rig::new();
    rig.card("alpha.node.toml", rig.node(3).to_text());
    rig.boot();

    fs::remove_file(rig.at(places::CONFIG).join("alpha.node.toml")).expect("removes");
    let told = rig.boot();
    assert!(told[0].contains("there is no node file here"), "{told:?}");
    assert_eq!(rig.in_use(), Some(3));

    fs::remove_dir_all(rig.at(places::CONFIG)).expect("removes");
    let told = rig.boot();
    assert!(told[0].contains("CONFIG cannot be read"), "{told:?}");
    assert_eq!(rig.in_use(), Some(3));
}

#[test]
fn a_new_card_without_a_good_file_serves_nobody_but_asks_for_an_address() {
    let rig = Rig::new();
    rig.card("alpha.node.toml", "format = 1\n");

    let told = rig.boot();

    assert!(told.len() > 5, "every mistake: {told:?}");
    assert_eq!(rig.in_use(), None);
    assert!(rig.network().contains("DHCP=ipv4"));
    assert!(rig.error_file().expect("is told").contains("serves nobody"));
}

#[test]
fn a_data_partition_that_takes_nothing_still_serves() {
    let rig = Rig::new();
    fs::remove_dir(rig.at(places::DATA)).expect("removes");
    rig.write(places::DATA, "not a folder");
    rig.card("alpha.node.toml", rig.node(3).to_text());

    let told = rig.boot();

    assert_eq!(rig.in_use(), Some(3));
    assert!(
        told[0].starts_with("data: the node file cannot be kept"),
        "{told:?}"
    );
    assert_eq!(places::warnings(&rig.system).len(), 1);
}

/// The node file of another board, self-signed: what a board checks by itself, it passes.
fn beta(rig: &Rig) -> NodeFile {
    let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let names = vec!["board.tasuki".into(), "beta.board.tasuki".into()];
    let params = CertificateParams::new(names).expect("names");
    let certificate = params.self_signed(&key).expect("signs");
    NodeFile {
        name: "beta".parse().expect("a name"),
        certificate: certificate.pem(),
        key: PrivateKeyPem(key.serialize_pem()),
        ..rig.node(9)
    }
}

#[test]
fn between_files_of_two_boards_nobody_guesses() {
    let rig = Rig::new();
    rig.card("alpha.node.toml", rig.node(3).to_text());
    rig.boot();
    rig.card("beta.node.toml", beta(&rig).to_text());

    let told = rig.boot();

    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("are of different boards"), "{told:?}");
    assert_eq!(rig.in_use(), Some(3));
    fs::remove_file(rig.at(places::CONFIG).join("alpha.node.toml")).expect("removes");
    assert_eq!(rig.boot(), [""; 0]);
    assert_eq!(rig.in_use(), Some(9), "one file is no question");
}

#[test]
fn of_several_files_the_newest_good_one_counts() {
    let rig = Rig::new();
    rig.card("alpha.node.toml", rig.node(3).to_text());
    rig.card("alpha (1).node.toml", rig.node(5).to_text());
    // What Notepad saves as "Unicode", with the ending that Windows hides.
    rig.card("ALPHA.NODE.TOML.txt", [0xff, 0xfe, b'f', 0]);

    let told = rig.boot();

    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("ALPHA.NODE.TOML.txt: is not text in UTF-8"),
        "{told:?}"
    );
    assert_eq!(rig.in_use(), Some(5));
}

#[test]
fn a_card_of_another_deployment_is_taken_whatever_its_generation() {
    let rig = Rig::new();
    rig.card("alpha.node.toml", rig.node(9).to_text());
    rig.boot();
    let mut other = rig.node(1);
    other.deployment = "another".to_owned();
    rig.card("alpha.node.toml", other.to_text());

    assert_eq!(rig.boot(), [""; 0]);
    assert_eq!(rig.in_use(), Some(1));
}

#[test]
fn a_setting_that_is_gone_from_the_node_file_is_gone_from_the_board() {
    let rig = Rig::new();
    let mut node = rig.node(3);
    node.setup.network.vlan = Some(12);
    node.setup.network.log_host = Some("log.example.jp:601".parse().expect("an address"));
    node.setup.network.ssh_key = Some(SSH_KEY.parse().expect("a key"));
    rig.card("alpha.node.toml", node.to_text());
    rig.boot();
    assert!(
        rig.at(places::NETWORK)
            .join("10-tasuki-vlan.netdev")
            .exists()
    );

    rig.card("alpha.node.toml", rig.node(4).to_text());
    rig.boot();

    assert!(
        !rig.at(places::NETWORK)
            .join("10-tasuki-vlan.netdev")
            .exists()
    );
    assert!(!rig.at(places::LOG_HOST).exists());
    assert!(!rig.at(places::SSH_KEY).exists());
}

/// A disk with a partition `CONFIG`, as sysfs shows it.
fn add_disk(rig: &Rig, disk: &str) {
    let partition = format!("{disk}p1");
    let place = rig.at(&format!("/sys/devices/{disk}/{partition}"));
    fs::create_dir_all(&place).expect("a folder");
    let text = format!("DEVNAME={partition}\nPARTNAME=CONFIG\n");
    fs::write(place.join("uevent"), text).expect("writes");
    let class = rig.at("/sys/class/block");
    fs::create_dir_all(&class).expect("a folder");
    std::os::unix::fs::symlink(&place, class.join(partition)).expect("links");
}

#[test]
fn a_board_with_two_disks_of_ours_says_so_and_serves() {
    let rig = Rig::new();
    let node = rig.node(1);
    rig.card("node.toml", node.to_text());
    add_disk(&rig, "mmcblk0");
    assert_eq!(rig.boot(), [""; 0], "one is as it should be");

    add_disk(&rig, "mmcblk1");
    let told = rig.boot();

    assert!(
        told[0].starts_with("mmcblk0 and mmcblk1 both hold a Tasuki system"),
        "{told:?}"
    );
    assert!(Topic::NodeFile.is_set(&rig.system));
    assert!(rig.at(places::NODE).exists(), "it serves all the same");
}
