//! The command line: one file a command, and what they share.
//!
//! Each command says what it wrote and what to do next; errors say what to do about them.
//! Texts go to a writer that the caller gives, so that tests can read them.

mod ca_roll;
mod card;
mod deployment_announce;
mod deployment_init;
mod deployment_sign_update;
mod entry;
mod image;
mod image_build;
mod image_contents;
mod image_diff;
mod image_inspect;
mod image_lock;
mod image_programs;
mod image_verify;
mod network;
mod node_add;
mod node_file;
mod node_list;
mod node_renew;
mod node_revoke;
mod passphrase;
mod time;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;

use crate::deployment::Deployment;
use crate::deployment::key::Protection;
use crate::package::store::StoreError;
use crate::tools::ToolsError;

use self::passphrase::Passphrase;

/// EX_USAGE of sysexits.h.
const EXIT_USAGE: u8 = 64;
/// EX_UNAVAILABLE: a pinned package is nowhere to be had; programs may want to lock anew.
const EXIT_UNAVAILABLE: u8 = 69;
const FOLDER_VARIABLE: &str = "TASUKI_DEPLOYMENT";
const FOLDER_DEFAULT: &str = "deployment";

/// Everything an operator types: makes a deployment, its boards, and the entry file for its agents.
#[derive(Debug, Parser)]
#[command(
    name = "tasuki",
    version,
    after_help = "A lone board from nothing:\n  \
        tasuki deployment init --name \"Example Office\"\n  \
        tasuki node add tokyo-1 --address relay.example.jp:443 --lone\n  \
        tasuki entry"
)]
struct Arguments {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Shared {
    /// The deployment's folder [default: $TASUKI_DEPLOYMENT, or ./deployment]
    #[arg(long, global = true, value_name = "FOLDER")]
    deployment: Option<PathBuf>,
    /// Read the passphrase of the keys from this file descriptor instead of asking
    #[arg(long, global = true, value_name = "N")]
    passphrase_fd: Option<u32>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The deployment itself
    #[command(subcommand)]
    Deployment(DeploymentCommand),
    /// Boards: add, renew, revoke, list
    #[command(subcommand)]
    Node(NodeCommand),
    /// Write the entry file that the agents need
    Entry(entry::Arguments),
    /// The certificate authority
    #[command(subcommand)]
    Ca(CaCommand),
    /// Images for cards: what is in them, and making them
    Image(image::Arguments),
    /// Cards: writing an image to one
    Card(card::Arguments),
}

#[derive(Debug, Subcommand)]
enum DeploymentCommand {
    /// Make a deployment: CA, registrar key, deployment key
    Init(deployment_init::Arguments),
    /// Sign an update bundle, so that the deployment's boards take it
    SignUpdate(deployment_sign_update::Arguments),
    /// Announce a new version of host and client, so that they tell their people
    Announce(Box<deployment_announce::Arguments>),
}

#[derive(Debug, Subcommand)]
enum NodeCommand {
    /// Add a board and write its node file
    Add(node_add::Arguments),
    /// Give a board a new key and certificate
    Renew(node_renew::Arguments),
    /// Revoke all certificates of a stolen or retired board
    Revoke(node_revoke::Arguments),
    /// Show all boards
    List,
}

#[derive(Debug, Subcommand)]
enum CaCommand {
    /// Replace the CA without cutting anybody off
    Roll(ca_roll::Arguments),
}

/// What every command works with.
struct Context<'w> {
    folder: PathBuf,
    passphrase: Passphrase,
    now: Timestamp,
    out: &'w mut dyn Write,
}

impl Context<'_> {
    fn open(&self) -> Result<Deployment> {
        Ok(Deployment::open(&self.folder)?)
    }

    /// How to read the deployment's keys; asks for the passphrase if they need one.
    fn unlock(&self, deployment: &Deployment) -> Result<Protection> {
        if deployment.record().encrypted_keys {
            self.passphrase.known()
        } else {
            Ok(Protection::Permissions)
        }
    }
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    match run(std::env::args_os(), &mut io::stdout().lock()) {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to tell when standard error is gone.
            let _ = writeln!(io::stderr(), "tasuki: {error:#}");
            if is_gone(&error) {
                ExitCode::from(EXIT_UNAVAILABLE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn is_gone(error: &anyhow::Error) -> bool {
    let in_tools = |error: &ToolsError| matches!(error, ToolsError::Store(StoreError::Gone(_)));
    error.downcast_ref().is_some_and(in_tools)
        || matches!(error.downcast_ref(), Some(StoreError::Gone(_)))
}

/// Runs one command; `out` gets what it has to say.
pub fn run(arguments: impl IntoIterator<Item = OsString>, out: &mut dyn Write) -> Result<ExitCode> {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            error.print()?;
            return Ok(ExitCode::from(if error.use_stderr() {
                EXIT_USAGE
            } else {
                0
            }));
        }
    };
    let Arguments { shared, command } = arguments;
    let folder = shared
        .deployment
        .or_else(|| std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from))
        .unwrap_or_else(|| FOLDER_DEFAULT.into());
    let mut context = Context {
        folder,
        passphrase: Passphrase::new(shared.passphrase_fd),
        now: time::now(),
        out,
    };
    let context = &mut context;
    match command {
        Command::Deployment(DeploymentCommand::Init(init)) => deployment_init::run(init, context),
        Command::Deployment(DeploymentCommand::SignUpdate(sign)) => {
            deployment_sign_update::run(sign, context)
        }
        Command::Deployment(DeploymentCommand::Announce(announce)) => {
            deployment_announce::run(*announce, context)
        }
        Command::Node(NodeCommand::Add(add)) => node_add::run(add, context),
        Command::Node(NodeCommand::Renew(renew)) => node_renew::run(renew, context),
        Command::Node(NodeCommand::Revoke(revoke)) => node_revoke::run(revoke, context),
        Command::Node(NodeCommand::List) => node_list::run(context),
        Command::Entry(entry) => entry::run(entry, context),
        Command::Ca(CaCommand::Roll(roll)) => ca_roll::run(roll, context),
        Command::Image(image) => image::run(image, context),
        Command::Card(card) => card::run(card, context.out),
    }?;
    context.out.flush()?;
    Ok(ExitCode::SUCCESS)
}
