//! `tasuki deployment init`: makes the folder with the keys.

use anyhow::Result;
use clap::Args;

use crate::deployment::Deployment;
use crate::deployment::key::Protection;
use crate::deployment::record::DeploymentName;

use super::Context;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        tasuki deployment init --name \"Example Office\"\n  \
        tasuki --deployment /srv/tasuki deployment init --name Lab --no-passphrase")]
pub(super) struct Arguments {
    /// What users see, as "Example Office" (1 to 48 bytes)
    #[arg(long)]
    name: DeploymentName,
    /// Do not encrypt the keys: whoever can copy the folder can make boards that agents trust
    #[arg(long, conflicts_with = "passphrase_fd")]
    no_passphrase: bool,
}

pub(super) fn run(arguments: Arguments, context: &mut Context<'_>) -> Result<()> {
    let protection = if arguments.no_passphrase {
        Protection::Permissions
    } else {
        context.passphrase.chosen()?
    };
    let deployment = Deployment::create(&context.folder, arguments.name, &protection, context.now)?;
    let record = deployment.record();
    let kept = match protection {
        Protection::Passphrase(_) => "They are encrypted; without the passphrase they are lost.",
        Protection::Permissions => "They are not encrypted: keep the folder where nobody else is.",
    };
    writeln!(
        context.out,
        "Made the deployment \"{}\" in {}.\n\
         Its keys: CA, registrar, deployment. {kept}\n\
         Back up the whole folder: without it no board can be added, renewed or revoked.\n\
         Deployment key: {}\n\
         \n\
         Next:\n  \
         tasuki node add NAME --address HOST:PORT --lone   a board that needs nothing else\n  \
         tasuki entry                                      the file that agents need",
        record.name.as_str(),
        context.folder.display(),
        record.deployment_key,
    )?;
    Ok(())
}
