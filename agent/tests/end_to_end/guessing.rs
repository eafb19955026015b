//! Strangers who guess neither get in nor keep the owner out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tasuki_agent::client::ConnectError;
use tasuki_agent::client::connect::{Connector, Wanted};
use tasuki_agent::config::ClientConfig;
use tasuki_agent::state::StateDir;
use zeroize::Zeroizing;

use crate::harness::{Lab, PATIENCE, Target, wait_for, works};

/// Strangers who try at the same time, each as fast as it can.
const STRANGERS: usize = 24;
/// How often the owner comes in meanwhile.
const VISITS: u32 = 3;
/// How long they go on at least.
const STORM: Duration = Duration::from_secs(8);
/// The office PC lets few guesses through in the first minutes, whoever asks.
const GUESSES_MAX: u32 = 12;

#[test]
fn a_stranger_who_guesses_has_to_wait_and_is_told_how_long() {
    let lab = Lab::new();
    let host = lab.host("office", Target::echo().address);
    let stranger = lab.client("stranger");

    let refused = (0..10)
        .map(|_| stranger.refused_with(&host.id, "Wrong-Maple-4071"))
        .find(|refused| refused.words.contains("Too many wrong passwords"))
        .expect("ten guesses in a row are too many");

    refused.says(85, &["Stopped by: the office PC", "It may work again in"]);
    wait_for("the log line", PATIENCE, || {
        host.log().contains("locked_out").then_some(())
    });
}

#[test]
fn strangers_at_full_speed_neither_guess_nor_keep_the_returning_owner_out() {
    let lab = Lab::new();
    let host = lab.host("office", Target::echo().address);
    let owner = lab.client("owner");
    owner.open(&host.id);
    let storm = Storm::begin(&lab, &host.id);

    let mut visits = 0;
    let mut longest = Duration::ZERO;
    while visits < VISITS || !storm.is_over() {
        let began = Instant::now();
        works(&owner.open(&host.id));
        longest = longest.max(began.elapsed());
        visits += 1;
    }

    let (tries, guesses) = storm.end();
    println!(
        "{tries} tries, {guesses} of them guesses; the owner came in {visits} times, at worst in {longest:?}"
    );
    assert!(guesses <= GUESSES_MAX, "{guesses} guesses were answered");
    assert!(tries > 100, "only {tries} tries are no storm");
}

/// Strangers in this process, which knows how to try without the pace of an honest program.
struct Storm {
    began: Instant,
    stop: Arc<AtomicBool>,
    tries: Arc<AtomicU32>,
    guesses: Arc<AtomicU32>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Storm {
    fn begin(lab: &Lab, id: &str) -> Self {
        let mut storm = Self {
            began: Instant::now(),
            stop: Arc::default(),
            tries: Arc::default(),
            guesses: Arc::default(),
            threads: Vec::new(),
        };
        for number in 0..STRANGERS {
            let stranger = Stranger {
                dir: StateDir::open(Some(&lab.path(&format!("stranger-{number}"))))
                    .expect("a state"),
                entry: std::fs::read_to_string(lab.entry()).expect("an entry file"),
                wanted: Wanted {
                    computer_id: id.parse().expect("a name"),
                    user: protocol::text::Text::default(),
                },
            };
            let (stop, tries, guesses) = (
                Arc::clone(&storm.stop),
                Arc::clone(&storm.tries),
                Arc::clone(&storm.guesses),
            );
            storm.threads.push(std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    tries.fetch_add(1, Ordering::Relaxed);
                    guesses.fetch_add(u32::from(stranger.guess()), Ordering::Relaxed);
                }
            }));
        }
        storm
    }

    fn is_over(&self) -> bool {
        self.began.elapsed() > STORM
    }

    /// How many tries there were, and how many of them were held against the password.
    fn end(self) -> (u32, u32) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("no stranger gets in");
        }
        let count = |count: &AtomicU32| count.load(Ordering::Relaxed);
        (count(&self.tries), count(&self.guesses))
    }
}

struct Stranger {
    dir: StateDir,
    entry: String,
    wanted: Wanted,
}

impl Stranger {
    /// One try; true if the office PC held it against the password.
    fn guess(&self) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let outcome = runtime.expect("a runtime").block_on(async {
            let state = self.dir.client()?;
            let entry = state.adopt_entry(&self.entry)?;
            let config = ClientConfig::load(&self.dir.path().join("client.toml"));
            let config = config.expect("defaults");
            let wanted = self.wanted.clone();
            let connector = Connector::new(&self.dir, state, &entry, &config, wanted, &|_| {})?;
            let password = async || Ok(Zeroizing::new("Wrong-Maple-4071".to_owned()));
            connector.connect(password).await.map(drop)
        });
        match outcome {
            Ok(()) => panic!("a stranger got in"),
            Err(ConnectError::Tunnel(error)) => {
                matches!(*error, tasuki_agent::tunnel::TunnelError::WrongPassword)
            }
            Err(_) => false,
        }
    }
}
