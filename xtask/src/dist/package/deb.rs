//! Host and client as a Debian package.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Contents, EPOCH_S, LIMIT, VERSION, pack};
use crate::dist::PROGRAMS;
use crate::exec::Shell;

const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];
const UNIT: &str = "tasuki-host.service";

pub(super) fn package(
    shell: &Shell,
    contents: &Contents<'_>,
    architecture: &str,
) -> Result<PathBuf> {
    let folder = tempfile::tempdir()?;
    let tree = folder.path().join("tasuki");
    let texts = contents.texts.join("linux");
    let mut needed = (0, 0);
    for program in PROGRAMS {
        let from = contents.programs.join(program);
        let bytes = fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
        needed = needed.max(glibc(&bytes));
        put(&from, &tree.join("usr/bin").join(program), 0o755)?;
    }
    let unit = tree.join("usr/lib/systemd/system").join(UNIT);
    put(&texts.join(UNIT), &unit, 0o644)?;
    for script in SCRIPTS {
        put(
            &texts.join(script),
            &tree.join("DEBIAN").join(script),
            0o755,
        )?;
    }
    fs::set_permissions(&tree, Permissions::from_mode(0o755))?;
    let control = tree.join("DEBIAN/control");
    fs::write(&control, description(architecture, needed))?;
    fs::set_permissions(&control, Permissions::from_mode(0o644))?;
    let path = contents
        .out
        .join(format!("tasuki_{VERSION}_{architecture}.deb"));
    shell
        .call("dpkg-deb")
        .args(["--root-owner-group", "-Zxz", "--build"])
        .args([&tree, &path])
        .env("SOURCE_DATE_EPOCH", EPOCH_S.to_string())
        .output(LIMIT)?;
    Ok(path)
}

/// A file with its rights, in folders that everybody may look into.
fn put(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let folder = to.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder)?;
    for folder in folder
        .ancestors()
        .take_while(|folder| !folder.ends_with("tasuki"))
    {
        fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    }
    pack(from, to)?;
    fs::set_permissions(to, Permissions::from_mode(mode))?;
    Ok(())
}

fn description(architecture: &str, (major, minor): (u32, u32)) -> String {
    format!(
        "Package: tasuki\n\
         Version: {VERSION}\n\
         Architecture: {architecture}\n\
         Maintainer: Tasuki <root@localhost>\n\
         Section: net\n\
         Priority: optional\n\
         Depends: libc6 (>= {major}.{minor}), libgcc-s1\n\
         Recommends: freerdp2-x11\n\
         Description: office desktop at home, through a relay that cannot see it\n \
         Host for the PC in the office and client for the PC at home. Both dial\n \
         out; no port is opened.\n"
    )
}

/// The newest version of glibc that a program names.
fn glibc(program: &[u8]) -> (u32, u32) {
    let versions = program
        .split(|byte| *byte == 0)
        .filter_map(|text| std::str::from_utf8(text.strip_prefix(b"GLIBC_")?).ok())
        .filter_map(|version| {
            let (major, minor) = version.split_once('.')?;
            let minor = minor.split('.').next()?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        });
    versions.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;

    /// A system with nothing but this package, in a folder.
    struct System {
        folder: tempfile::TempDir,
        shell: Shell,
    }

    impl System {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            for path in ["root", "list/info", "list/updates", "list/triggers"] {
                fs::create_dir_all(folder.path().join(path)).unwrap();
            }
            fs::write(folder.path().join("list/status"), "").unwrap();
            Self {
                folder,
                shell: Shell::new(false).unwrap(),
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn package(&self, out: &str) -> PathBuf {
            let programs = self.path("programs");
            fs::create_dir_all(&programs).unwrap();
            for program in PROGRAMS {
                fs::write(programs.join(program), "\0GLIBC_2.36\0").unwrap();
            }
            let out = self.path(out);
            fs::create_dir_all(&out).unwrap();
            let texts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/packages");
            let contents = Contents {
                texts,
                programs: &programs,
                out: &out,
            };
            package(&self.shell, &contents, "arm64").unwrap()
        }

        fn dpkg(&self, words: &[&str]) {
            self.shell
                .call("dpkg")
                .arg("--instdir")
                .arg(self.path("root"))
                .arg("--admindir")
                .arg(self.path("list"))
                // The scripts run outside, and are told where the system lies.
                .arg("--force-script-chrootless,not-root,bad-path,depends,architecture")
                .arg("--log=/dev/null")
                .args(words)
                .output(Duration::from_secs(60))
                .unwrap();
        }

        fn files(&self) -> BTreeSet<String> {
            let said = self
                .shell
                .call("find")
                .arg(self.path("root"))
                .args(["-mindepth", "1", "-printf", "%P %m\n"])
                .output(Duration::from_secs(60))
                .unwrap();
            said.lines().map(str::to_owned).collect()
        }
    }

    #[test]
    fn package_comes_is_renewed_and_goes_without_a_trace() {
        let system = System::new();
        let package = system.package("one");
        let package = package.to_str().unwrap();

        system.dpkg(&["--install", package]);
        let installed = system.files();
        for file in [
            "usr/bin/tasuki-client 755",
            "usr/bin/tasuki-host 755",
            "usr/lib/systemd/system/tasuki-host.service 644",
        ] {
            assert!(installed.contains(file), "{file}: {installed:?}");
        }
        let state = system.path("root/var/lib/tasuki/host");
        fs::create_dir_all(&state).unwrap();
        fs::write(state.join("identity"), "a secret").unwrap();
        let used = system.files();

        system.dpkg(&["--install", package]);
        assert_eq!(system.files(), used, "renewed");

        system.dpkg(&["--remove", "tasuki"]);
        let left = system.files();
        assert!(state.join("identity").exists());
        assert!(left.iter().all(|file| file.starts_with("var")), "{left:?}");

        system.dpkg(&["--purge", "tasuki"]);
        assert!(!system.path("root/var/lib/tasuki").exists());
    }

    #[test]
    fn package_comes_out_the_same_twice() {
        let system = System::new();

        let [one, two] = ["one", "two"].map(|out| fs::read(system.package(out)).unwrap());

        assert_eq!(one, two);
    }

    #[test]
    fn newest_glibc_counts_as_a_number() {
        let program = b"\0GLIBC_2.9\0GLIBC_2.34\0GLIBC_2.2.5\0GLIBC_PRIVATE\0GLIBC_9x\0";

        assert_eq!(glibc(program), (2, 34));
        assert_eq!(glibc(b""), (0, 0));
    }
}
