//! A board on loopback: control, data and registrar, without configuration or admin socket.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use protocol::file::node::NodeFile;
use relay_testkit as testkit;
pub(crate) use relay_testkit::{Agent, Host, PATIENCE, Place, connect, join, session, soon, until};
use rustls::RootCertStore;
use tasuki_relay::control::{Control, Settings, session_ends};
use tasuki_relay::data::{self, DataPlane};
use tasuki_relay::registrar::{self, Registrar};
use tasuki_relay::sys;
use tasuki_relay::tls::OuterTls;
use tracing_subscriber::EnvFilter;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// What an operator made: the board's node file, and what agents trust.
pub(crate) struct Deployment {
    pub(crate) node: NodeFile,
    pub(crate) roots: Arc<RootCertStore>,
}

impl Deployment {
    pub(crate) fn new() -> Self {
        let deployment = testkit::Deployment::new();
        Self {
            node: deployment.node(YEAR),
            roots: deployment.roots,
        }
    }

    /// Starts a board with an empty store.
    pub(crate) fn board(&self, change: impl FnOnce(&mut Settings)) -> Board {
        let store = tempfile::tempdir().unwrap();
        let state_dir = store.path().to_owned();
        self.board_in(state_dir, Some(store), 1_000_000, change)
    }

    /// Starts a board whose registrar keeps its store there, and hands out so many new IDs.
    pub(crate) fn board_in(
        &self,
        state_dir: PathBuf,
        store: Option<tempfile::TempDir>,
        claims_per_range: u32,
        change: impl FnOnce(&mut Settings),
    ) -> Board {
        // RUST_LOG=tasuki_relay=debug shows what the board thinks.
        let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env());
        // Another test of this process has done it before.
        let _ = log.with_test_writer().try_init();
        let mut settings = Settings::default();
        // As long as an agent needs on a machine that does other things as well.
        settings.timing.linger = PATIENCE;
        change(&mut settings);
        let (ended, ends) = session_ends(settings.sessions_max);
        let data = data::Settings {
            sessions_max: settings.sessions_max,
            ..Default::default()
        };
        let data = Arc::new(DataPlane::start(data, move |end| ended.send(end)).unwrap());
        let now = SystemTime::now();
        let registrar_settings = registrar::Settings {
            claims_per_range,
            not_before: now,
        };
        let registrar = Registrar::open(&state_dir, &self.node, registrar_settings, now).unwrap();
        let registrar = Arc::new(registrar);
        let tls = OuterTls::new(&self.node.certificate, &self.node.key).unwrap();
        let (shared_registrar, shared_data) = (Arc::clone(&registrar), Arc::clone(&data));
        let listener = sys::listener::listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let control = Control::start(
            settings,
            vec![listener],
            tls.clone(),
            shared_registrar,
            shared_data,
            ends,
        )
        .unwrap();
        let place = Place::new(control.addresses()[0], Arc::clone(&self.roots));
        Board {
            control,
            data,
            registrar,
            tls,
            place,
            _store: store,
        }
    }
}

/// A board with the settings that `change` made.
pub(crate) fn board(change: impl FnOnce(&mut Settings)) -> Board {
    Deployment::new().board(change)
}

/// A running board.
pub(crate) struct Board {
    pub(crate) control: Control,
    pub(crate) data: Arc<DataPlane>,
    pub(crate) registrar: Arc<Registrar>,
    pub(crate) tls: OuterTls,
    pub(crate) place: Place,
    _store: Option<tempfile::TempDir>,
}

impl Deref for Board {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}
