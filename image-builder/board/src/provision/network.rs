//! What the node file's `[network]` means to systemd-networkd (systemd.network(5)). No I/O here.
//!
//! Values come from types that cannot hold a line break, so none can add a line.

use protocol::file::network::{Addressing, Network};

/// Name of the VLAN's interface.
const VLAN: &str = "uplink";

/// Files of `/run/systemd/network`, by name. `interface` is a name or a pattern.
pub fn files(network: &Network, interface: &str) -> Vec<(&'static str, String)> {
    let link = network
        .mtu
        .map_or_else(String::new, |mtu| format!("\n[Link]\nMTUBytes={mtu}\n"));
    let Some(vlan) = network.vlan else {
        let text = format!("[Match]\nName={interface}\n{link}{}", addresses(network));
        return vec![("10-tasuki.network", text)];
    };
    vec![
        (
            "10-tasuki.network",
            format!(
                "[Match]\nName={interface}\n{link}\n[Network]\nVLAN={VLAN}\nDHCP=no\n\
                 LinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n"
            ),
        ),
        (
            "10-tasuki-vlan.netdev",
            format!("[NetDev]\nName={VLAN}\nKind=vlan\n\n[VLAN]\nId={vlan}\n"),
        ),
        (
            "11-tasuki-vlan.network",
            format!("[Match]\nName={VLAN}\n{link}{}", addresses(network)),
        ),
    ]
}

/// All names that [`files`] may give, for clearing away those of an earlier run.
pub const NAMES: [&str; 3] = [
    "10-tasuki.network",
    "10-tasuki-vlan.netdev",
    "11-tasuki-vlan.network",
];

fn addresses(network: &Network) -> String {
    let Network {
        ipv4,
        ipv6,
        dns,
        ntp,
        ..
    } = network;
    let mut lines = vec![String::new(), "[Network]".to_owned()];
    let yes = |yes: bool| if yes { "yes" } else { "no" };
    lines.push(format!(
        "DHCP={}",
        if *ipv4 == Addressing::Auto {
            "ipv4"
        } else {
            "no"
        }
    ));
    lines.push(format!(
        "LinkLocalAddressing={}",
        if *ipv6 == Addressing::Off {
            "no"
        } else {
            "ipv6"
        }
    ));
    // A static address without a gateway still learns its router, but no second address.
    let static_ipv6 = matches!(ipv6, Addressing::Static { .. });
    let learns = match ipv6 {
        Addressing::Auto => true,
        Addressing::Off => false,
        Addressing::Static { gateway, .. } => gateway.is_none(),
    };
    lines.push(format!("IPv6AcceptRA={}", yes(learns)));
    // It speaks to nobody about itself.
    lines.extend(["LLMNR=no", "MulticastDNS=no", "LLDP=no", "EmitLLDP=no"].map(str::to_owned));
    lines.extend(static_lines(ipv4));
    lines.extend(static_lines(ipv6));
    lines.extend(dns.iter().map(|it| format!("DNS={it}")));
    lines.extend(ntp.iter().map(|it| format!("NTP={it}")));
    lines.extend(["", "[DHCPv4]", "ClientIdentifier=mac", "UseHostname=no"].map(str::to_owned));
    lines.extend(["UseTimezone=no", "UseDomains=no"].map(str::to_owned));
    if network.mtu.is_none() {
        lines.push("UseMTU=yes".to_owned());
    }
    lines.extend(["", "[IPv6AcceptRA]"].map(str::to_owned));
    lines.push("UseDomains=no".to_owned());
    if static_ipv6 {
        lines.extend(["UseAutonomousPrefix=no", "DHCPv6Client=no"].map(str::to_owned));
    }
    lines.join("\n") + "\n"
}

fn static_lines<A: std::fmt::Display>(addressing: &Addressing<A>) -> Vec<String> {
    let Addressing::Static {
        address,
        prefix,
        gateway,
    } = addressing
    else {
        return Vec::new();
    };
    let mut lines = vec![format!("Address={address}/{prefix}")];
    lines.extend(gateway.as_ref().map(|it| format!("Gateway={it}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_settings_the_network_is_asked_for_everything() {
        let files = files(&Network::default(), "end0");

        assert_eq!(files.len(), 1);
        let (name, text) = &files[0];
        assert_eq!(*name, "10-tasuki.network");
        for line in [
            "Name=end0",
            "DHCP=ipv4",
            "IPv6AcceptRA=yes",
            "LinkLocalAddressing=ipv6",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}: {text}");
        }
        assert!(!text.contains("Address="), "{text}");
    }

    #[test]
    fn static_addresses_switch_the_questions_off() {
        let network = Network {
            ipv4: "192.0.2.10/24 via 192.0.2.1".parse().expect("an address"),
            ipv6: "2001:db8::10/64 via fe80::1".parse().expect("an address"),
            dns: vec!["192.0.2.53".parse().expect("an address")],
            ntp: vec!["ntp.nict.jp".parse().expect("a host")],
            mtu: Some(1400),
            ..Network::default()
        };
        let (_, text) = &files(&network, "en*")[0];

        for line in [
            "DHCP=no",
            "IPv6AcceptRA=no",
            "Address=192.0.2.10/24",
            "Gateway=192.0.2.1",
            "Address=2001:db8::10/64",
            "Gateway=fe80::1",
            "DNS=192.0.2.53",
            "NTP=ntp.nict.jp",
            "MTUBytes=1400",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}: {text}");
        }
    }

    #[test]
    fn a_vlan_carries_everything_and_the_wire_below_it_nothing() {
        let network = Network {
            vlan: Some(12),
            ipv6: Addressing::Off,
            ..Network::default()
        };
        let files = files(&network, "end0");

        let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, NAMES);
        let [(_, wire), (_, device), (_, vlan)] = files.as_slice() else {
            unreachable!("three files");
        };
        assert!(wire.contains("VLAN=uplink\nDHCP=no\n"), "{wire}");
        assert!(device.contains("Id=12"), "{device}");
        assert!(
            vlan.contains("DHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no"),
            "{vlan}"
        );
    }
}
