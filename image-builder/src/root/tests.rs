//! A whole root from packages that the test makes, with a shell script for depmod.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::board::{self, Architecture};
use crate::identity::Hash;
use crate::package::lock::{Archive, Lock, Locked, Part, Script};
use crate::package::testkit::Part::{File, Folder, HardLink, Link};
use crate::package::testkit::{self, deb};
use crate::workplace::Workplace;

use super::*;

const GOLDEN: &str = "tests/golden/root.txt";
const SCRIPT: &[u8] = b"#!/bin/sh\nexit 1\n";
const BOARD: &str = r#"
title = "Test"
architecture = "arm64"
[boot]
chain = "u-boot"
package = "firmware"
consoles = ["tty0"]
[kernel]
package = "linux-image-test"
initramfs_modules = ["erofs"]
modules = ["drivers/net/"]
[disk]
scheme = "gpt"
first_mib = 1
config_mib = 1
boot_mib = 1
root_mib = 1
hash_mib = 1
[network]
interface = "end0"
[hardware]
watchdog_seconds = 15
memory_mib = 1024
cpus = 4
[relay]
workers = 2
sessions = 1
hosts = 1
socket_buffer_kib = 1
"#;
/// Does of depmod's work what is read afterwards; its arguments are those of `modules::index`.
const DEPMOD: &str = r#"
set -e
cd "$4/usr/lib/modules/$7"
find kernel -name '*.ko' | LC_ALL=C sort | sed 's/$/:/' > modules.dep
: > modules.softdep
: > modules.alias
"#;

struct Fixture {
    folder: TempDir,
    lock: Lock,
}

impl Fixture {
    /// `turn` changes the order of everything that has one and must not have a meaning.
    fn new(turn: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut files = vec![
            ("boards/packages.toml", "root = []\ntools = []\n".to_owned()),
            ("boards/test.toml", BOARD.to_owned()),
            (
                "boards/contents.toml",
                "programs = [\"sh\"]\nremove = [\"usr/share/menu\"]\nunits = [\"x.timer\"]\n"
                    .to_owned(),
            ),
            (
                "boards/users.toml",
                "[[user]]\nname = \"relay\"\nid = 800\ncomment = \"Relay\"\n".to_owned(),
            ),
            (
                "boards/reviewed-scripts.toml",
                format!(
                    "[[script]]\npackage = \"a\"\nname = \"postinst\"\nsha256 = \"{}\"\nfinding = \"x\"\n",
                    Hash::of(SCRIPT)
                ),
            ),
            ("systemd/90-a.preset", "enable relay.service\n".to_owned()),
            (
                "systemd/relay.service",
                "[Install]\nWantedBy=multi-user.target\n".to_owned(),
            ),
            ("systemd/root/etc/b", "b\n".to_owned()),
            ("systemd/root/etc/a/c", "c\n".to_owned()),
        ];
        if turn {
            files.reverse();
        }
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::create_dir(folder.path().join("archive")).unwrap();
        let mut packages = packages(&folder.path().join("archive"));
        if turn {
            packages.reverse();
        }
        let lock = Lock {
            architecture: Architecture::Arm64,
            time: "2026-11-21T08:00:00Z".parse().unwrap(),
            suites: Vec::new(),
            packages,
        };
        Self { folder, lock }
    }

    fn build(&self) -> Result<Built> {
        let top = self.folder.path();
        let workplace = Workplace::new(Some(top.to_owned()), Some(top.join("archive")), false)?
            .offline()
            .caching_in(top.join("cache"));
        let board = board::load(&top.join("boards"), "test")?;
        let tool = |name: &str| {
            let shell = workplace.shell.call("/bin/sh");
            shell
                .env("PATH", "/usr/bin:/bin")
                .args(["-c", DEPMOD, name])
        };
        let programs: [Program<'_>; 1] = [("usr/bin/relay", b"program")];
        build(&workplace, tool, &board, &self.lock, "1.0", &programs, top)
    }

    fn place(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }
}

/// Name, part, whether it has a script, and what is in it.
type Source<'t> = (&'t str, Part, bool, Vec<testkit::Part<'t>>);

fn packages(archive: &Path) -> Vec<Locked> {
    let all = [
        ("a", Part::Root, true, system()),
        ("base-files", Part::Root, false, top()),
        ("base-passwd", Part::Root, false, accounts()),
        (
            "firmware",
            Part::Boot,
            true,
            vec![File("./usr/lib/firmware.bin", 0o644, b"boot")],
        ),
        ("linux-image-6.1-test", Part::Boot, false, kernel()),
        (
            "only-documents",
            Part::Root,
            false,
            vec![File("./usr/share/doc/b/copyright", 0o644, b"text")],
        ),
        (
            "only-pruned",
            Part::Root,
            false,
            vec![File("./usr/share/menu/b", 0o644, b"text")],
        ),
        ("certificates", Part::Root, false, certificates()),
    ];
    all.into_iter()
        .map(|source| locked(source, archive))
        .collect()
}

fn locked((name, part, script, data): Source<'_>, archive: &Path) -> Locked {
    let control: &[(&str, &[u8])] = if script { &[("postinst", SCRIPT)] } else { &[] };
    let bytes = deb(control, &data);
    fs::write(archive.join(format!("{name}_1_all.deb")), &bytes).unwrap();
    let scripts = control.iter().map(|(name, content)| Script {
        name: (*name).to_owned(),
        sha256: Hash::of(content),
    });
    Locked {
        name: name.to_owned(),
        meta: name
            .starts_with("linux")
            .then(|| "linux-image-test".to_owned()),
        version: "1".to_owned(),
        part,
        archive: Archive::Debian,
        path: format!("pool/{name}_1_all.deb"),
        size: u64::try_from(bytes.len()).unwrap(),
        sha256: Hash::of(&bytes),
        scripts: scripts.collect(),
    }
}

fn system() -> Vec<testkit::Part<'static>> {
    vec![
        // Before base-files by name; its file must land behind the link all the same.
        File("./lib/a.so", 0o644, b"library"),
        File("./usr/bin/sh", 0o4755, b"shell"),
        HardLink("./usr/bin/bash", "./usr/bin/sh"),
        File("./usr/share/doc/a/copyright", 0o644, b"text"),
        File("./usr/share/menu/a", 0o644, b"text"),
        File(
            "./usr/lib/systemd/system/multi-user.target",
            0o644,
            b"[Unit]\n",
        ),
        File("./usr/lib/systemd/system/x.timer", 0o644, b"[Unit]\n"),
        File(
            "./usr/lib/systemd/system-preset/90-debian.preset",
            0o644,
            b"enable *\n",
        ),
        File("./usr/lib/sysusers.d/a.conf", 0o644, b"u relay -\n"),
        // base-passwd has another opinion of its mode; the first one counts.
        Folder("./var/shared/", 0o750),
    ]
}

fn certificates() -> Vec<testkit::Part<'static>> {
    let path = "./usr/share/ca-certificates/one.crt";
    vec![File(path, 0o644, b"certificate\n")]
}

fn top() -> Vec<testkit::Part<'static>> {
    vec![
        Folder("./etc/", 0o755),
        Folder("./usr/lib/", 0o755),
        Link("./lib", "usr/lib"),
    ]
}

fn accounts() -> Vec<testkit::Part<'static>> {
    let root = b"root:*:0:0:root:/root:/bin/bash\n";
    let groups = b"root:*:0:\nshadow:*:42:\n";
    vec![
        File("./usr/share/base-passwd/passwd.master", 0o644, root),
        File("./usr/share/base-passwd/group.master", 0o644, groups),
        Folder("./var/shared/", 0o700),
    ]
}

fn kernel() -> Vec<testkit::Part<'static>> {
    vec![
        File("./boot/vmlinuz-6.1", 0o644, b"kernel"),
        File("./usr/lib/modules/6.1/kernel/fs/erofs.ko", 0o644, b"erofs"),
        File("./usr/lib/modules/6.1/kernel/fs/xfs.ko", 0o644, b"xfs"),
        File(
            "./usr/lib/modules/6.1/kernel/drivers/net/dummy.ko",
            0o644,
            b"net",
        ),
        File("./usr/lib/modules/6.1/modules.builtin", 0o644, b""),
        File("./usr/lib/modules/6.1/modules.builtin.modinfo", 0o644, b""),
        File("./usr/lib/modules/6.1/modules.order", 0o644, b""),
    ]
}

#[test]
fn the_root_of_a_small_system_is_the_one_that_was_agreed_on() {
    let built = Fixture::new(false).build().unwrap();

    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    let listing = listing::of(&built.root);
    if std::env::var_os("TASUKI_BLESS").is_some() {
        fs::write(&golden, &listing).unwrap();
    }
    assert_eq!(listing, fs::read_to_string(golden).unwrap());
    assert_eq!(built.kernel_version, "6.1");
    assert_eq!(&**built.kernel.read("boot/vmlinuz-6.1").unwrap(), b"kernel");
    assert!(!built.kernel.contains("usr/lib/modules"));
    assert_eq!(
        &**built.firmware.read("usr/lib/firmware.bin").unwrap(),
        b"boot"
    );
}

#[test]
fn neither_order_nor_place_leaves_a_trace() {
    let one = Fixture::new(false).build().unwrap();
    let other = Fixture::new(true).build().unwrap();

    assert!(one.root == other.root);
    assert!(erofs::to_tar(&one.root).unwrap() == erofs::to_tar(&other.root).unwrap());
}

#[test]
fn packages_of_which_nothing_is_left_are_not_present() {
    let built = Fixture::new(false).build().unwrap();

    let present: Vec<&str> = built.present.iter().map(String::as_str).collect();
    let kept = ["a", "base-files", "base-passwd", "certificates", "firmware"];
    assert_eq!(present, [&kept[..], &["linux-image-6.1-test"]].concat());
}

#[test]
fn a_script_that_nobody_has_read_stops_the_build() {
    let fixture = Fixture::new(false);
    fs::write(fixture.place("boards/reviewed-scripts.toml"), "").unwrap();

    let error = fixture.build().unwrap_err().to_string();

    assert!(
        error.contains("a: postinst") && error.contains("[[script]]"),
        "{error}"
    );
    assert!(
        !error.contains("firmware"),
        "scripts of boot packages have no root to run in: {error}"
    );
}

#[test]
fn a_package_that_nobody_has_stops_the_build() {
    let fixture = Fixture::new(false);
    fs::remove_file(fixture.place("archive/a_1_all.deb")).unwrap();

    let error = fixture.build().unwrap_err().to_string();

    assert!(
        error.contains("  a 1\n") && error.contains("--archive"),
        "{error}"
    );
}
