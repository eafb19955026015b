//! Options that say how a board is reached where it stands, for the commands that issue one.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use protocol::file::address::{Address, Host};
use protocol::file::network::{Addressing, Network, SshKey};

#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(super) struct NetworkArguments {
    /// "auto", "none", or the board's address: '192.0.2.10/24 via 192.0.2.1'
    #[arg(long, value_name = "ADDRESS")]
    ipv4: Option<Addressing<Ipv4Addr>>,
    /// "auto", "none", or the board's address: '2001:db8::10/64 via fe80::1'
    #[arg(long, value_name = "ADDRESS")]
    ipv6: Option<Addressing<Ipv6Addr>>,
    /// A name server; up to four times
    #[arg(long, value_name = "ADDRESS")]
    dns: Vec<IpAddr>,
    /// A time server; up to four times
    #[arg(long, value_name = "HOST")]
    ntp: Vec<Host>,
    /// Number of the VLAN that carries everything, or 0 for none
    #[arg(long, value_name = "N")]
    vlan: Option<u16>,
    /// Largest packet in bytes, or 0 for what the network says
    #[arg(long, value_name = "BYTES")]
    mtu: Option<u16>,
    /// Where the board's log goes, as syslog over TCP
    #[arg(long, value_name = "HOST:PORT")]
    log_host: Option<Address>,
    /// Who may log in to the board as root, by SSH: the file of a public key, as
    /// ~/.ssh/id_ed25519.pub, or "none"
    #[arg(long, value_name = "FILE")]
    ssh_key: Option<PathBuf>,
}

impl NetworkArguments {
    /// `network` with what was typed in place of what it said.
    pub(super) fn change(self, mut network: Network) -> Result<Network> {
        if let Some(ipv4) = self.ipv4 {
            network.ipv4 = ipv4;
        }
        if let Some(ipv6) = self.ipv6 {
            network.ipv6 = ipv6;
        }
        if !self.dns.is_empty() {
            network.dns = self.dns;
        }
        if !self.ntp.is_empty() {
            network.ntp = self.ntp;
        }
        if let Some(vlan) = self.vlan {
            network.vlan = Some(vlan).filter(|vlan| *vlan != 0);
        }
        if let Some(mtu) = self.mtu {
            network.mtu = Some(mtu).filter(|mtu| *mtu != 0);
        }
        if self.log_host.is_some() {
            network.log_host = self.log_host;
        }
        if let Some(path) = self.ssh_key {
            network.ssh_key = match path.to_str() {
                Some("none") => None,
                _ => Some(ssh_key(&path)?),
            };
        }
        if let Some((key, problem)) = network.problems().into_iter().next() {
            bail!("--{key}: {problem}");
        }
        Ok(network)
    }
}

/// The key in a file that ssh-keygen(1) wrote.
fn ssh_key(path: &Path) -> Result<SshKey> {
    let told = || format!("--ssh-key: {}", path.display());
    let text = fs::read_to_string(path).with_context(told)?;
    let key = text.parse().map_err(|problem: &str| anyhow!(problem));
    key.with_context(told)
}
