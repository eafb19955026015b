//! Two muxes joined by a pipe that loses nothing but delivers when it likes.
//!
//! `TASUKI_SIM_SEED` replays one seed; a failure prints the seed.

use std::collections::{HashMap, VecDeque};
use std::sync::OnceLock;

use protocol::tunnel::FRAME_MAX;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::limits::REPLAY_MAX;
use super::*;

const SEEDS: u64 = 256;
const STEPS: usize = 600;

#[test]
fn streams_deliver_in_order_once_and_end() {
    for seed in seeds() {
        let mut pair = Pair::new(seed, 0);

        for _ in 0..STEPS {
            pair.step();
        }
        pair.finish();

        assert_eq!(pair.cut_short, 0, "seed {seed}");
        assert!(pair.verified > 0, "seed {seed}");
    }
}

#[test]
fn resets_end_streams_at_both_ends_and_hurt_no_other() {
    let mut cut_short = 0;
    for seed in seeds() {
        let mut pair = Pair::new(seed, 20);

        for _ in 0..STEPS {
            pair.step();
        }
        pair.finish();

        cut_short += pair.cut_short;
    }
    assert!(cut_short > 0);
}

#[test]
fn a_stalled_reader_takes_neither_the_room_nor_the_turn_of_another_stream() {
    let mut pair = Pair::new(7, 0);
    let stalled: Vec<_> = (0..STREAMS_MAX - 1)
        .map(|_| pair.client.mux.open().unwrap())
        .collect();
    let quick = pair.client.mux.open().unwrap();
    let bytes = vec![1; 4 << 20];
    let mut passed = 0;

    for _ in 0..1_000 {
        for slot in &stalled {
            pair.client.mux.write(*slot, &bytes).unwrap();
        }
        pair.client.mux.write(quick, &bytes).unwrap();
        pair.settle();
        let number = pair.client.mux.state(quick).number;
        let slot = pair.host.mux.find(number).unwrap();
        while let Arrived::Bytes(bytes) = pair.host.mux.read(slot).unwrap() {
            let count = bytes.len();
            pair.host.mux.pass(slot, count);
            passed += count;
        }
        assert!(pair.client.mux.kept() <= REPLAY_MAX);
    }

    // No `hurry`: room comes from acknowledgements by bytes alone.
    assert!(passed > 32 << 20, "{passed} bytes passed");
}

fn seeds() -> Vec<u64> {
    match std::env::var("TASUKI_SIM_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..SEEDS).collect(),
    }
}

/// One end: its mux, and what its programs did and saw.
struct End {
    mux: Mux,
    held: Vec<Held>,
    pipe: VecDeque<Vec<u8>>,
}

struct Held {
    slot: Slot,
    /// Which stream of the simulation this is: decides its bytes.
    identity: usize,
    written: u64,
    read: u64,
    shut: bool,
    ended: bool,
}

struct Pair {
    seed: u64,
    random: StdRng,
    /// Of 1,000 steps of a program, how many reset.
    resets: u32,
    client: End,
    host: End,
    opened: usize,
    /// The identity that a number last had.
    identities: HashMap<u8, usize>,
    /// What was written into each direction, when its writer was done, by (identity, role).
    totals: HashMap<(usize, bool), u64>,
    verified: u64,
    cut_short: usize,
}

impl Pair {
    fn new(seed: u64, resets: u32) -> Self {
        let end = |role| End {
            mux: Mux::new(role),
            held: Vec::new(),
            pipe: VecDeque::new(),
        };
        Self {
            seed,
            random: StdRng::seed_from_u64(seed),
            resets,
            client: end(Role::Client),
            host: end(Role::Host),
            opened: 0,
            identities: HashMap::new(),
            totals: HashMap::new(),
            verified: 0,
            cut_short: 0,
        }
    }

    /// Either the pipe moves, or a program does something.
    fn step(&mut self) {
        let client = self.random.gen_bool(0.5);
        match self.random.gen_range(0..10) {
            0..=3 => self.carry(client),
            4 => self.deliver(client),
            5 => self.deliver(!client),
            6 if self.random.gen_bool(0.1) => self.end(client).mux.hurry(),
            6 => self.open(),
            _ => self.program(client),
        }
        self.accept();
        for end in [&self.client, &self.host] {
            assert!(end.mux.kept() <= REPLAY_MAX, "seed {}", self.seed);
            assert!(end.mux.open_streams() <= STREAMS_MAX, "seed {}", self.seed);
        }
    }

    /// Every program writes no more and reads to the end; then nothing may be left.
    fn finish(&mut self) {
        for round in 0.. {
            assert!(round < 10_000, "no end in sight, seed {}", self.seed);
            for client in [true, false] {
                for index in 0..self.end(client).held.len() {
                    self.shut(client, index);
                    self.read(client, index, usize::MAX);
                }
                self.let_go(client);
                self.end(client).mux.hurry();
            }
            self.settle();
            self.accept();
            let ends = [&self.client, &self.host];
            if ends.iter().all(|end| end.held.is_empty()) {
                break;
            }
        }
        self.client.mux.hurry();
        self.host.mux.hurry();
        self.settle();
        for end in [&self.client, &self.host] {
            let over = end.mux.slots.iter().all(Option::is_none) && end.mux.resetting.is_empty();
            assert!(over, "seed {}: {:?}", self.seed, end.mux);
            assert!(!end.mux.has_frame(), "seed {}", self.seed);
        }
    }

    /// Moves frames until both ends have nothing to say.
    fn settle(&mut self) {
        let mut rounds = 0;
        while self.client.mux.has_frame()
            || self.host.mux.has_frame()
            || !self.client.pipe.is_empty()
            || !self.host.pipe.is_empty()
        {
            rounds += 1;
            assert!(rounds < 100_000, "never still, seed {}", self.seed);
            for client in [true, false] {
                self.carry(client);
                self.deliver(client);
            }
        }
    }

    /// One frame out of an end and into its pipe.
    fn carry(&mut self, client: bool) {
        let end = self.end(client);
        let mut buffer = [0; FRAME_MAX];
        if let Some(length) = end.mux.next_frame(&mut buffer) {
            end.pipe.push_back(buffer[..length].to_vec());
        }
    }

    /// A few frames out of an end's pipe and into the other end.
    fn deliver(&mut self, client: bool) {
        for _ in 0..self.random.gen_range(1..8) {
            let Some(frame) = self.end(client).pipe.pop_front() else {
                return;
            };
            let frame = Frame::decode(&frame).unwrap();
            let taken = self.end(!client).mux.handle(&frame);
            assert!(taken.is_ok(), "{taken:?} for {frame:?}, seed {}", self.seed);
        }
    }

    fn open(&mut self) {
        let Ok(slot) = self.client.mux.open() else {
            return;
        };
        let identity = self.opened;
        self.opened += 1;
        self.identities
            .insert(self.client.mux.state(slot).number, identity);
        self.client.held.push(Held::new(slot, identity));
    }

    fn accept(&mut self) {
        while let Some(slot) = self.host.mux.accept() {
            let identity = self.identities[&self.host.mux.state(slot).number];
            self.host.held.push(Held::new(slot, identity));
        }
    }

    fn program(&mut self, client: bool) {
        let count = self.end(client).held.len();
        if count == 0 {
            return;
        }
        let index = self.random.gen_range(0..count);
        match self.random.gen_range(0..1_000) {
            dice if dice < self.resets => {
                let held = self.end(client).held.swap_remove(index);
                self.end(client).mux.release(held.slot);
                self.cut_short += 1;
            }
            dice if dice < self.resets + 30 => self.shut(client, index),
            dice if dice < 600 => self.write(client, index),
            _ => {
                let most = self.random.gen_range(0..100_000);
                self.read(client, index, most);
            }
        }
        self.let_go(client);
    }

    fn write(&mut self, client: bool, index: usize) {
        let count = match self.random.gen_range(0..3) {
            0 => self.random.gen_range(1..100),
            1 => self.random.gen_range(1..20_000),
            _ => self.random.gen_range(1..200_000),
        };
        let end = self.end(client);
        let held = &mut end.held[index];
        if held.shut {
            return;
        }
        let bytes = Pattern::of(held.identity, client).bytes(held.written, count);
        // An error is the peer's reset; the reader will see it too.
        if let Ok(taken) = end.mux.write(held.slot, &bytes) {
            held.written += wide(taken);
        }
    }

    fn shut(&mut self, client: bool, index: usize) {
        let end = self.end(client);
        let held = &mut end.held[index];
        end.mux.shut(held.slot).unwrap();
        held.shut = true;
        let total = ((held.identity, client), held.written);
        self.totals.insert(total.0, total.1);
    }

    fn read(&mut self, client: bool, index: usize, mut most: usize) {
        let seed = self.seed;
        let end = if client {
            &mut self.client
        } else {
            &mut self.host
        };
        let held = &mut end.held[index];
        let pattern = Pattern::of(held.identity, !client);
        while most > 0 {
            match end.mux.read(held.slot) {
                Ok(Arrived::Bytes(bytes)) => {
                    let count = bytes.len().min(most);
                    let right = bytes[..count] == pattern.bytes(held.read, count);
                    assert!(right, "seed {seed}, stream {}", held.identity);
                    held.read += wide(count);
                    end.mux.pass(held.slot, count);
                    most -= count;
                    self.verified += wide(count);
                }
                Ok(Arrived::Nothing) => return,
                Ok(Arrived::End) => {
                    assert_eq!(
                        held.read,
                        self.totals[&(held.identity, !client)],
                        "seed {seed}"
                    );
                    held.ended = true;
                    return;
                }
                Err(_) => {
                    held.ended = true;
                    held.shut = true;
                    return;
                }
            }
        }
    }

    /// Releases what has ended both ways.
    fn let_go(&mut self, client: bool) {
        let End { mux, held, .. } = self.end(client);
        held.retain(|held| {
            let over = held.shut && held.ended;
            if over {
                mux.release(held.slot);
            }
            !over
        });
    }

    fn end(&mut self, client: bool) -> &mut End {
        if client {
            &mut self.client
        } else {
            &mut self.host
        }
    }
}

impl Held {
    fn new(slot: Slot, identity: usize) -> Self {
        Self {
            slot,
            identity,
            written: 0,
            read: 0,
            shut: false,
            ended: false,
        }
    }
}

/// The bytes of one direction: the same noise everywhere, begun at another place.
struct Pattern(u64);

/// A prime, so that frames and windows fall everywhere on it.
const NOISE: usize = 65_521;

impl Pattern {
    fn of(identity: usize, client: bool) -> Self {
        Self((wide(identity) * 2 + u64::from(client)) * 7_919)
    }

    fn bytes(&self, place: u64, count: usize) -> Vec<u8> {
        static NOISES: OnceLock<Vec<u8>> = OnceLock::new();
        let noise = NOISES.get_or_init(|| {
            let mut noise = vec![0; NOISE];
            StdRng::seed_from_u64(0).fill(&mut noise[..]);
            noise
        });
        let mut start = narrow((place + self.0) % wide(NOISE));
        let mut bytes = Vec::with_capacity(count);
        while bytes.len() < count {
            let end = NOISE.min(start + count - bytes.len());
            bytes.extend_from_slice(&noise[start..end]);
            start = 0;
        }
        bytes
    }
}
