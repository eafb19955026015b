//! What these tests share: a deployment, two releases of a real image, cards with them, and
//! machines that run on those.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use image_builder::tools::Tools;
use image_builder::workplace::Workplace;
use image_testkit::block::{self, BlockServer, Journal};
use image_testkit::{Disk, Machine, Setup};
use protocol::ALPN_LEG;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tempfile::{Builder, TempDir};

use crate::card::Card;

/// What the relay listens on.
const PORT: u16 = 443;
const NODE: &str = "rack-1";
/// As the smallest cards that are still sold; all but some 100 MiB of it is a hole in a file.
const CARD: u64 = 2 << 30;
/// A machine that serves nobody for so long never will: three tries of five minutes, on a
/// workstation that is two times too slow.
const PATIENCE: Duration = Duration::from_secs(1800);
const HANDSHAKE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Machines side by side: each keeps a processor busy.
const LANES: u32 = 2;

/// What the status screen says.
pub(crate) const SERVING: &str = "state    serving";
/// What the gate says.
pub(crate) const GOOD: &str = "healthy: this slot is good now";

/// A deployment of one board, and images for it.
pub(crate) struct Lab {
    folder: TempDir,
    workplace: Workplace,
    /// mtools.
    pub(crate) tools: Tools,
    machines: Tools,
    pub(crate) board: String,
}

impl Lab {
    /// With a board that nobody finds by its address.
    pub(crate) fn open() -> Result<Self> {
        Self::at("relay.example.jp:443")
    }

    /// `address`: where agents dial the board.
    pub(crate) fn at(address: &str) -> Result<Self> {
        // Today's packages, where the mirror has forgotten those that the repository's locks name.
        let locks = env::var_os("TASUKI_LOCKS").map(PathBuf::from);
        let workplace = Workplace::new(None, None, false)?.with_locks(locks);
        let lab = Self {
            folder: tempfile::tempdir()?,
            tools: workplace.tools()?,
            machines: workplace.machines()?,
            workplace,
            board: env::var("TASUKI_BOARD").unwrap_or_else(|_| "vm-x86-64".to_owned()),
        };
        lab.tasuki(&["deployment", "init", "--name", "Lab", "--no-passphrase"])?;
        let node = ["node", "add", NODE, "--lone", "--address", address];
        lab.tasuki(&[&node[..], &["--out", &lab.text("node.toml")]].concat())?;
        lab.tasuki(&["entry", "--out", &lab.text("entry.toml")])?;
        Ok(lab)
    }

    /// Makes the board's node file anew, with these options.
    pub(crate) fn renew_node(&self, options: &[&str]) -> Result<()> {
        let renew = ["node", "renew", NODE, "--out", &self.text("node.toml")];
        self.tasuki(&[&renew[..], options].concat())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// A new card with a version of the image, and the board's node file.
    pub(crate) fn card(&self, name: &str, version: &str) -> Result<PathBuf> {
        let path = self.path(name);
        let release = self.release(version)?;
        let [release, card] = [&release, &path].map(|path| path.to_string_lossy());
        let node = self.text("node.toml");
        self.tasuki(&["card", "flash", "--yes", &release, &card, "--node", &node])?;
        File::options().write(true).open(&path)?.set_len(CARD)?;
        Ok(path)
    }

    /// The update bundle of a version, which nobody has signed.
    pub(crate) fn bundle(&self, version: &str) -> Result<PathBuf> {
        let name = format!("tasuki-{}-{version}.update", self.board);
        Ok(self.release(version)?.join(name))
    }

    /// Signs an update and puts it onto the card, as an operator does.
    pub(crate) fn order(&self, card: &Path, bundle: &Path) -> Result<()> {
        let signed = self.text("signed.update");
        let bundle = bundle.to_string_lossy();
        self.tasuki(&["deployment", "sign-update", "--out", &signed, &bundle])?;
        let target = format!("::/{}.update", self.board);
        let card = Card::open(card, &self.tools)?;
        let copy = card.fat("CONFIG", "mcopy")?.args(["-o", &signed, &target]);
        Ok(copy.run()?)
    }

    /// The folder of a version, which `cargo xtask nightly` has built.
    pub(crate) fn release(&self, version: &str) -> Result<PathBuf> {
        let name = format!("{}-{version}", self.board);
        let folder = self.workplace.source.join("target/images").join(name);
        ensure!(
            folder.join("manifest.json").is_file(),
            "there is no image in {}: `cargo xtask nightly` builds it for the parts board, slots, \
             power and virt",
            folder.display()
        );
        Ok(folder)
    }

    /// The board with this card in it, its relay's port reachable.
    pub(crate) fn setup(&self, disk: Disk) -> Result<Setup> {
        let board = self.workplace.board(&self.board)?;
        Ok(Setup::new(board, disk).forward(0, PORT))
    }

    /// Switches it on. What it says goes into a file of its own in the folder `TASUKI_CONSOLES`, if
    /// somebody wants to watch.
    pub(crate) fn boot(&self, mut setup: Setup) -> Result<Machine> {
        setup.accelerator = Machine::best_accelerator(&self.machines, &setup);
        let Some(folder) = env::var_os("TASUKI_CONSOLES") else {
            return Machine::start(&self.machines, &setup);
        };
        let (mut file, path) = Builder::new()
            .prefix("console-")
            .suffix(".log")
            .tempfile_in(folder)?
            .keep()?;
        eprintln!("the console is in {}", path.display());
        Machine::start_showing(&self.machines, &setup, move |text| {
            // Whoever watches sees that nothing comes any more.
            let _ = file.write_all(text.as_bytes());
        })
    }

    /// Both.
    pub(crate) fn machine(&self, disk: Disk) -> Result<Machine> {
        self.boot(self.setup(disk)?)
    }

    /// Waits until the relay shakes hands as this board, and returns the slot that runs.
    pub(crate) fn served_by(&self, machine: &mut Machine) -> Result<char> {
        let address = machine.address(PORT)?;
        let begin = Instant::now();
        while let Err(error) = self.shake_hands(address) {
            if machine.wait(LOOK_AGAIN).is_ok() || begin.elapsed() > PATIENCE {
                return Err(error
                    .context(said(machine))
                    .context("the board does not serve"));
            }
        }
        let text = machine.console().text();
        let (_, rest) = text
            .rsplit_once("tasuki first stage: slot ")
            .with_context(|| format!("the console names no slot:\n{text}"))?;
        rest.chars().next().context("the console ends too early")
    }

    /// A TLS handshake, by which the relay shows this board's certificate.
    fn shake_hands(&self, address: SocketAddr) -> Result<()> {
        let mut roots = RootCertStore::empty();
        let ca = self.path("deployment/ca-1.pem");
        roots.add(CertificateDer::from_pem_file(ca)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN_LEG.to_vec()];
        let name = ServerName::try_from(format!("{NODE}.board.tasuki"))?;
        let mut connection = ClientConnection::new(Arc::new(config), name)?;
        let mut stream = TcpStream::connect_timeout(&address, HANDSHAKE)?;
        stream.set_read_timeout(Some(HANDSHAKE))?;
        while connection.is_handshaking() {
            if let (0, 0) = connection.complete_io(&mut stream)? {
                bail!("nobody listens");
            }
        }
        Ok(())
    }

    /// What happens to a copy of `card` while `work` goes on in a machine.
    pub(crate) fn record(
        &self,
        card: &Path,
        work: impl FnOnce(&mut Machine) -> Result<()>,
    ) -> Result<Journal> {
        let place = TempDir::new()?;
        let copy = place.path().join("card.img");
        block::copy(card, &copy)?;
        let server = BlockServer::start(&copy, place.path())?;
        let mut machine = self.machine(Disk::nbd(server.socket()))?;
        work(&mut machine)?;
        drop(machine);
        server.stop()
    }

    /// Cuts the power `count` times at events that a seed draws, and calls `boot` with a machine on
    /// what each cut may have left of the card. Stops at the first that fails.
    pub(crate) fn cut(
        &self,
        card: &Path,
        journal: &Journal,
        count: u64,
        boot: impl Fn(u64, usize, &mut Machine, &Path) -> Result<String> + Sync,
    ) -> Result<()> {
        let first = first_seed();
        let seeds = Mutex::new(first..first + count);
        let next = || seeds.lock().unwrap_or_else(PoisonError::into_inner).next();
        let one = |seed: u64| -> Result<()> {
            let event = StdRng::seed_from_u64(seed).gen_range(0..journal.events_count());
            let case = format!("TASUKI_SIM_SEED={seed}, cut during event {event}");
            let folder = TempDir::new()?;
            let copy = folder.path().join("card.img");
            block::copy(card, &copy)?;
            block::replay(&copy, journal, event, seed)?;
            let mut machine = self.machine(Disk::file(&copy))?;
            let end = boot(seed, event, &mut machine, &copy);
            let end = end.with_context(|| case.clone())?;
            eprintln!("{case}: {end}");
            Ok(())
        };
        let lane = || {
            while let Some(seed) = next() {
                if let Err(error) = one(seed) {
                    // The other lanes end with what they have begun.
                    *seeds.lock().unwrap_or_else(PoisonError::into_inner) = 0..0;
                    return Err(error);
                }
            }
            Ok(())
        };
        thread::scope(|scope| {
            let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(lane)).collect();
            lanes.into_iter().try_for_each(|lane| {
                lane.join()
                    .map_err(|_| anyhow!("a machine's thread panicked"))?
            })
        })
    }

    fn tasuki(&self, words: &[&str]) -> Result<()> {
        let deployment = self.text("deployment");
        let words = [&["tasuki", "--deployment", &deployment], words].concat();
        let mut said = Vec::new();
        let code = image_builder::cli::run(words.iter().map(OsString::from), &mut said)
            .with_context(|| words.join(" "))?;
        // What is wrong with the words has been shown.
        ensure!(code == ExitCode::SUCCESS, "{}", words.join(" "));
        Ok(())
    }
}

/// `TASUKI_SIM_SEED`, or 0: where seeds begin.
pub(crate) fn first_seed() -> u64 {
    let seed = env::var("TASUKI_SIM_SEED").ok();
    seed.and_then(|seed| seed.parse().ok()).unwrap_or_default()
}

/// How many power cuts to make instead of `full`: its share of `TASUKI_CUTS`, which a night makes
/// fifty of.
pub(crate) fn cuts(full: u64) -> Result<u64> {
    const NIGHT: u64 = 50;
    match env::var("TASUKI_CUTS") {
        Ok(all) => Ok((all.parse::<u64>()? * full + NIGHT / 2) / NIGHT),
        Err(_) => Ok(full),
    }
}

/// The end of what a machine has said.
pub(crate) fn said(machine: &Machine) -> String {
    let text = machine.console().text();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(60);
    let tail = lines.get(from..).unwrap_or_default().join("\n");
    format!("the console's last lines:\n{tail}\n--")
}
