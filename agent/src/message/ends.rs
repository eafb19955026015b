//! What the two ends meet beside refusals: the tunnel between them, and their own limits.

use protocol::refusal::{Refusal, RefusalCode};

use super::{Explain, Explanation, Who, japanese};
use crate::client::{ConnectError, End, LaunchError, NotLent, ShowError};
use crate::host::LinkError;
use crate::tunnel::TunnelError;

impl Explain for TunnelError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Refused(refusal) => refusal.explain(),
            Self::WrongPassword => Refusal::new(RefusalCode::WrongPassword).explain(),
            Self::ManInTheMiddle => Refusal::new(RefusalCode::ManInTheMiddle).explain(),
            Self::ChangedHostKey { .. } => Explanation::new(
                Who::OfficePc,
                "It shows another key than before: it was set up anew, or somebody else answers \
                 in its place. Nothing was sent to it, not even the password.",
                "Ask whoever looks after that PC. Only if the change was meant, run \
                 `tasuki-client forget-host` with its computer ID and connect again.",
            ),
            Self::TimedOut(_) | Self::Closed(_) | Self::Io { .. } => Explanation::new(
                Who::YourNetwork,
                "The connection to the office PC broke while it was being made.",
                "Try again. If it keeps happening, ask whether the office PC's network is well.",
            ),
            Self::PasswordTooLong => Explanation::new(
                Who::ThisProgram,
                "The password is longer than any that an office PC takes.",
                "Check what was given as the password.",
            ),
            Self::Resources => Explanation::new(
                Who::ThisProgram,
                "There is not enough memory on this PC for the password check.",
                "Close other programs and try again.",
            ),
            Self::Tls(_)
            | Self::BadFrame { .. }
            | Self::UnexpectedFrame { .. }
            | Self::BadPasswordMessage
            | Self::BadVersion(_) => Explanation::new(
                Who::OfficePc,
                "What answers does not speak as an office PC does.",
                "Update tasuki on both PCs. If that does not help, tell whoever runs the relay.",
            ),
        }
    }

    fn explain_in_japanese(&self) -> Explanation {
        japanese::tunnel(self)
    }
}

impl Explain for ConnectError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Outer(error) => error.explain(),
            Self::Tunnel(error) => error.explain(),
            Self::State(error) => error.explain(),
            Self::Oneself => Explanation::new(
                Who::ThisProgram,
                "The office PC that you ask for is this very PC, and a desktop inside itself \
                 helps nobody.",
                "Run this on the PC at home, or type another computer ID.",
            ),
            Self::NoBoard => no_board(),
            Self::Silent => silent(),
            Self::Unexpected(frame) => unexpected(frame),
            Self::Password(error) => Explanation::new(
                Who::ThisProgram,
                format!("It got no password: {error:#}."),
                "Type it at the prompt, or give it with --password-fd.",
            ),
        }
    }

    fn explain_in_japanese(&self) -> Explanation {
        japanese::connect(self)
    }
}

impl Explain for ShowError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Listen(source) => Explanation::new(
                Who::ThisProgram,
                format!("It cannot offer the desktop to a viewer on this PC: {source}."),
                "Restart this PC and try again.",
            ),
            Self::Settings(error) => error.explain(),
            Self::NotLent(NotLent(what)) => Explanation::new(
                Who::ThisProgram,
                format!("The program that shows desktops cannot lend the {what} to the office PC."),
                "Leave it out, or name another viewer in client.toml.",
            ),
            Self::Launch(error) => Explanation::new(
                Who::ThisProgram,
                launch(error),
                "Install that program, or name another viewer in client.toml.",
            ),
            Self::Wait(source) => Explanation::new(
                Who::ThisProgram,
                format!("It cannot tell whether the viewer still runs: {source}."),
                "Try again.",
            ),
        }
    }

    fn explain_in_japanese(&self) -> Explanation {
        japanese::show(self)
    }
}

fn launch(error: &LaunchError) -> String {
    match error {
        LaunchError::NotInstalled(program) => {
            format!("The program that shows desktops, {program}, is not installed.")
        }
        LaunchError::Io { program, source } => {
            format!("The program that shows desktops, {program}, cannot be started: {source}.")
        }
    }
}

impl Explain for End {
    fn explain(&self) -> Explanation {
        match self {
            Self::Refused(code) => Refusal::new(*code).explain(),
            Self::Closed => Explanation::new(
                Who::OfficePc,
                "The office PC has ended the connection.",
                "Connect again if that was not meant.",
            ),
            Self::Lost => Explanation::new(
                Who::YourNetwork,
                "The connection to the office PC was lost.",
                "Connect again.",
            ),
        }
    }

    fn explain_in_japanese(&self) -> Explanation {
        japanese::end(self)
    }
}

impl Explain for LinkError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Outer(error) => error.explain(),
            Self::State(error) => error.explain(),
            Self::Key(error) => Explanation::new(
                Who::ThisProgram,
                format!("The key of this PC cannot be used: {error}."),
                "Run `tasuki-host reset-identity`.",
            ),
            Self::NoEntry => Explanation::new(
                Who::ThisProgram,
                "This PC is not prepared yet.",
                "Run `tasuki-host init --entry FILE`.",
            ),
            Self::NoBoard => no_board(),
            Self::Silent => silent(),
            Self::Unexpected(frame) => unexpected(frame),
            Self::FalseClaim => Explanation::new(
                Who::Relay,
                "It gave this PC a computer ID that the deployment has not signed for it.",
                "Tell whoever runs the relay. This program keeps trying.",
            ),
        }
    }

    fn explain_in_japanese(&self) -> Explanation {
        japanese::link(self)
    }
}

fn no_board() -> Explanation {
    Explanation::new(
        Who::Relay,
        "Every relay sent this program on to another one.",
        "Try again in a minute; if it stays so, tell whoever runs the relay.",
    )
}

fn silent() -> Explanation {
    Explanation::new(
        Who::Relay,
        "It does not answer any more.",
        "Try again. If it stays so, check this PC's network, then ask whoever runs the relay.",
    )
}

fn unexpected(frame: &str) -> Explanation {
    Explanation::new(
        Who::Relay,
        format!("It answered with {frame}, which makes no sense here."),
        "Update this program; if that does not help, tell whoever runs the relay.",
    )
}
