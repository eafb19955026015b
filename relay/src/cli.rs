//! What an operator types: arguments in, plain words and exit code out.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::admin::client;
use crate::board::date;
use crate::config::{self, Config, ConfigError, Span};
use crate::confinement::{self, ConfinementError};
use crate::registrar::{self, Registrar, RegistrarError};
use crate::startup::StartError;
use crate::{data, limits};

/// The relay: joins an office PC and a home PC without being able to read what they say.
#[derive(Debug, Parser)]
#[command(name = "tasuki-relay", version, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until SIGTERM.
    Run(ConfigPath),
    #[command(flatten)]
    Question(Question),
}

/// What is answered at once.
#[derive(Debug, Subcommand)]
pub enum Question {
    /// Say what the configuration means, or everything that is wrong with it.
    CheckConfig(ConfigPath),
    /// Say how the running relay does.
    Status {
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        socket: Socket,
    },
    /// Take no new hosts and sessions, and end what is left after a while.
    Drain {
        /// How long sessions may go on: "90s", "5m", "2h".
        #[arg(long, default_value = "5m", value_parser = deadline)]
        deadline: Duration,
        #[command(flatten)]
        socket: Socket,
    },
    /// Save and bring back which computer ID belongs to which host.
    #[command(subcommand)]
    Registrar(RegistrarCommand),
}

#[derive(Debug, Subcommand)]
pub enum RegistrarCommand {
    /// Write every claim to standard output, one line of JSON each.
    Export {
        #[command(flatten)]
        socket: Socket,
    },
    /// Read an export from standard input. The relay must not be running.
    Restore(ConfigPath),
}

#[derive(Debug, clap::Args)]
pub struct ConfigPath {
    /// The relay's configuration.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    pub config: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct Socket {
    /// The running relay's control socket.
    #[arg(long, value_name = "PATH", default_value = config::DEFAULT_CONTROL_SOCKET)]
    socket: PathBuf,
}

/// Answers on standard output.
///
/// # Errors
/// What went wrong, in words for the operator.
pub fn answer(question: &Question) -> anyhow::Result<()> {
    match question {
        Question::CheckConfig(path) => check_config(path),
        Question::Status { json, socket } => status(*json, socket),
        Question::Drain { deadline, socket } => {
            let sessions = client::drain(&socket.socket, *deadline)?;
            let deadline = client::duration(deadline.as_secs());
            say(&format!(
                "Draining: {sessions} sessions left, ended after {deadline} at the latest.\n"
            ))
        }
        Question::Registrar(RegistrarCommand::Export { socket }) => {
            Ok(client::export(&socket.socket, io::stdout().lock())?)
        }
        Question::Registrar(RegistrarCommand::Restore(path)) => restore(path),
    }
}

/// Exit codes as in `sysexits.h`.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    const CONFIG: u8 = 64;
    const UNAVAILABLE: u8 = 69;
    const SOFTWARE: u8 = 70;
    let code = if error.is::<ConfigError>() || error.is::<ConfinementError>() {
        CONFIG
    } else if let Some(error) = error.downcast_ref::<StartError>() {
        match error {
            StartError::Data(data::StartError::Worker(_))
            | StartError::Confinement(ConfinementError::Sandbox(_)) => SOFTWARE,
            StartError::Data(data::StartError::NoWorkers | data::StartError::Budget(_))
            | StartError::Tls(_)
            | StartError::Confinement(_) => CONFIG,
            StartError::Registrar(_)
            | StartError::Listen(_)
            | StartError::ListenMetrics(_, _)
            | StartError::Systemd(_)
            | StartError::ControlSocket(..) => UNAVAILABLE,
        }
    } else if error.is::<client::AdminError>() || error.is::<RegistrarError>() {
        UNAVAILABLE
    } else {
        SOFTWARE
    };
    ExitCode::from(code)
}

fn check_config(path: &ConfigPath) -> anyhow::Result<()> {
    let now = SystemTime::now();
    let config = Config::load(&path.config, now)?;
    let listen: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
    let metrics = config
        .metrics_listen
        .map_or_else(|| "none".to_owned(), |it| it.to_string());
    let mut text = String::new();
    for (name, value) in [
        (
            "board",
            format!("{} of {}", config.node.name, config.node.deployment),
        ),
        ("agents dial", config.node.addresses.join(", ")),
        (
            "network",
            format!(
                "IPv4 {}, IPv6 {}",
                config.node.setup.network.ipv4, config.node.setup.network.ipv6
            ),
        ),
        (
            "certificate",
            format!("valid until {}", date(config.identity.not_after)),
        ),
        ("listening on", listen.join(", ")),
        ("metrics on", metrics),
        (
            "control socket",
            config.control_socket.display().to_string(),
        ),
        ("state in", config.state_dir.display().to_string()),
        ("bars", config.bars.len().to_string()),
    ] {
        text.push_str(&format!("{name:<15} {value}\n"));
    }
    if let Some(warning) = config.identity.warning(now) {
        text.push_str(&format!("\nWARNING: {warning}\n"));
    }
    text.push_str("\nThe configuration is good.\n");
    say(&text)
}

fn status(json: bool, socket: &Socket) -> anyhow::Result<()> {
    let status = client::status(&socket.socket)?;
    if json {
        say(&(serde_json::to_string_pretty(&status)? + "\n"))
    } else {
        say(&client::to_text(&status))
    }
}

fn restore(path: &ConfigPath) -> anyhow::Result<()> {
    let now = SystemTime::now();
    let config = Config::load(&path.config, now)?;
    let settings = registrar::Settings {
        claims_per_range: config.limits.claims_per_range,
        not_before: config.identity.not_before,
    };
    confinement::join_owner(&config)?;
    let registrar = Registrar::open(&config.state_dir, &config.node, settings, now)
        .context("stop the relay first: its store belongs to it while it runs")?;
    let restored = registrar.restore(io::stdin().lock(), now)?;
    let known = registrar.status().known;
    let (claims, news) = (restored.claims, restored.news);
    say(&format!(
        "{claims} claims read, {news} of them new; {known} hosts are known now.\n"
    ))
}

fn deadline(text: &str) -> Result<Duration, String> {
    let Span(deadline) = text
        .parse()
        .map_err(|error| format!("{error}, as \"90s\" or \"5m\""))?;
    let most = limits::DRAIN_DEADLINES.end();
    if deadline <= *most {
        Ok(deadline)
    } else {
        Err(format!("is more than {} h", most.as_secs() / 3_600))
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("cannot write the answer")
}
