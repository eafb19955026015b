//! Where relay and load side meet: on loopback, or at the two ends of a wire of their own.
//!
//! On loopback the kernel does the receiver's work in the sender's time, and more than that: when a
//! relay's acknowledgement opens a window, what its peer then sends is the relay's work too. A wire
//! is a pair of virtual Ethernet devices (`veth(4)`) between two network namespaces; each end hands
//! what it receives to its own side's CPUs (RPS, `Documentation/networking/scaling.rst`), so that
//! each side does its own work, as at the two ends of a board's cable.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};

use crate::exec;

/// CPUs that a mask of one word can name.
const CPUS_MAX: usize = 32;

/// Addresses for benchmarks (RFC 2544): 16,384 wires of four addresses.
const BENCHMARK_NET: u32 = 0xc612_0000;

/// The addresses of both sides.
#[derive(Debug, Clone)]
pub struct Site {
    relay: IpAddr,
    load: IpAddr,
    /// There as long as somebody uses it.
    wire: Option<Arc<Wire>>,
}

impl Site {
    pub fn loopback() -> Self {
        Self {
            relay: Ipv4Addr::LOCALHOST.into(),
            load: Ipv4Addr::LOCALHOST.into(),
            wire: None,
        }
    }

    /// Lays a wire between these CPUs.
    ///
    /// # Errors
    /// Nobody but root may, and sides without CPUs of their own cannot be told apart.
    pub(crate) fn wire(relay_cpus: &[usize], load_cpus: &[usize]) -> anyhow::Result<Self> {
        let (relay_mask, load_mask) = (mask(relay_cpus)?, mask(load_cpus)?);
        let number = std::process::id();
        let first = BENCHMARK_NET + (number % 16_384) * 4;
        let [load, relay] = [first + 1, first + 2].map(Ipv4Addr::from);
        let wire = Wire {
            namespace: format!("tasuki-bench-{number}"),
        };
        let (near, far) = (format!("tb{number}a"), format!("tb{number}b"));
        wire.lay(&near, &far)
            .context("cannot lay a wire: it takes root and the package iproute2")?;
        ip(&format!("address add {load}/30 dev {near}"))?;
        ip(&format!("link set {near} up"))?;
        std::fs::write(steering(&near), load_mask)?;
        let inside = &wire.namespace;
        ip(&format!("-n {inside} address add {relay}/30 dev {far}"))?;
        ip(&format!("-n {inside} link set {far} up"))?;
        ip(&format!("-n {inside} link set lo up"))?;
        let write = format!("echo {relay_mask} > {}", steering(&far));
        let words = ["netns", "exec", inside, "sh", "-c", &write];
        exec::output(Path::new("ip"), &words, None)?;
        Ok(Self {
            relay: relay.into(),
            load: load.into(),
            wire: Some(Arc::new(wire)),
        })
    }

    /// A port of the load side's.
    pub(crate) fn listen(&self) -> std::io::Result<TcpListener> {
        TcpListener::bind((self.load, 0))
    }

    /// An address on the relay's side where nobody listens now.
    pub(crate) fn free_address(&self) -> std::io::Result<SocketAddr> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        Ok(SocketAddr::new(self.relay, port))
    }

    /// What stands before a command so that it runs on the relay's side.
    pub(crate) fn prefix(&self) -> Vec<String> {
        let words = |wire: &Arc<Wire>| {
            ["ip", "netns", "exec", &wire.namespace]
                .map(str::to_owned)
                .to_vec()
        };
        self.wire.as_ref().map(words).unwrap_or_default()
    }
}

/// Gone with its namespace, in which one of its ends lies.
#[derive(Debug)]
struct Wire {
    namespace: String,
}

impl Wire {
    /// Queues are one each: their number would be that of all CPUs, and only the first is steered.
    fn lay(&self, near: &str, far: &str) -> anyhow::Result<()> {
        let Self { namespace } = self;
        ip(&format!("netns add {namespace}"))?;
        let queues = "numtxqueues 1 numrxqueues 1";
        ip(&format!(
            "link add {near} {queues} type veth peer name {far} {queues} netns {namespace}"
        ))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // Not there if it could not be laid.
        let _ = ip(&format!("netns delete {}", self.namespace));
    }
}

fn ip(words: &str) -> anyhow::Result<()> {
    let words: Vec<&str> = words.split(' ').collect();
    exec::output(Path::new("ip"), &words, None).map(drop)
}

fn steering(device: &str) -> String {
    format!("/sys/class/net/{device}/queues/rx-0/rps_cpus")
}

/// The CPUs as the kernel reads them: a bit each, in hexadecimal.
fn mask(cpus: &[usize]) -> anyhow::Result<String> {
    ensure!(
        !cpus.is_empty() && cpus.iter().all(|cpu| *cpu < CPUS_MAX),
        "a wire needs CPUs of its own at each end, all below {CPUS_MAX}: --relay-cpus and --load-cpus"
    );
    let mask = cpus.iter().fold(0_u32, |mask, cpu| mask | 1 << cpu);
    Ok(format!("{mask:x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_needs_cpus() {
        assert_eq!(mask(&[0, 2, 5]).unwrap(), "25");
        for wrong in [&[][..], &[1, 32]] {
            assert!(mask(wrong).is_err(), "{wrong:?}");
        }
    }
}
