//! What the relay does with the bytes: nearly all of them stay in the kernel.

use std::process::Command;
use std::time::Instant;

use crate::harness::{Lab, PATIENCE, Process, Target, exchange, transfer_size, wait_for};

/// 1 GiB each way, or what `TASUKI_TRANSFER_MIB` says.
#[test]
fn a_large_file_keeps_its_hash_both_ways_at_once_and_99_percent_of_it_is_spliced() {
    let size = transfer_size();
    let (told, heard) = std::sync::mpsc::sync_channel(1);
    let target = Target::new(move |stream| {
        let hashes = exchange(&stream, 6, size);
        told.send(hashes).expect("the test waits");
    });
    let lab = Lab::new();
    let host = lab.host("office", target.address);
    let open = lab.client("home").open(&host.id);
    let began = Instant::now();

    let (sent, received) = exchange(&open.connect(), 7, size);

    let took = began.elapsed();
    assert_eq!(heard.recv_timeout(PATIENCE), Ok((received, sent)));
    let bytes = &lab.relay_status()["bytes"];
    let count =
        |name: &str| usize::try_from(bytes[name].as_u64().expect("a number")).expect("fits");
    let (spliced, copied) = (count("spliced"), count("copied"));
    println!("{size} bytes each way in {took:?}; {spliced} spliced, {copied} copied");
    assert!(spliced + copied >= 2 * size, "{bytes}");
    assert!(copied * 99 <= spliced, "{bytes}");
}

/// What the relay says of itself, held against what the kernel saw it do.
#[test]
fn system_calls_move_the_bulk_without_reading_it() {
    const SIZE: usize = 32 << 20;
    let target = Target::new(|stream| {
        exchange(&stream, 8, SIZE);
    });
    let mut lab = Lab::new();
    let host = lab.host("office", target.address);
    let open = lab.client("home").open(&host.id);
    let relay = lab.relay().id().to_string();
    let calls = lab.path("calls");
    let mut strace = Command::new("strace");
    strace
        .args([
            "-f",
            "-qq",
            "-e",
            "trace=splice,read,readv,recvfrom,recvmsg",
            "-o",
        ])
        .arg(&calls)
        .args(["-p", &relay]);
    let mut strace = Process::start("strace", &lab.logs(), &mut strace);
    wait_for("strace", PATIENCE, || {
        assert!(
            strace.has_ended().is_none(),
            "strace: {}",
            strace.complained()
        );
        is_traced(&relay).then_some(())
    });

    exchange(&open.connect(), 9, SIZE);

    strace.interrupt();
    strace.ended(PATIENCE);
    let calls = std::fs::read_to_string(calls).expect("strace has written");
    let (spliced, read) = bytes_moved(&calls);
    println!("{spliced} bytes by splice, {read} by read and its like");
    // Each byte is spliced twice, into a pipe and out of it, in each of two directions.
    assert!(
        spliced * 100 >= 4 * SIZE * 99,
        "{spliced} bytes were spliced"
    );
    assert!(read * 99 <= spliced / 2, "{read} bytes were read");
}

fn is_traced(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    !status.contains("TracerPid:\t0\n")
}

/// Sums of the results of splice, and of the calls that bring bytes to user space.
fn bytes_moved(calls: &str) -> (usize, usize) {
    let mut sums = (0, 0);
    for line in calls.lines() {
        let Some((call, result)) = line.rsplit_once(" = ") else {
            continue;
        };
        let count = result
            .split(' ')
            .next()
            .and_then(|count| count.parse::<usize>().ok());
        if call.contains("splice") {
            sums.0 += count.unwrap_or(0);
        } else {
            sums.1 += count.unwrap_or(0);
        }
    }
    sums
}
