//! Windows programs on this machine: Wine, with PCs that outlive a run.
//!
//! What runs in it can reach all of this user's files as drive Z. Dropping it ends everything
//! that still runs there, services too.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::debian::Package;
use crate::exec::{Call, Shell};
use crate::report;

const MAKE_LIMIT: Duration = Duration::from_secs(600);
const LOCALE_LIMIT: Duration = Duration::from_secs(300);
const END_LIMIT: Duration = Duration::from_secs(60);

pub(crate) const PACKAGES: [Package; 5] = [
    Package {
        name: "wine",
        purpose: "runs Windows programs here",
    },
    Package {
        name: "wine64",
        purpose: "the same, of 64 bits",
    },
    Package {
        name: "gcc-mingw-w64-x86-64",
        purpose: "builds a library that this Wine lacks",
    },
    Package {
        name: "winbind",
        purpose: "does NTLM for Windows programs",
    },
    Package {
        name: "locales",
        purpose: "tells Wine the language",
    },
];

const WINE: &str = "wine";
const SERVER: &str = "wineserver";
/// What Rust's library needs and Wine 8 lacks.
const LACKING: &str = "bcryptprimitives.dll";

/// A Windows.
pub(crate) struct Wine<'a> {
    shell: &'a Shell,
    prefix: PathBuf,
}

impl<'a> Wine<'a> {
    /// Opens this repository's PC of that name; the first time it is made, which takes a minute.
    pub(crate) fn open(shell: &'a Shell, root: &Path, name: &str) -> Result<Self> {
        let prefix = root.join("target/wine").join(name);
        fs::create_dir_all(&prefix).with_context(|| format!("cannot make {}", prefix.display()))?;
        let wine = Self { shell, prefix };
        let library = wine.prefix.join("drive_c/windows/system32").join(LACKING);
        let is_made = library.exists();
        if !is_made {
            fs::remove_dir_all(&wine.prefix)?;
            fs::create_dir(&wine.prefix)?;
        }
        wine.start()?;
        if !is_made {
            wine.make(root, &library)
                .context("cannot make a Windows to run programs in")?;
        }
        wine.keep_to_itself()?;
        Ok(wine)
    }

    /// Wine makes a user's documents, downloads and so on links to those of this machine's user,
    /// who wants nothing of a test there.
    fn keep_to_itself(&self) -> Result<()> {
        for entry in fs::read_dir(self.user()?)? {
            let path = entry?.path();
            if path.is_symlink() {
                fs::remove_file(&path)?;
                fs::create_dir(&path)?;
            }
        }
        Ok(())
    }

    /// The folder of the user whom its programs run as.
    pub(crate) fn user(&self) -> Result<PathBuf> {
        let users = self.drive_c().join("users");
        let entries = fs::read_dir(&users).context("a Windows without users")?;
        let folders = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        let mut folders = folders.filter(|path| path.file_name() != Some("Public".as_ref()));
        folders.next().context("a Windows without a user")
    }

    /// That user's documents.
    pub(crate) fn documents(&self) -> Result<PathBuf> {
        Ok(self.user()?.join("Documents"))
    }

    /// Starts its server to stay: otherwise it would be shut down, and started again, between any
    /// two programs. When one runs already, from a run that was killed, the call fails, and that
    /// one will do.
    fn start(&self) -> Result<()> {
        let call = self.dress(self.shell.call(SERVER).arg("--persistent"));
        call.finish(END_LIMIT).map(drop)
    }

    /// Ends everything that runs in it. It fails when nothing does.
    fn end(&self) {
        let call = self.dress(self.shell.call(SERVER).arg("--kill"));
        let _ = call.unstoppable().finish(END_LIMIT);
    }

    fn make(&self, root: &Path, library: &Path) -> Result<()> {
        report::say("making a Windows under Wine, once");
        self.dress(self.shell.call(WINE).args(["wineboot", "--init"]))
            .output(MAKE_LIMIT)?;
        // It comes last: with it the Windows is complete.
        self.shell
            .call("x86_64-w64-mingw32-gcc")
            .args(["-O2", "-s", "-shared", "-o"])
            .arg(library)
            .arg(root.join("xtask/wine/bcryptprimitives.c"))
            .arg("-ladvapi32")
            .output(MAKE_LIMIT)?;
        Ok(())
    }

    /// Takes its screen away for good: then windows can be made where there is none to see them on.
    pub(crate) fn blind(&self) -> Result<()> {
        const DRIVERS: &str = r"HKCU\Software\Wine\Drivers";
        let words = ["reg", "add", DRIVERS, "/v", "Graphics", "/d", "null", "/f"];
        let call = self.dress(self.shell.call(WINE).args(words));
        call.output(MAKE_LIMIT)?;
        // A desktop that came up before this has found no screen, and takes no windows for as long
        // as it is there, which is some seconds more.
        self.restart()
    }

    /// Ends everything that runs in it, and starts it anew.
    pub(crate) fn restart(&self) -> Result<()> {
        self.end();
        self.start()
    }

    /// A call of a Windows program, for which `call` starts Wine.
    pub(crate) fn call<'c>(&self, call: impl FnOnce(&str) -> Call<'c>, program: &Path) -> Call<'c> {
        self.dress(call(WINE).arg(program))
    }

    fn dress<'c>(&self, call: Call<'c>) -> Call<'c> {
        call.env("WINEPREFIX", &self.prefix)
            .env("WINEARCH", "win64")
            .env("WINEDEBUG", "-all")
            // No window shall ask for a browser or for .NET, and no menu of this machine get an
            // entry.
            .env("WINEDLLOVERRIDES", "mscoree=;mshtml=;winemenubuilder.exe=")
            .env_remove("DISPLAY")
    }

    /// Its drive C.
    pub(crate) fn drive_c(&self) -> PathBuf {
        self.prefix.join("drive_c")
    }

    /// A path of this machine as Windows programs write it.
    pub(crate) fn path(path: &Path) -> String {
        format!("Z:{}", path.display()).replace('/', "\\")
    }
}

impl Drop for Wine<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Writes down a language for Wine, which looks for it in the folder `locales`.
pub(crate) fn write_locale(shell: &Shell, locales: &Path, name: &str) -> Result<()> {
    shell
        .call("localedef")
        .args(["-i", name, "-f", "UTF-8"])
        .arg(locales.join(format!("{name}.UTF-8")))
        .output(LOCALE_LIMIT)?;
    Ok(())
}
