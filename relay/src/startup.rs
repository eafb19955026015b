//! The order in which a relay comes to life.
//!
//! First what needs more rights than serving does: ports, registrar, admin socket. Then the relay
//! confines itself, and only then threads start: data plane, control plane, metrics; systemd is
//! told last. Read next: [`crate::confinement`] for what is given up, [`crate::board`] for what
//! runs.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Instant, SystemTime};

use sd_notify::NotifyState;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::admin::server::AdminSocket;
use crate::admin::status::{Phase, Sandbox};
use crate::board::{Board, date};
use crate::config::Config;
use crate::confinement::{self, ConfinementError};
use crate::control::{self, Control};
use crate::data::{self, DataPlane};
use crate::registrar::{self, Registrar, RegistrarError};
use crate::reload::Reading;
use crate::sys::memory::Memory;
use crate::systemd::Systemd;
use crate::tls::{OuterTls, TlsError};
use crate::{limits, metrics, sys, watch};

/// Why a relay did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Data(#[from] data::StartError),
    #[error(transparent)]
    Registrar(#[from] RegistrarError),
    #[error(transparent)]
    Confinement(#[from] ConfinementError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot listen for agents")]
    Listen(#[source] io::Error),
    #[error("cannot listen for metrics on {0}")]
    ListenMetrics(SocketAddr, #[source] io::Error),
    #[error("cannot speak to systemd over NOTIFY_SOCKET")]
    Systemd(#[source] io::Error),
    #[error("cannot open the control socket {0}")]
    ControlSocket(PathBuf, #[source] io::Error),
}

/// A relay that runs, in the hands of whoever started it.
#[derive(Debug)]
pub struct Running {
    pub(crate) board: Arc<Board>,
    pub(crate) tasks: Vec<JoinHandle<()>>,
}

/// A relay that has everything which a confined process cannot get any more.
#[derive(Debug)]
pub struct Prepared {
    config: Config,
    systemd: Systemd,
    memory: Memory,
    listeners: Vec<TcpListener>,
    metrics: Option<TcpListener>,
    registrar: Registrar,
    admin: AdminSocket,
    sandbox: Sandbox,
    started: Instant,
}

/// Binds and opens what serving needs, then gives up the right to do so. Called before any thread
/// starts, because each thread has its own rights and inherits those of the one that starts it.
///
/// # Errors
/// What could not be had, or could not be given up.
pub fn prepare(config: Config) -> Result<Prepared, StartError> {
    let started = Instant::now();
    if let Err(error) = sys::process::raise_descriptor_limit() {
        warn!(%error, "Cannot raise the limit of open descriptors");
    }
    let systemd = Systemd::find().map_err(StartError::Systemd)?;
    let memory = Memory::open();
    let listeners = sys::listener::listen_all(&config.listen).map_err(StartError::Listen)?;
    let metrics = config.metrics_listen.map(|address| {
        sys::listener::listen(address).map_err(|error| StartError::ListenMetrics(address, error))
    });
    let metrics = metrics.transpose()?;
    confinement::leave_root(&config)?;
    let settings = registrar::Settings {
        claims_per_range: config.limits.claims_per_range,
        not_before: config.identity.not_before,
    };
    let registrar = Registrar::open(&config.state_dir, &config.node, settings, SystemTime::now())?;
    let admin = AdminSocket::bind(&config.control_socket)
        .map_err(|error| StartError::ControlSocket(config.control_socket.clone(), error))?;
    let sandbox = confinement::confine(&config)?;
    Ok(Prepared {
        config,
        systemd,
        memory,
        listeners,
        metrics,
        registrar,
        admin,
        sandbox,
        started,
    })
}

/// Starts a relay on the present tokio runtime; it serves when this returns.
///
/// # Errors
/// What could not be had.
pub fn run(prepared: Prepared) -> Result<Running, StartError> {
    let Prepared {
        config,
        systemd,
        admin,
        ..
    } = prepared;
    let (ended, ends) = control::session_ends(config.limits.sessions);
    let data = DataPlane::start(data_settings(&config), move |end| ended.send(end))?;
    let data = Arc::new(data);
    let registrar = Arc::new(prepared.registrar);
    let tls = OuterTls::new(&config.node.certificate, &config.node.key)?;
    let control = Control::start(
        control_settings(&config, prepared.memory),
        prepared.listeners,
        tls.clone(),
        Arc::clone(&registrar),
        Arc::clone(&data),
        ends,
    )
    .map_err(StartError::Listen)?;
    let metrics_address = prepared
        .metrics
        .as_ref()
        .and_then(|listener| listener.local_addr().ok());
    let metrics = prepared
        .metrics
        .map(tokio::net::TcpListener::from_std)
        .transpose()
        .map_err(StartError::Listen)?;

    let board = Arc::new(Board {
        config: RwLock::new(Arc::new(config)),
        reading: Mutex::new(Reading::first(prepared.started)),
        systemd,
        registrar,
        data,
        control,
        tls,
        phase: Mutex::new(Phase::Serving),
        metrics_address,
        sandbox: prepared.sandbox,
        started: prepared.started,
    });
    let mut tasks = vec![
        tokio::spawn(admin.serve(Arc::clone(&board))),
        tokio::spawn(watch::keep_papers(Arc::clone(&board))),
        tokio::spawn(watch::watch(Arc::clone(&board))),
    ];
    tasks
        .extend(metrics.map(|listener| tokio::spawn(metrics::serve(listener, Arc::clone(&board)))));
    announce(&board);
    Ok(Running { board, tasks })
}

impl Running {
    /// Where agents may connect: the real ports, in the order of the configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.board.control.addresses()
    }

    /// The running parts, for status and drain.
    pub fn board(&self) -> &Arc<Board> {
        &self.board
    }
}

fn data_settings(config: &Config) -> data::Settings {
    data::Settings {
        workers: config.workers,
        sessions_max: config.limits.sessions,
        memory_budget: config.limits.memory_budget,
        pipes: limits::PIPES,
        data_path: config.data_path,
        batching: config.batching,
    }
}

fn control_settings(config: &Config, memory: Memory) -> control::Settings {
    control::Settings {
        bars: config.bars.clone(),
        sessions_max: config.limits.sessions,
        links_max: config.limits.hosts,
        parked_max: config.limits.parked_legs,
        unproven_per_address: config.limits.unproven_per_address,
        ping_interval: config.ping_interval,
        memory: Arc::new(memory),
        ..control::Settings::default()
    }
}

fn announce(board: &Board) {
    let config = board.config();
    info!(
        board = %config.node.name,
        deployment = config.node.deployment,
        listen = join(board.control.addresses()),
        certificate_until = date(config.identity.not_after),
        known_hosts = board.registrar.status().known,
        workers = config.workers,
        "Serving"
    );
    let serving = [NotifyState::Ready, NotifyState::Status("Serving")];
    board.systemd.tell(&serving);
}

fn join(addresses: &[SocketAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(", ")
}
