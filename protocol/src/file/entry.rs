//! Entry file: what a stock agent needs to find a deployment.
//!
//! Text that a person can read, with a signature in its last line over every byte above.
//! The deployment's key stands in the file itself: the first file is taken on trust (the
//! operator hands it out), every later one must be signed by the same key.

use crate::from_toml_text;
use crate::id::PublicKey;

use super::reader::{Problems, Table, read};

/// Name that agents look for beside their executable.
pub const FILE_NAME: &str = "tasuki-entry.toml";

/// The signed text begins with it, so that no other signed thing can pass for an entry file.
#[cfg(feature = "sign")]
const LABEL: &str = "# Tasuki entry file";
#[cfg(feature = "sign")]
const SIGNATURE_KEY: &str = "signature = \"";

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The deployment's name, shown to users.
    pub name: String,
    /// Rises with every file; the highest wins.
    pub generation: u64,
    /// Where to dial first: `host:port` each.
    pub addresses: Vec<String>,
    /// Where to ask for new versions, an HTTPS address.
    pub update: Option<String>,
    /// Certificates (PEM) of the one or two CAs whose boards to trust.
    pub ca: Vec<String>,
    /// Keys of the registrar, one or two.
    pub registrar: Vec<PublicKey>,
    /// Key that signs this file and its successors.
    pub deployment_key: PublicKey,
}

struct Signature([u8; 64]);

impl std::str::FromStr for Signature {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = data_encoding::BASE64
            .decode(text.as_bytes())
            .map_err(|_| "is not base64")?;
        bytes.try_into().map(Self).map_err(|_| "is not 64 bytes")
    }
}

from_toml_text!(Signature: "a signature (64 bytes of base64)");

impl Entry {
    /// Reads a file. The signature is checked against the key in the file itself.
    #[cfg(feature = "sign")]
    pub fn parse(source: &str) -> Result<Self, Problems> {
        let (entry, signature) = Self::parse_unverified(source)?;
        let start = source.rfind(SIGNATURE_KEY).unwrap_or(0);
        let (signed, last_line) = source.split_at(start);
        // Nothing may follow the signature: a line that it does not cover could add a key.
        let is_last = last_line == signature_line(&signature);
        let verified = entry.deployment_key.verify(signed.as_bytes(), &signature);
        if !source.starts_with(LABEL) || !is_last || verified.is_err() {
            let message = "does not match the file; take a fresh copy of the entry file";
            return Err(Problems(vec![super::reader::Problem {
                line: signed.lines().count() + 1,
                path: "signature".to_owned(),
                message: message.into(),
            }]));
        }
        Ok(entry)
    }

    /// Reads a file and its signature, which nobody has checked.
    pub fn parse_unverified(source: &str) -> Result<(Self, [u8; 64]), Problems> {
        read(source, take).map(|(entry, signature)| (entry, signature.0))
    }

    /// Writes the file; `key` is the deployment's key.
    #[cfg(feature = "sign")]
    pub fn to_signed_text(&self, key: &crate::sign::SigningKey) -> String {
        let body = self.to_text();
        let signature = key.sign(body.as_bytes());
        format!("{body}{}", signature_line(&signature))
    }

    #[cfg(feature = "sign")]
    fn to_text(&self) -> String {
        let quote = super::node::quote;
        let list = super::node::list;
        let keys: Vec<String> = self.registrar.iter().map(PublicKey::to_string).collect();
        let update = self.update.as_ref().map_or_else(String::new, |update| {
            format!("update = {}\n", quote(update))
        });
        format!(
            "{LABEL}: how the agents find this deployment.\n\
             # Put it beside the executable. It is signed: do not edit it.\n\
             format = 1\n\
             name = {}\n\
             generation = {}\n\
             addresses = {}\n\
             {update}ca = {}\n\
             registrar = {}\n\
             deployment_key = {}\n",
            quote(&self.name),
            self.generation,
            list(&self.addresses),
            list(&self.ca),
            list(&keys),
            quote(&self.deployment_key.to_string()),
        )
    }
}

#[cfg(feature = "sign")]
fn signature_line(signature: &[u8; 64]) -> String {
    format!(
        "{SIGNATURE_KEY}{}\"\n",
        data_encoding::BASE64.encode(signature)
    )
}

fn take(top: &mut Table<'_>) -> Option<(Entry, Signature)> {
    super::node::take_format(top);
    let name = top.required("name");
    let generation = top.required("generation");
    let addresses: Option<Vec<String>> = top.required("addresses");
    let update = top.optional("update");
    let ca: Option<Vec<String>> = top.required("ca");
    let registrar: Option<Vec<PublicKey>> = top.required("registrar");
    let deployment_key = top.required("deployment_key");
    let signature = top.required("signature");
    if addresses.as_ref().is_some_and(Vec::is_empty) {
        top.reject("addresses", "must name at least one address");
    }
    if ca.as_ref().is_some_and(|ca| !(1..=2).contains(&ca.len())) {
        top.reject("ca", "must hold one or two certificates");
    }
    if registrar
        .as_ref()
        .is_some_and(|keys| !(1..=2).contains(&keys.len()))
    {
        top.reject("registrar", "must hold one or two keys");
    }
    let entry = Entry {
        name: name?,
        generation: generation?,
        addresses: addresses?,
        update,
        ca: ca?,
        registrar: registrar?,
        deployment_key: deployment_key?,
    };
    Some((entry, signature?))
}
