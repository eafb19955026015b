//! One connection, from the button to its end, with nothing said to anybody but the form.

use protocol::refusal::{Refusal, RefusalCode};
use tokio::sync::oneshot;

use super::choices::Choices;
use super::form::Event;
use crate::client::connect::{Connected, Connector, Wanted};
use crate::client::{ConnectError, End, ShowError, Viewing, show};
use crate::config::{ClientConfig, ConfigError, Password};
use crate::message::{Explain, Explanation, Language};
use crate::state::{ClientState, StateDir, StateError};

/// What a person has asked for.
#[derive(Debug)]
pub struct Order {
    pub wanted: Wanted,
    pub password: Password,
    pub choices: Choices,
}

/// How a connection ended.
#[derive(Debug)]
pub enum Outcome {
    /// The viewer was closed.
    Done,
    /// Somebody wanted it to end.
    Stopped,
    /// There is no entry file.
    NoEntry,
    Failed(Failure),
}

/// What was in the way.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Show(#[from] ShowError),
    #[error("the connection ended: {0:?}")]
    Ended(End),
}

impl Failure {
    pub(super) fn explain_in(&self, language: Language) -> Explanation {
        match self {
            Self::State(error) => error.explain_in(language),
            Self::Config(error) => error.explain_in(language),
            Self::Connect(error) => error.explain_in(language),
            Self::Show(error) => error.explain_in(language),
            Self::Ended(end) => end.explain_in(language),
        }
    }
}

/// Makes one connection.
#[derive(Debug)]
pub struct Job {
    pub dir: StateDir,
    pub order: Order,
    pub language: Language,
    /// Sending, or dropping the other end, ends it.
    pub stop: oneshot::Receiver<()>,
}

impl Job {
    /// Works until the viewer or the connection has ended; `tell` hears how it goes. Needs a
    /// runtime.
    pub async fn run(self, tell: &dyn Fn(Event)) -> Outcome {
        let Self {
            dir,
            order,
            language,
            mut stop,
        } = self;
        let config = match ClientConfig::load(&dir.path().join("client.toml")) {
            Ok(config) => config,
            Err(error) => return Outcome::Failed(error.into()),
        };
        let state = match dir.client() {
            Ok(state) => state,
            Err(error) => return Outcome::Failed(error.into()),
        };
        let id = order.wanted.computer_id.clone();
        let viewing = Viewing {
            config: &config,
            state: &state,
            arguments: order.choices.arguments(),
            redirections: Some(order.choices.redirections()),
        };
        let connected = tokio::select! {
            connected = connect(&dir, &state, &config, order, tell) => connected,
            _ = &mut stop => return Outcome::Stopped,
        };
        let Connected { tunnel, message } = match connected {
            Ok(Some(connected)) => connected,
            Ok(None) => return Outcome::NoEntry,
            Err(failure) => return Outcome::Failed(failure),
        };
        tell(Event::Connected {
            message: message.to_string(),
            keys: viewing.how_to_leave_full_screen(language),
        });
        let said = |code: RefusalCode| {
            let explanation = Refusal::new(code).explain_in(language);
            tell(Event::Said(explanation));
        };
        let shown = tokio::select! {
            shown = show::show(&tunnel, &id, viewing, said) => Some(shown),
            _ = &mut stop => None,
        };
        show::close(tunnel).await;
        match shown {
            None => Outcome::Stopped,
            Some(Ok(Ok(_status))) => Outcome::Done,
            Some(Ok(Err(end))) => Outcome::Failed(Failure::Ended(end)),
            Some(Err(error)) => Outcome::Failed(error.into()),
        }
    }
}

/// `None`: there is no entry file.
async fn connect(
    dir: &StateDir,
    state: &ClientState,
    config: &ClientConfig,
    order: Order,
    tell: &dyn Fn(Event),
) -> Result<Option<Connected>, Failure> {
    let Some(entry) = state.newest_entry()? else {
        return Ok(None);
    };
    let step = |step| tell(Event::Step(step));
    let connector = Connector::new(dir, state.clone(), &entry, config, order.wanted, &step)?;
    let connected = connector.connect(async || Ok(order.password.0)).await?;
    Ok(Some(connected))
}
