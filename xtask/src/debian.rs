//! Debian packages: which are missing, whether they may be installed, and installing them.
//!
//! Some packages (xrdp is one) start a service and enable it at every boot when they are installed.
//! Neither happens here: starting is forbidden for the time of the installation by `policy-rc.d`,
//! and whatever got enabled meanwhile is disabled again.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::exec::Shell;
use crate::{report, sys};

const QUERY_LIMIT: Duration = Duration::from_secs(30);
const INSTALL_LIMIT: Duration = Duration::from_secs(1200);

/// A Debian package and what it is needed for.
#[derive(Clone, Copy)]
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) purpose: &'static str,
}

/// Whether a person has to be asked before anything is installed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    Given,
    Ask,
}

impl Consent {
    /// `--yes` is consent, and in CI nobody can be asked.
    pub(crate) fn new(yes: bool) -> Self {
        if yes || std::env::var_os("CI").is_some() {
            Self::Given
        } else {
            Self::Ask
        }
    }
}

/// Makes sure that all of `packages` are installed.
///
/// # Errors
///
/// Says what to type when this user may not install them, or does not want to.
pub(crate) fn provide(shell: &Shell, packages: &[Package], consent: Consent) -> Result<()> {
    let missing = missing(shell, packages)?;
    if missing.is_empty() {
        return Ok(());
    }
    report::say("These Debian packages are needed and not installed:");
    for package in &missing {
        report::say(&format!("  {:<28} {}", package.name, package.purpose));
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    if !sys::is_root() {
        bail!("only root can install them; type:\n  {}", advice(&names));
    }
    if consent == Consent::Ask
        && !report::ask("Install them now? No service will be started or enabled.")?
    {
        bail!("not installed; say --yes, or type:\n  {}", advice(&names));
    }
    install(shell, &names)
}

fn missing<'a>(shell: &Shell, packages: &'a [Package]) -> Result<Vec<&'a Package>> {
    let answer = shell
        .call("dpkg-query")
        .args(["--show", "--showformat"])
        .arg("${Package} ${db:Status-Status}\n")
        .args(packages.iter().map(|package| package.name))
        .finish(QUERY_LIMIT)
        .context("this needs Debian, or a system with its packages")?;
    // dpkg-query fails when it knows nothing of one of the packages, and still lists the others.
    let installed: BTreeSet<&str> = answer
        .stdout
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .collect();
    Ok(packages
        .iter()
        .filter(|package| !installed.contains(package.name))
        .collect())
}

/// What a person types to do by hand what [`install`] does.
fn advice(names: &[&str]) -> String {
    let mut text = format!(
        "sudo apt-get install --no-install-recommends {}",
        names.join(" ")
    );
    if names.contains(&"xrdp") {
        text.push_str("\n  sudo systemctl disable --now xrdp xrdp-sesman");
    }
    text
}

fn install(shell: &Shell, names: &[&str]) -> Result<()> {
    let before = Enabled::now();
    let no_starts = NoStarts::declare(Path::new("/usr/sbin"))?;
    let result = apt_get(shell, names);
    drop(no_starts);
    disable(shell, &Enabled::now().added_since(&before))?;
    result
}

fn apt_get(shell: &Shell, names: &[&str]) -> Result<()> {
    let call = |words: &[&str]| {
        shell
            .call("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args([
                "-q",
                "-y",
                "-o",
                "DPkg::Lock::Timeout=120",
                "-o",
                "Dpkg::Use-Pty=0",
            ])
            .args(words)
            .unstoppable()
            .output(INSTALL_LIMIT)
    };
    let words = [&["install", "--no-install-recommends"], names].concat();
    // A new machine has no package lists, an old one has outdated ones.
    if call(&words).is_err() {
        call(&["update"]).context("cannot fetch the package lists")?;
        call(&words).context("cannot install the packages")?;
    }
    Ok(())
}

/// The answer 101 means that the action is forbidden.
const NO_STARTS: &str = "#!/bin/sh\n# Put here by cargo xtask.\nexit 101\n";

/// Forbids package scripts to start services, for as long as it lives.
struct NoStarts {
    policy: PathBuf,
    saved: PathBuf,
}

impl NoStarts {
    fn declare(sbin: &Path) -> Result<Self> {
        let this = Self {
            policy: sbin.join("policy-rc.d"),
            saved: sbin.join("policy-rc.d.before-tasuki"),
        };
        // An earlier run may have been killed: then the policy is ours, and what is saved, if
        // anything, is still the system's.
        let ours = fs::read_to_string(&this.policy).is_ok_and(|text| text == NO_STARTS);
        if !ours {
            match fs::rename(&this.policy, &this.saved) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).context("cannot set policy-rc.d aside");
                }
                Ok(()) | Err(_) => {}
            }
        }
        fs::write(&this.policy, NO_STARTS)
            .and_then(|()| fs::set_permissions(&this.policy, fs::Permissions::from_mode(0o755)))
            .context("cannot write policy-rc.d")?;
        Ok(this)
    }
}

impl Drop for NoStarts {
    fn drop(&mut self) {
        if fs::rename(&self.saved, &self.policy).is_err() {
            // There was none before. If removing fails, services stay unstarted: say so.
            if fs::remove_file(&self.policy).is_err() {
                report::say(&format!("Remove {} by hand.", self.policy.display()));
            }
        }
    }
}

/// The services that this system starts by itself.
struct Enabled {
    /// The links by which systemd's targets want their units.
    links: BTreeSet<PathBuf>,
    /// The scripts that System V's run levels start.
    scripts: BTreeSet<String>,
}

impl Enabled {
    fn now() -> Self {
        Self::below(Path::new("/etc"))
    }

    fn below(etc: &Path) -> Self {
        let system = etc.join("systemd/system");
        let links = entries(&system)
            .into_iter()
            .filter(|name| name.ends_with(".wants") || name.ends_with(".requires"))
            .map(|target| system.join(target))
            .flat_map(|target| {
                entries(&target)
                    .into_iter()
                    .map(move |name| target.join(name))
            });
        let scripts = ["rc2.d", "rc3.d", "rc4.d", "rc5.d"]
            .into_iter()
            .flat_map(|level| entries(&etc.join(level)))
            .filter_map(|name| name.strip_prefix('S').map(str::to_owned))
            .map(|name| {
                name.trim_start_matches(|digit: char| digit.is_ascii_digit())
                    .to_owned()
            });
        Self {
            links: links.collect(),
            scripts: scripts.collect(),
        }
    }

    fn added_since(self, before: &Self) -> Self {
        Self {
            links: self.links.difference(&before.links).cloned().collect(),
            scripts: self.scripts.difference(&before.scripts).cloned().collect(),
        }
    }
}

fn entries(folder: &Path) -> Vec<String> {
    let Ok(found) = fs::read_dir(folder) else {
        return Vec::new();
    };
    found
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn disable(shell: &Shell, added: &Enabled) -> Result<()> {
    for script in &added.scripts {
        shell
            .call("update-rc.d")
            .args([script, "disable"])
            .unstoppable()
            .output(QUERY_LIMIT)?;
    }
    for link in &added.links {
        // Where systemctl is installed, update-rc.d has removed some of them.
        if link.is_symlink() {
            fs::remove_file(link)
                .with_context(|| format!("cannot disable a service: {}", link.display()))?;
        }
    }
    let left = Enabled::now();
    let stubborn: Vec<_> = added.scripts.intersection(&left.scripts).collect();
    if !stubborn.is_empty() {
        bail!("these services got enabled and could not be disabled: {stubborn:?}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_of_the_system_comes_back() {
        let sbin = tempfile::tempdir().unwrap();
        let policy = sbin.path().join("policy-rc.d");
        fs::write(&policy, "the system's").unwrap();

        let no_starts = NoStarts::declare(sbin.path()).unwrap();
        let during = fs::read_to_string(&policy).unwrap();
        drop(no_starts);

        assert!(during.contains("exit 101"));
        assert_eq!(fs::read_to_string(&policy).unwrap(), "the system's");
        assert_eq!(entries(sbin.path()), ["policy-rc.d"]);
    }

    #[test]
    fn without_a_policy_none_is_left() {
        let sbin = tempfile::tempdir().unwrap();

        drop(NoStarts::declare(sbin.path()).unwrap());

        assert!(entries(sbin.path()).is_empty());
    }

    #[test]
    fn a_policy_saved_by_a_killed_run_is_not_overwritten() {
        let sbin = tempfile::tempdir().unwrap();
        fs::write(sbin.path().join("policy-rc.d"), "the system's").unwrap();
        std::mem::forget(NoStarts::declare(sbin.path()).unwrap());

        drop(NoStarts::declare(sbin.path()).unwrap());

        assert_eq!(
            fs::read_to_string(sbin.path().join("policy-rc.d")).unwrap(),
            "the system's"
        );
    }

    #[test]
    fn newly_enabled_services_are_found_under_both_init_systems() {
        let etc = tempfile::tempdir().unwrap();
        let wants = etc.path().join("systemd/system/multi-user.target.wants");
        fs::create_dir_all(&wants).unwrap();
        fs::create_dir_all(etc.path().join("rc3.d")).unwrap();
        fs::write(wants.join("ssh.service"), "").unwrap();
        let before = Enabled::below(etc.path());

        fs::write(wants.join("xrdp.service"), "").unwrap();
        fs::write(etc.path().join("rc3.d/S01xrdp"), "").unwrap();
        fs::write(etc.path().join("rc3.d/K01other"), "").unwrap();
        let added = Enabled::below(etc.path()).added_since(&before);

        assert_eq!(added.links, BTreeSet::from([wants.join("xrdp.service")]));
        assert_eq!(added.scripts, BTreeSet::from(["xrdp".to_owned()]));
    }
}
