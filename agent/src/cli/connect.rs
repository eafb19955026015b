//! `tasuki-client connect`: the desktop of an office PC.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitStatus;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::Args;
use protocol::file::entry::Entry;
use protocol::id::ComputerId;
use protocol::refusal::{Refusal, RefusalCode};
use protocol::text::Text;
use tokio::signal::ctrl_c;
use tokio::time::timeout;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};
use zeroize::Zeroizing;

use super::exit::{Exit, UsageError};
use super::{password, read_entry, say};
use crate::client::connect::{Connected, Connector, Step, Wanted};
use crate::client::{ConnectError, End, Redirections, ShowError, Viewing, show};
use crate::config::ClientConfig;
use crate::message::update::news;
use crate::message::{Explain, Language};
use crate::platform::{Allowed, bind_loopback};
use crate::state::{ClientState, StateDir};
use crate::tunnel::Tunnel;
use crate::update::in_background;

/// How long a prompt gets to put the terminal back in order.
const PROMPT_WAIT: Duration = Duration::from_millis(200);

const AFTER: &str = "\
Examples:
  tasuki-client connect quiet-maple-4071
  tasuki-client connect quiet-maple-4071 --redirect sound,clipboard -- /f
  tasuki-client connect quiet-maple-4071 --no-launch
  pass office | tasuki-client connect quiet-maple-4071 --password-fd 0

The first time, the entry file of your deployment is needed: beside this program, or with \
--entry. It is remembered. The viewer is xfreerdp unless client.toml in the state directory says \
otherwise; what stands after -- is passed on to it.

With --redirect the office PC may use of this PC what is named, and nothing else; without it, what \
the viewer's own settings say. Names are sound, microphone, camera, printers, drives and \
clipboard, with commas between them, or none.

With --no-launch the address to connect to is printed on standard output, and every program of \
the same user can use it until the tunnel ends or Ctrl-C is pressed. It carries whatever the \
office PC serves there, not only desktops.

Exit codes: that of the viewer, or 0 done, 1 something failed on this PC, 64 the command line or \
a settings file is wrong, 80 no relay was reached, 81 what answered is not to be trusted, 82 the \
relay refused, 83 there is no such office PC or it is not there now, 84 the office PC refused, 85 \
wrong password or locked out, 86 somebody else may be answering for the office PC, 87 that office \
PC is this PC, 88 one side has to be updated, 89 the connection was lost.";

/// Connect to an office PC and show its desktop
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The computer ID that the office PC shows
    #[arg(value_name = "ID")]
    id: ComputerId,
    /// The entry file of the deployment
    #[arg(long, value_name = "FILE")]
    entry: Option<PathBuf>,
    /// User name, where the office PC has users
    #[arg(long, value_name = "NAME", default_value = "")]
    user: String,
    /// Read the password from the first line of this descriptor instead of asking
    #[arg(long, value_name = "N")]
    password_fd: Option<u32>,
    /// Start no viewer; print the address and wait
    #[arg(long)]
    no_launch: bool,
    /// What of this PC the office PC may use: none, or names with commas between them
    #[arg(long, value_name = "WHAT", conflicts_with = "no_launch")]
    redirect: Option<Redirections>,
    /// Tell more, for those who look for a fault
    #[arg(long, short)]
    verbose: bool,
    /// Passed on to the viewer
    #[arg(last = true, value_name = "ARGUMENT")]
    viewer_arguments: Vec<String>,
}

pub(super) fn run(state: Option<&Path>, arguments: Arguments) -> anyhow::Result<Exit> {
    start_log(arguments.verbose);
    let dir = StateDir::open(state)?;
    let config = ClientConfig::load(&dir.path().join("client.toml"))?;
    let state = dir.client()?;
    state.viewer_settings()?.put_back_leftovers();
    let entry = entry(&state, arguments.entry.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start")?;
    let exit = runtime.block_on(connect(&dir, state, &entry, &config, &arguments));
    // A thread that still waits at the password prompt must not hold the end up.
    runtime.shutdown_background();
    exit
}

async fn connect(
    dir: &StateDir,
    state: ClientState,
    entry: &Entry,
    config: &ClientConfig,
    arguments: &Arguments,
) -> anyhow::Result<Exit> {
    let wanted = Wanted {
        computer_id: arguments.id.clone(),
        user: Text::lossy(&arguments.user),
    };
    let tell = |step| tell(step, &arguments.id);
    let viewing = Viewing {
        config,
        state: &state,
        arguments: arguments.viewer_arguments.clone(),
        redirections: arguments.redirect.clone(),
    };
    let attempt = async {
        let state = state.clone();
        let connector = Connector::new(dir, state, entry, config, wanted, &tell)?;
        connector.connect(async || password(arguments).await).await
    };
    let mut attempt = pin!(attempt);
    let outcome = tokio::select! {
        outcome = &mut attempt => outcome,
        _ = ctrl_c() => {
            // The prompt hears of it as well, and puts the terminal back in order.
            let _ = timeout(PROMPT_WAIT, attempt).await;
            return Ok(Exit::Failed);
        }
    };
    match outcome {
        Ok(connected) => {
            tell_news(&state, entry, config);
            serve(connected, viewing, arguments).await
        }
        Err(error) => Ok(explain(&error, arguments.verbose)),
    }
}

async fn password(arguments: &Arguments) -> anyhow::Result<Zeroizing<String>> {
    let descriptor = arguments.password_fd;
    let prompt = format!("Password of {} (not shown): ", arguments.id);
    let read = move || match descriptor {
        Some(number) => password::from_descriptor(number),
        None => password::ask(&prompt),
    };
    tokio::task::spawn_blocking(read).await?
}

/// Tells of a newer version while the desktop is there: looking for one holds nobody up.
fn tell_news(state: &ClientState, entry: &Entry, config: &ClientConfig) {
    if config.updates {
        let lookout = state.lookout(entry, &config.proxy, &config.user_agent);
        in_background(lookout, SystemTime::now(), |found| {
            if found.is_some() {
                say::line(&news(found.as_ref(), Language::English));
            }
        });
    }
}

/// Lends the tunnel to the viewer, or to whoever may use the printed address.
async fn serve(
    connected: Connected,
    viewing: Viewing<'_>,
    arguments: &Arguments,
) -> anyhow::Result<Exit> {
    let Connected { tunnel, message } = connected;
    if !message.is_empty() {
        say::line(&format!("Message from the office:\n{message}\n"));
    }
    if arguments.no_launch {
        let exit = lend(&tunnel, &arguments.id).await?;
        show::close(tunnel).await;
        return Ok(exit);
    }
    say::line(&"Connected. Starting the viewer ...");
    if let Some(keys) = viewing.how_to_leave_full_screen(Language::English) {
        say::line(&keys);
    }
    let shown = tokio::select! {
        shown = show::show(&tunnel, &arguments.id, viewing, say_why) => shown,
        _ = ctrl_c() => {
            show::close(tunnel).await;
            return Ok(Exit::Done);
        }
    };
    show::close(tunnel).await;
    match shown {
        Ok(Ok(status)) => Ok(of_viewer(status)),
        Ok(Err(end)) => Ok(tell_end(end)),
        Err(error @ ShowError::Launch(_)) => Err(anyhow::Error::new(error)
            .context("client.toml can name another viewer, --no-launch does without")),
        Err(error) => Err(error.into()),
    }
}

/// Prints the address that every program of this user may use.
async fn lend(tunnel: &Tunnel, id: &ComputerId) -> anyhow::Result<Exit> {
    let listener = bind_loopback(id)
        .await
        .context("cannot listen on loopback")?;
    let address = listener.local_addr().context("cannot listen on loopback")?;
    say::line(&"Connected. Press Ctrl-C to end; the address is:");
    say::answer(&address);
    Ok(tokio::select! {
        end = show::lend(&listener, tunnel, Allowed::SameUser, say_why) => tell_end(end),
        _ = ctrl_c() => Exit::Done,
    })
}

fn say_why(code: RefusalCode) {
    say::line(&Refusal::new(code).explain());
}

fn tell_end(end: End) -> Exit {
    match end {
        // It has been told already.
        End::Refused(code) => return Exit::of_refusal(code),
        End::Closed => say::line(&"The office PC has ended the connection."),
        End::Lost => say::line(&"The connection to the office PC was lost. Connect again."),
    }
    Exit::Lost
}

fn of_viewer(status: ExitStatus) -> Exit {
    // A viewer that a signal ended has no code of its own.
    status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(Exit::Failed, Exit::Viewer)
}

fn entry(state: &ClientState, named: Option<&Path>) -> anyhow::Result<Entry> {
    if let Some(path) = named {
        return Ok(state.adopt_entry(&read_entry(path)?)?);
    }
    state.newest_entry()?.ok_or_else(|| {
        let text = "no entry file yet; ask whoever runs the relay, and name it with --entry FILE";
        UsageError(text.into()).into()
    })
}

fn tell(step: Step, id: &ComputerId) {
    match step {
        Step::FindingRelay => say::line(&"Finding the relay ..."),
        Step::AskingHost => say::line(&format!("Asking for the office PC {id} ...")),
        Step::CheckingPassword => say::line(&"Checking the password ..."),
        Step::TryingAgain => say::line(&"That did not work; trying again ..."),
    }
}

fn explain(error: &ConnectError, verbose: bool) -> Exit {
    say::line(&error.explain());
    if verbose {
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = cause {
            say::line(&format!("Detail: {error}"));
            cause = error.source();
        }
    }
    Exit::of_connect(error)
}

fn start_log(verbose: bool) {
    let wanted = if verbose {
        Targets::new().with_target("tasuki_agent", LevelFilter::DEBUG)
    } else {
        Targets::new().with_default(LevelFilter::WARN)
    };
    let terminal = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_filter(wanted);
    // Only a second call can fail, and there is none.
    let _ = tracing_subscriber::registry().with(terminal).try_init();
}
