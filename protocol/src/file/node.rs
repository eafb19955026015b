//! Node file: what a board needs to be itself. It is a secret: it holds the board's key.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER};

use crate::board_list::CertificateSerial;
use crate::from_toml_text;
use crate::id::{BoardName, PublicKey};
use crate::secret::Secret;

use super::address::Address;
use super::network::Network;
use super::reader::{Problems, Table, read};

/// Most servers of a fleet that a node file names.
const FLEET_SERVERS_MAX: usize = 5;

/// The file's content.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeFile {
    /// The deployment's name.
    pub deployment: String,
    /// Of two files for one board the one with the higher generation is the newer.
    pub generation: u64,
    pub name: BoardName,
    /// Where agents reach this board: `host:port` each, at most 4.
    pub addresses: Vec<String>,
    /// The board's certificate chain, PEM.
    pub certificate: String,
    /// The board's private key, PKCS #8 PEM.
    pub key: PrivateKeyPem,
    /// The registrar's public keys, one or two.
    pub registrar: Vec<PublicKey>,
    /// What makes a lone board its own registrar; absent in a fleet.
    pub lone: Option<Lone>,
    pub setup: Setup,
}

/// How the board is set up where it stands; everything in it may be absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Setup {
    pub network: Network,
    /// Servers of the fleet's registrar; none for a lone board.
    pub fleet: Vec<Address>,
    /// Where to look for new images, an HTTPS address.
    pub update: Option<String>,
    /// Certificate (PEM) of the CA of that address; those that browsers trust without it.
    pub update_ca: Option<String>,
    /// Signs new images.
    pub deployment_key: Option<PublicKey>,
}

/// The registrar's part of a lone board's node file.
#[derive(Clone, PartialEq, Eq)]
pub struct Lone {
    /// Seed of the registrar's Ed25519 key.
    pub registrar_key: Secret<32>,
    /// Certificates that agents must refuse.
    pub revoked: Vec<CertificateSerial>,
}

/// A private key in PEM; masked in `Debug`, wiped on drop.
#[derive(Clone, PartialEq, Eq, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct PrivateKeyPem(pub String);

impl NodeFile {
    /// Reads a file, or tells every mistake in it.
    ///
    /// A byte-order mark, which editors on Windows put in front, does not count.
    pub fn parse(source: &str) -> Result<Self, Problems> {
        read(source.strip_prefix('\u{feff}').unwrap_or(source), take)
    }

    /// Writes the file.
    pub fn to_text(&self) -> String {
        let keys: Vec<String> = self.registrar.iter().map(PublicKey::to_string).collect();
        let lone = self.lone.as_ref().map_or_else(String::new, |lone| {
            let revoked: Vec<String> = lone
                .revoked
                .iter()
                .map(|serial| HEXLOWER.encode(serial.as_slice()))
                .collect();
            format!(
                "\n[lone]\nregistrar_key = {}\nrevoked = {}\n",
                quote(&BASE64.encode(lone.registrar_key.expose())),
                list(&revoked)
            )
        });
        let update = self
            .setup
            .update
            .as_ref()
            .map_or_else(String::new, |it| format!("update = {}\n", quote(it)));
        let update_ca = self
            .setup
            .update_ca
            .as_ref()
            .map_or_else(String::new, |it| format!("update_ca = {}\n", quote(it)));
        let deployment_key = self.setup.deployment_key.map_or_else(String::new, |it| {
            format!("deployment_key = {}\n", quote(&it.to_string()))
        });
        let network = match self.setup.network.to_text() {
            keys if keys.is_empty() => keys,
            keys => format!("\n[network]\n{keys}"),
        };
        let fleet = match self.setup.fleet.as_slice() {
            [] => String::new(),
            servers => {
                let servers: Vec<String> = servers.iter().map(Address::to_string).collect();
                format!("\n[fleet]\nservers = {}\n", list(&servers))
            }
        };
        format!(
            "# Tasuki node file of board {}. SECRET: whoever has it can pretend to be this board.\n\
             format = 1\n\
             deployment = {}\n\
             generation = {}\n\
             name = {}\n\
             addresses = {}\n\
             registrar = {}\n\
             certificate = {}\n\
             key = {}\n\
             {update}{update_ca}{deployment_key}{network}{lone}{fleet}",
            self.name,
            quote(&self.deployment),
            self.generation,
            quote(self.name.as_str()),
            list(&self.addresses),
            list(&keys),
            quote(&self.certificate),
            quote(&self.key.0),
        )
    }
}

impl fmt::Debug for NodeFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "NodeFile({}, generation {})",
            self.name, self.generation
        )
    }
}

fn take(top: &mut Table<'_>) -> Option<NodeFile> {
    take_format(top);
    let deployment = top.required("deployment");
    let generation = top.required("generation");
    let name = top.required("name");
    let addresses: Option<Vec<String>> = top.required("addresses");
    let registrar = top.required("registrar");
    let certificate = top.required("certificate");
    let key = top.required::<String>("key").map(PrivateKeyPem);
    let lone = top.table("lone", |lone| {
        let registrar_key = lone.required::<Seed>("registrar_key");
        let revoked = lone
            .optional::<Vec<SerialText>>("revoked")
            .unwrap_or_default();
        Some(Lone {
            registrar_key: registrar_key?.0,
            revoked: revoked.into_iter().map(|serial| serial.0).collect(),
        })
    });
    let setup = take_setup(top);
    if lone.is_some() && !setup.fleet.is_empty() {
        top.reject(
            "fleet",
            "a lone board has no fleet: leave out this table, or [lone]",
        );
    }
    if addresses
        .as_ref()
        .is_some_and(|addresses| !(1..=4).contains(&addresses.len()))
    {
        top.reject("addresses", "must name one to four addresses");
    }
    Some(NodeFile {
        deployment: deployment?,
        generation: generation?,
        name: name?,
        addresses: addresses?,
        certificate: certificate?,
        key: key?,
        registrar: registrar?,
        lone,
        setup,
    })
}

fn take_setup(top: &mut Table<'_>) -> Setup {
    let update: Option<String> = top.optional("update");
    let update_ca = top.optional("update_ca");
    let deployment_key = top.optional("deployment_key");
    let network = top.table("network", Network::take).unwrap_or_default();
    let fleet = top
        .table("fleet", |fleet| {
            let servers: Vec<Address> = fleet.required("servers")?;
            if !(1..=FLEET_SERVERS_MAX).contains(&servers.len()) {
                fleet.reject(
                    "servers",
                    format!("must name 1 to {FLEET_SERVERS_MAX} servers"),
                );
            }
            Some(servers)
        })
        .unwrap_or_default();
    let is_https = |update: &String| {
        update.starts_with("https://") && update.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if update.as_ref().is_some_and(|update| !is_https(update)) {
        top.reject("update", "is not an address that begins with https://");
    }
    Setup {
        network,
        fleet,
        update,
        update_ca,
        deployment_key,
    }
}

/// Refuses files that a later version wrote.
pub(super) fn take_format(top: &mut Table<'_>) {
    if top
        .required::<u32>("format")
        .is_some_and(|format| format != 1)
    {
        top.reject("format", "this file needs a newer version of the program");
    }
}

struct Seed(Secret<32>);

impl FromStr for Seed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = BASE64
            .decode(text.as_bytes())
            .map_err(|_| "is not base64")?;
        bytes
            .try_into()
            .map(Secret::new)
            .map(Self)
            .map_err(|_| "is not 32 bytes")
    }
}

struct SerialText(CertificateSerial);

impl FromStr for SerialText {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = HEXLOWER
            .decode(text.as_bytes())
            .map_err(|_| "is not hexadecimal")?;
        CertificateSerial::new(&bytes)
            .map(Self)
            .map_err(|_| "is longer than 20 bytes")
    }
}

impl crate::file::reader::FromToml for Seed {
    const EXPECTED: &'static str = "a private key (32 bytes of base64)";

    fn from_toml(value: &toml::de::DeValue<'_>) -> Result<Self, String> {
        // The value is a secret, so it stays out of the message.
        let seed = value.as_str().and_then(|text| text.parse().ok());
        seed.ok_or_else(|| format!("expected {}", Self::EXPECTED))
    }
}

from_toml_text!(SerialText: "a certificate's serial number in hexadecimal");

impl fmt::Debug for PrivateKeyPem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[private key]")
    }
}

/// A TOML string.
pub(super) fn quote(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A TOML array of strings, one a line.
pub(super) fn list(texts: &[String]) -> String {
    let lines: String = texts
        .iter()
        .map(|text| format!("  {},\n", quote(text)))
        .collect();
    if lines.is_empty() {
        "[]".to_owned()
    } else {
        format!("[\n{lines}]")
    }
}
