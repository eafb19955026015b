//! Where the passphrase comes from: a file descriptor, or a person at a terminal.

use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result, bail};
use zeroize::{Zeroize, Zeroizing};

use crate::deployment::key::Protection;

/// Longest passphrase in bytes, so that a wrong descriptor does not fill the memory.
const LENGTH_MAX: u64 = 1024;

const NO_TERMINAL: &str =
    "there is no terminal to ask for the passphrase; give it with --passphrase-fd N";

/// A source of passphrases.
#[derive(Debug)]
pub(super) struct Passphrase {
    descriptor: Option<u32>,
}

impl Passphrase {
    pub(super) fn new(descriptor: Option<u32>) -> Self {
        Self { descriptor }
    }

    /// The passphrase of keys that exist.
    pub(super) fn known(&self) -> Result<Protection> {
        let passphrase = match self.descriptor {
            Some(descriptor) => from_descriptor(descriptor)?,
            None => ask("Passphrase of the deployment's keys: ")?,
        };
        Ok(Protection::Passphrase(passphrase))
    }

    /// A passphrase for new keys: asked twice, never empty.
    pub(super) fn chosen(&self) -> Result<Protection> {
        let passphrase = match self.descriptor {
            Some(descriptor) => from_descriptor(descriptor)?,
            None => {
                let first = ask("Passphrase for the deployment's keys: ")?;
                let second = ask("The same again: ")?;
                if first != second {
                    bail!("the two passphrases differ; nothing was made, start again");
                }
                first
            }
        };
        if passphrase.is_empty() {
            bail!(
                "an empty passphrase protects nothing: whoever copies the folder could make boards \
                 that all agents trust; choose one, or say --no-passphrase to rely on file \
                 permissions alone"
            );
        }
        Ok(Protection::Passphrase(passphrase))
    }
}

fn ask(prompt: &str) -> Result<Zeroizing<String>> {
    rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .context(NO_TERMINAL)
}

/// The first line of what can be read there.
fn from_descriptor(descriptor: u32) -> Result<Zeroizing<String>> {
    let what = || format!("cannot read the passphrase from file descriptor {descriptor}");
    let file = File::open(format!("/dev/fd/{descriptor}")).with_context(what)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(LENGTH_MAX + 1)
        .read_to_end(&mut bytes)
        .with_context(what)?;
    let mut end = bytes.len();
    if let Some(line) = bytes.iter().position(|byte| *byte == b'\n') {
        end = line;
    }
    if u64::try_from(end)? > LENGTH_MAX {
        bail!("the passphrase is longer than {LENGTH_MAX} bytes");
    }
    bytes.truncate(end);
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            error.into_bytes().zeroize();
            bail!("the passphrase is not UTF-8")
        }
    }
}
