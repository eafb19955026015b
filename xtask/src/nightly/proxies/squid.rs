//! squid, as its package installs it; nothing of the system's own configuration is used.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::exec::Process;
use crate::nightly::Night;
use crate::nightly::relay::{SHORT, free_address, wait_for_listener};
use crate::sys;

/// A name of this machine that squid alone knows.
pub(super) const HIDDEN: &str = "relay.only-the-proxy-knows.invalid";
/// Whoever is on this machine gets through.
pub(super) const ANYBODY: &str = "http_access allow localhost\nhttp_access deny all\n";
/// Only whoever has logged in does.
const WHO_IS_KNOWN: &str = "acl known proxy_auth REQUIRED\nhttp_access allow known\n\
     http_access deny all\n";
/// Of whom squid lets through, if it asks.
pub(super) const PROXY_PASSWORD: &str = "proxy:pass";
/// With `openssl passwd -6 -salt tasuki proxy:pass`; squid asks for names in small letters.
const USERS: &str = "office\\taro:$6$tasuki$1v1TUyJ8I5YevYRtaz8h83F0BSF/Ys39WOEKS6/SG7uldV5vF7wb7\
     jG2.DRvOoIhgM4jTgLHEaGbkxLNt1hEH0\n";

/// A running squid.
pub(super) struct Squid {
    pub(super) address: SocketAddr,
    /// Ends with this value, before its folder.
    _process: Process,
    folder: TempDir,
}

impl Squid {
    /// One that wants `OFFICE\taro` and his password, by a scheme.
    pub(super) fn asking(night: &Night<'_>, scheme: &str) -> Result<Self> {
        let folder = Self::folder()?;
        let place = folder.path().display();
        let samba = |helper: &str| {
            format!(
                "/usr/bin/ntlm_auth --helper-protocol={helper} --password={PROXY_PASSWORD} \
                 --configfile={place}/samba.conf"
            )
        };
        let helper = match scheme {
            "ntlm" => samba("squid-2.5-ntlmssp"),
            "negotiate" => samba("gss-spnego"),
            _ => format!("/usr/lib/squid/basic_ncsa_auth {place}/users"),
        };
        let rules =
            format!("auth_param {scheme} program {helper}\nauth_param {scheme} children 1\n");
        fs::write(folder.path().join("samba.conf"), "[global]\n")?;
        fs::write(folder.path().join("users"), USERS)?;
        Self::start_in(folder, night, &(rules + WHO_IS_KNOWN))
    }

    /// One in which `rules` say who gets through.
    pub(super) fn start(night: &Night<'_>, rules: &str) -> Result<Self> {
        Self::start_in(Self::folder()?, night, rules)
    }

    fn folder() -> Result<TempDir> {
        let folder = tempfile::Builder::new().prefix("tasuki-squid-").tempdir();
        folder.context("no folder for squid")
    }

    fn start_in(folder: TempDir, night: &Night<'_>, rules: &str) -> Result<Self> {
        let (address, place) = (free_address()?, folder.path().display());
        let user = if sys::is_root() {
            "cache_effective_user nobody\n"
        } else {
            ""
        };
        let config = format!(
            "http_port {address}\naccess_log stdio:{place}/access.log\n\
             cache_log {place}/cache.log\ncoredump_dir {place}\nhosts_file {place}/hosts\n{user}\
             cache deny all\npid_filename none\nshutdown_lifetime 0 seconds\n\
             visible_hostname proxy.example\nnetdb_filename none\npinger_enable off\n\
             dns_nameservers 127.0.0.1\n{rules}"
        );
        let file = folder.path().join("squid.conf");
        fs::write(&file, config)?;
        fs::write(folder.path().join("hosts"), format!("127.0.0.1 {HIDDEN}\n"))?;
        if sys::is_root() {
            let chown = night.call("chown").args(["-R", "nobody:"]);
            chown.arg(folder.path()).output(SHORT)?;
        }
        let mut process = night
            .call("/usr/sbin/squid")
            .args(["-N", "-d", "1", "-f"])
            .arg(file)
            .start(&folder.path().join("squid.log"))?;
        wait_for_listener(night, &mut process, address)?;
        Ok(Self {
            address,
            _process: process,
            folder,
        })
    }

    /// Waits until so many requests are over. A line for each: how squid has answered it, and whom.
    pub(super) fn requests(&self, night: &Night<'_>, count: usize) -> Result<Vec<String>> {
        night.shell.wait_for("squid's log", SHORT, || {
            let log = fs::read_to_string(self.folder.path().join("access.log"));
            let log = log.unwrap_or_default();
            // Somebody also looked whether it listens.
            let lines = log.lines().filter(|line| line.contains(" CONNECT "));
            let requests: Vec<_> = lines.map(str::to_owned).collect();
            Ok((requests.len() >= count).then_some(requests))
        })
    }
}
