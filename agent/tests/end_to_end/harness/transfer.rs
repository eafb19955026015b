//! Bytes to send, and their hashes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use sha2::{Digest, Sha256};

use super::Open;

const BLOCK: usize = 1 << 20;
/// A large file, as the product's promises count it.
const MIB: usize = 1024;

/// Bytes of a large transfer: 1 GiB, or what `TASUKI_TRANSFER_MIB` says.
pub(crate) fn transfer_size() -> usize {
    let asked = std::env::var("TASUKI_TRANSFER_MIB").ok();
    let mib = asked.map_or(MIB, |mib| {
        mib.parse().expect("TASUKI_TRANSFER_MIB is a number")
    });
    mib * BLOCK
}

/// The same bytes for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// Sends `size` bytes of noise while reading to the end; the hashes of what went and what came.
pub(crate) fn exchange(stream: &TcpStream, seed: u64, size: usize) -> ([u8; 32], [u8; 32]) {
    std::thread::scope(|scope| {
        let sent = scope.spawn(move || send(stream, seed, size));
        let mut hash = Sha256::new();
        let mut block = vec![0; BLOCK];
        loop {
            match (&mut &*stream).read(&mut block).expect("ends in order") {
                0 => break,
                length => hash.update(&block[..length]),
            }
        }
        (sent.join().expect("sends"), hash.finalize().into())
    })
}

fn send(mut stream: &TcpStream, seed: u64, size: usize) -> [u8; 32] {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK];
    for _ in 0..size / BLOCK {
        rng.fill_bytes(&mut block);
        hash.update(&block);
        stream.write_all(&block).expect("is taken");
    }
    stream.shutdown(Shutdown::Write).expect("is open");
    hash.finalize().into()
}

/// Checks that a new connection carries bytes both ways.
pub(crate) fn works(open: &Open) {
    round_trip(&open.connect(), b"are you there?");
}

/// Sends and reads back without ending anything.
pub(crate) fn round_trip(mut stream: &TcpStream, sent: &[u8]) {
    stream.write_all(sent).expect("is taken");
    let mut heard = vec![0; sent.len()];
    stream.read_exact(&mut heard).expect("comes back");
    assert!(heard == sent, "other bytes came back");
}
