//! The record: `deployment.toml`, what the deployment's keys have signed so far.
//!
//! Holds no secret. It says which CAs there are, which boards, and which certificates each
//! board was given, so that all of a stolen board's can be revoked.

use std::fmt;
use std::fmt::Write;
use std::str::FromStr;

use jiff::Timestamp;
use protocol::board_list::CertificateSerial;
use protocol::file::address::Address;
use protocol::file::network::Network;
use protocol::file::reader::{Problems, Table, read};
use protocol::from_toml_text;
use protocol::id::{BoardName, PublicKey};

use super::certificate::Serial;

/// The record's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub name: DeploymentName,
    pub encrypted_keys: bool,
    /// Of the newest entry file.
    pub entry_generation: u64,
    /// Of the newest node file, of whichever board.
    pub node_generation: u64,
    /// Of the newest signed update.
    pub update_generation: u64,
    /// What entry files say; empty: the boards' own addresses.
    pub entry_addresses: Vec<Address>,
    pub update: Option<UpdateAddress>,
    /// Certificate (PEM) of that address's CA, if browsers do not know it.
    pub update_ca: Option<String>,
    pub registrar: PublicKey,
    pub deployment_key: PublicKey,
    /// Numbers of the one or two CAs; the last one signs.
    pub ca: Vec<u32>,
    pub nodes: Vec<Node>,
}

/// A board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub name: BoardName,
    pub addresses: Vec<Address>,
    pub lone: bool,
    pub network: Network,
    /// Servers of the fleet's registrar.
    pub fleet: Vec<Address>,
    /// In the order in which they were issued; never empty.
    pub certificates: Vec<Certificate>,
}

/// A certificate that a board was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub serial: Serial,
    /// Number of the CA that signed it.
    pub ca: u32,
    pub expires: Time,
    pub revoked: Option<Time>,
}

impl Record {
    /// Reads the file, or tells every mistake in it.
    pub fn parse(source: &str) -> Result<Self, Problems> {
        read(source, take)
    }

    /// The board of that name.
    pub fn node(&self, name: &BoardName) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == *name)
    }

    /// The board of that name, to change it.
    pub fn node_mut(&mut self, name: &BoardName) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.name == *name)
    }

    /// Boards that are not revoked.
    pub fn live_nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| !node.is_revoked())
    }

    /// Serial numbers of the revoked certificates that have not expired anyway.
    pub fn revoked_serials(&self, now: Timestamp) -> Vec<CertificateSerial> {
        self.nodes
            .iter()
            .flat_map(|node| &node.certificates)
            .filter(|certificate| certificate.revoked.is_some() && certificate.expires.0 > now)
            .map(|certificate| certificate.serial.to_wire())
            .collect()
    }

    /// The number of the CA that signs.
    pub fn signing_ca(&self) -> u32 {
        self.ca.last().copied().unwrap_or_default()
    }

    /// Writes the file.
    pub fn to_text(&self) -> String {
        let ca: Vec<String> = self.ca.iter().map(u32::to_string).collect();
        let update = self.update.as_ref().map_or_else(String::new, |update| {
            format!("update = {}\n", quote(update.as_str()))
        });
        let update_ca = self.update_ca.as_ref();
        let update_ca =
            update_ca.map_or_else(String::new, |ca| format!("update_ca = {}\n", quote(ca)));
        let mut text = format!(
            "# Record of a Tasuki deployment, written by the program `tasuki`: do not edit it.\n\
             # Back up the whole folder: without it no board can be added, renewed or revoked.\n\
             format = 1\n\
             name = {}\n\
             encrypted_keys = {}\n\
             entry_generation = {}\n\
             node_generation = {}\n\
             update_generation = {}\n\
             entry_addresses = {}\n\
             {update}{update_ca}registrar = {}\n\
             deployment_key = {}\n\
             ca = [{}]\n",
            quote(self.name.as_str()),
            self.encrypted_keys,
            self.entry_generation,
            self.node_generation,
            self.update_generation,
            list(&self.entry_addresses),
            quote(&self.registrar),
            quote(&self.deployment_key),
            ca.join(", "),
        );
        for node in &self.nodes {
            node.write_to(&mut text);
        }
        text
    }
}

impl Node {
    /// Whether no certificate of the board is good any more.
    pub fn is_revoked(&self) -> bool {
        self.certificates
            .iter()
            .all(|certificate| certificate.revoked.is_some())
    }

    /// The newest certificate.
    pub fn newest(&self) -> Option<&Certificate> {
        self.certificates.last()
    }

    fn write_to(&self, text: &mut String) {
        let addresses = list(&self.addresses);
        let fleet = match self.fleet.as_slice() {
            [] => String::new(),
            servers => format!("fleet = {}\n", list(servers)),
        };
        let network = match self.network.to_text() {
            keys if keys.is_empty() => keys,
            keys => format!("[node.network]\n{keys}"),
        };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n[[node]]\nname = {}\naddresses = {addresses}\nlone = {}\n{fleet}{network}",
            quote(&self.name),
            self.lone
        );
        for certificate in &self.certificates {
            let revoked = certificate
                .revoked
                .map_or_else(String::new, |at| format!("revoked = {}\n", quote(&at)));
            let _ = write!(
                text,
                "[[node.certificate]]\nserial = {}\nca = {}\nexpires = {}\n{revoked}",
                quote(&certificate.serial),
                certificate.ca,
                quote(&certificate.expires),
            );
        }
    }
}

fn take(top: &mut Table<'_>) -> Option<Record> {
    if top
        .required::<u32>("format")
        .is_some_and(|format| format != 1)
    {
        top.reject("format", "this folder needs a newer version of `tasuki`");
    }
    let name = top.required("name");
    let encrypted_keys = top.required("encrypted_keys");
    let entry_generation = top.required("entry_generation");
    let node_generation = top.required("node_generation");
    // Deployments of the first versions have signed none.
    let update_generation = top.optional("update_generation").unwrap_or(0);
    let entry_addresses = top.required("entry_addresses");
    let update = top.optional("update");
    let update_ca = top.optional("update_ca");
    let registrar = top.required("registrar");
    let deployment_key = top.required("deployment_key");
    let ca: Option<Vec<u32>> = top.required("ca");
    if ca.as_ref().is_some_and(|ca| !(1..=2).contains(&ca.len())) {
        top.reject("ca", "must name one or two CAs");
    }
    let nodes = top.tables("node", take_node);
    Some(Record {
        name: name?,
        encrypted_keys: encrypted_keys?,
        entry_generation: entry_generation?,
        node_generation: node_generation?,
        update_generation,
        entry_addresses: entry_addresses?,
        update,
        update_ca,
        registrar: registrar?,
        deployment_key: deployment_key?,
        ca: ca?,
        nodes,
    })
}

fn take_node(node: &mut Table<'_>) -> Option<Node> {
    let name = node.required("name");
    let addresses = node.required("addresses");
    let lone = node.required("lone");
    let fleet = node.optional("fleet").unwrap_or_default();
    let network = node.table("network", Network::take).unwrap_or_default();
    let certificates = node.tables("certificate", |certificate| {
        let serial = certificate.required("serial");
        let ca = certificate.required("ca");
        let expires = certificate.required("expires");
        let revoked = certificate.optional("revoked");
        Some(Certificate {
            serial: serial?,
            ca: ca?,
            expires: expires?,
            revoked,
        })
    });
    if certificates.is_empty() {
        node.reject("certificate", "a board has at least one certificate");
    }
    Some(Node {
        name: name?,
        addresses: addresses?,
        lone: lone?,
        network,
        fleet,
        certificates,
    })
}

/// A point in time, written as in RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Timestamp);

impl FromStr for Time {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "is not a time")
    }
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Certificates know whole seconds, so a fraction here would never be true.
        write!(formatter, "{:.0}", self.0)
    }
}

/// The deployment's name, as users see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentName(String);

impl DeploymentName {
    /// Longest name in bytes: a certificate's common name holds 64, and ours says "Tasuki CA of".
    pub const MAX: usize = 48;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeploymentName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().is_empty() || text.len() > Self::MAX {
            return Err("must have 1 to 48 bytes");
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err("may not begin or end with a space, nor hold control characters");
        }
        Ok(Self(text.to_owned()))
    }
}

/// Where agents ask for new versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateAddress(String);

impl UpdateAddress {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UpdateAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("https://").unwrap_or_default();
        let plain = rest.bytes().all(|byte| byte.is_ascii_graphic());
        if rest.is_empty() || !plain {
            return Err("is not an address that begins with https://");
        }
        Ok(Self(text.to_owned()))
    }
}

from_toml_text!(
    Time: "a time, as 2026-01-31T12:00:00Z",
    DeploymentName: "a deployment's name",
    UpdateAddress: "an address that begins with https://",
);

fn quote(value: &(impl fmt::Display + ?Sized)) -> String {
    toml::Value::from(value.to_string()).to_string()
}

fn list(values: &[Address]) -> String {
    let quoted: Vec<String> = values.iter().map(quote).collect();
    format!("[{}]", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Record {
        let certificate = |serial: &str, revoked: Option<&str>| Certificate {
            serial: serial.parse().expect("a serial"),
            ca: 1,
            expires: "2027-01-31T12:00:00Z".parse().expect("a time"),
            revoked: revoked.map(|at| at.parse().expect("a time")),
        };
        let node = |name: &str, certificates| Node {
            name: name.parse().expect("a name"),
            addresses: vec!["relay.example.jp:443".parse().expect("an address")],
            lone: true,
            network: Network {
                vlan: (name == "b").then_some(12),
                ..Network::default()
            },
            fleet: Vec::new(),
            certificates,
        };
        Record {
            name: "Acme \"Tokyo\" 東京".parse().expect("a name"),
            encrypted_keys: true,
            entry_generation: 3,
            node_generation: 5,
            update_generation: 7,
            entry_addresses: Vec::new(),
            update: Some("https://example.jp/tasuki".parse().expect("an address")),
            update_ca: Some("-----BEGIN CERTIFICATE-----\n".into()),
            registrar: PublicKey([1; 32]),
            deployment_key: PublicKey([2; 32]),
            ca: vec![1, 2],
            nodes: vec![
                node("a", vec![certificate(&"41".repeat(16), None)]),
                node(
                    "b",
                    vec![
                        certificate(&"42".repeat(16), Some("2026-02-01T00:00:00Z")),
                        certificate(&"43".repeat(16), Some("2026-02-01T00:00:00Z")),
                    ],
                ),
            ],
        }
    }

    #[test]
    fn what_was_written_reads_back() {
        let record = sample();

        assert_eq!(Record::parse(&record.to_text()), Ok(record));
    }

    #[test]
    fn revoked_certificates_count_until_they_expire() {
        let record = sample();
        let at = |text: &str| text.parse::<Time>().expect("a time").0;

        assert_eq!(record.revoked_serials(at("2027-01-31T11:59:59Z")).len(), 2);
        assert_eq!(record.revoked_serials(at("2027-01-31T12:00:00Z")).len(), 0);
        let live: Vec<&str> = record.live_nodes().map(|node| node.name.as_str()).collect();
        assert_eq!(live, ["a"]);
    }

    #[test]
    fn a_deployment_name_fits_its_certificate() {
        assert!(
            "x".repeat(DeploymentName::MAX)
                .parse::<DeploymentName>()
                .is_ok()
        );
        assert!(
            "x".repeat(DeploymentName::MAX + 1)
                .parse::<DeploymentName>()
                .is_err()
        );
        for bad in ["", " ", "a ", "a\u{1b}[0m"] {
            assert!(bad.parse::<DeploymentName>().is_err(), "{bad:?}");
        }
    }
}
