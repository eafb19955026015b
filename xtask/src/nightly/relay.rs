//! A deployment with a running relay, for parts that try something on one.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::Night;
use crate::exec::Process;
use crate::sys;

/// For one program that takes moments.
pub(super) const SHORT: Duration = Duration::from_secs(60);

/// Where the entry file lies in the relay's folder.
pub(super) const ENTRY: &str = "tasuki-entry.toml";

/// A relay, its operator's files, and room for more.
pub(super) struct Relay {
    pub(super) address: SocketAddr,
    /// Ends with this value, before its folder.
    _process: Process,
    pub(super) folder: TempDir,
}

/// Builds relay and operator's tool.
pub(super) fn build(night: &Night<'_>) -> Result<()> {
    night
        .call("cargo")
        .args(["build", "--quiet", "--locked", "--bins"])
        .args(["-p", "relay", "-p", "image-builder"])
        .run(night.rest())
}

impl Relay {
    /// One on loopback, whose entry file says that it is at `name`.
    pub(super) fn start(night: &Night<'_>, name: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let address = free_address()?;
        let programs = programs(night)?;
        let tasuki = |command: &str| {
            let call = night.shell.call(programs.join("tasuki"));
            let call = call.arg("--deployment").arg(path("deployment"));
            call.args(command.split(' '))
        };
        tasuki("deployment init --no-passphrase --name Night").output(SHORT)?;
        let place = format!("{name}:{}", address.port());
        tasuki(&format!("node add night --lone --address {place} --out"))
            .arg(path("node.toml"))
            .output(SHORT)?;
        tasuki("entry --out").arg(path(ENTRY)).output(SHORT)?;
        // A private folder, which root alone could enter.
        let user = if sys::is_root() {
            "user = \"root\"\n"
        } else {
            ""
        };
        let config = format!(
            "{user}node_file = \"node.toml\"\nlisten = [\"{address}\"]\nstate_dir = \"state\"\n\
             control_socket = \"relay.sock\"\nmetrics_listen = \"none\"\n"
        );
        std::fs::write(path("relay.toml"), config)?;
        let mut process = night
            .shell
            .call(programs.join("tasuki-relay"))
            .args(["run", "--config"])
            .arg(path("relay.toml"))
            .start(&path("relay.log"))?;
        wait_for_listener(night, &mut process, address)?;
        Ok(Self {
            address,
            _process: process,
            folder,
        })
    }
}

/// A port of this machine on which nothing listens.
pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Waits until somebody listens at `address`, which `process` is to do.
pub(super) fn wait_for_listener(
    night: &Night<'_>,
    process: &mut Process,
    address: SocketAddr,
) -> Result<()> {
    night.shell.wait_for("a listener", SHORT, || {
        process.still_runs()?;
        Ok(TcpStream::connect(address).ok().map(drop))
    })
}

fn programs(night: &Night<'_>) -> Result<PathBuf> {
    let metadata = night
        .call("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .output(SHORT)?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let target = metadata["target_directory"].as_str();
    Ok(PathBuf::from(target.context("cargo names no target folder")?).join("debug"))
}
