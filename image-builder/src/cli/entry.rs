//! `tasuki entry`: the file by which stock agents find the deployment.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use protocol::file::address::Address;
use protocol::file::entry::{Entry, FILE_NAME};

use crate::deployment::Deployment;
use crate::deployment::file;
use crate::deployment::record::{Record, UpdateAddress};

use super::Context;

/// More would only slow an agent down that has to try them all.
const ADDRESSES_MAX: usize = 16;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tasuki entry\n  \
        tasuki entry --address relay.example.jp:443 --out /srv/www/tasuki-entry.toml")]
pub(super) struct Arguments {
    /// Where agents dial first, HOST:PORT, kept for the next time [default: the boards' addresses]
    #[arg(long = "address", value_name = "HOST:PORT")]
    addresses: Vec<Address>,
    /// Where agents and boards ask for new versions, kept for the next time and for node files
    #[arg(long, value_name = "HTTPS-ADDRESS")]
    update: Option<UpdateAddress>,
    /// Certificate (PEM) of the CA of that address, for node files; browsers' CAs without it
    #[arg(long, value_name = "FILE", requires = "update")]
    update_ca: Option<PathBuf>,
    /// Where to write the file [default: tasuki-entry.toml]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments, context: &mut Context<'_>) -> Result<()> {
    let Arguments {
        addresses: given,
        update,
        update_ca,
        out,
    } = arguments;
    let update_ca = update_ca.map(|path| certificate(&path)).transpose()?;
    let mut deployment = context.open()?;
    let path = out.unwrap_or_else(|| FILE_NAME.into());
    check_place(&path, &deployment)?;
    let addresses = addresses(&given, deployment.record())?;
    let protection = context.unlock(&deployment)?;
    let key = deployment.deployment_key(&protection)?;
    let ca = deployment.ca_certificates()?;
    // The number goes up before the file is there: two files must never share one.
    deployment.commit(|record| {
        record.entry_generation += 1;
        if !given.is_empty() {
            record.entry_addresses = given;
        }
        if update.is_some() {
            record.update = update;
            record.update_ca = update_ca;
        }
    })?;
    let record = deployment.record();
    let entry = Entry {
        name: record.name.as_str().to_owned(),
        generation: record.entry_generation,
        addresses,
        update: record
            .update
            .as_ref()
            .map(|update| update.as_str().to_owned()),
        ca,
        registrar: vec![record.registrar],
        deployment_key: record.deployment_key,
    };
    let text = entry.to_signed_text(key.signing_key());
    file::replace(&path, text.as_bytes(), file::PUBLIC)
        .with_context(|| format!("cannot write {}", path.display()))?;
    tell(&entry, &path, context)
}

/// The first certificate of a file.
fn certificate(path: &Path) -> Result<String> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    match x509_parser::pem::parse_x509_pem(text.as_bytes()) {
        Ok((_, pem)) if pem.parse_x509().is_ok() => Ok(text),
        _ => bail!("{} holds no certificate in PEM", path.display()),
    }
}

fn tell(entry: &Entry, path: &Path, context: &mut Context<'_>) -> Result<()> {
    let trusts = match entry.ca.len() {
        1 => "one CA",
        _ => "two CAs, since the CA is being rolled",
    };
    writeln!(
        context.out,
        "Wrote {} (generation {}).\n\
         Agents dial: {}\n\
         They trust {trusts}.\n\
         Deployment key: {}\n\
         \n\
         Next: put the file beside the agents' executables. It is no secret, but whoever changes \
         it on the way chooses whom an agent trusts: on a first installation compare the \
         deployment key that the agent shows with the one above.",
        path.display(),
        entry.generation,
        entry.addresses.join(", "),
        entry.deployment_key,
    )?;
    Ok(())
}

/// What was typed, else what was typed the last time, else the boards' own.
fn addresses(given: &[Address], record: &Record) -> Result<Vec<String>> {
    let source: Vec<&Address> = if !given.is_empty() {
        given.iter().collect()
    } else if !record.entry_addresses.is_empty() {
        record.entry_addresses.iter().collect()
    } else {
        record
            .live_nodes()
            .flat_map(|node| &node.addresses)
            .take(ADDRESSES_MAX)
            .collect()
    };
    let mut addresses: Vec<String> = Vec::new();
    for address in source {
        if !addresses.iter().any(|known| known == address.as_str()) {
            addresses.push(address.to_string());
        }
    }
    if addresses.is_empty() {
        bail!("there is no board to dial; add one with `tasuki node add`, or give --address");
    }
    if addresses.len() > ADDRESSES_MAX {
        bail!(
            "an entry file names at most {ADDRESSES_MAX} addresses, and {} were given",
            addresses.len()
        );
    }
    Ok(addresses)
}

/// Only an entry file of the same deployment may be replaced.
fn check_place(path: &Path, deployment: &Deployment) -> Result<()> {
    let source = match fs::read_to_string(path) {
        Ok(source) => source,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot replace {}", path.display()));
        }
    };
    let own = Entry::parse(&source)
        .is_ok_and(|old| old.deployment_key == deployment.record().deployment_key);
    if !own {
        bail!(
            "{} exists and is not an entry file of this deployment; choose another place with --out",
            path.display()
        );
    }
    Ok(())
}
