//! How fast a tunnel is. Run by hand, in release mode, alone:
//! `cargo test --release -p agent --lib throughput -- --ignored --nocapture`

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::streams::tcp_pair;
use super::*;
use crate::tunnel::Stream;

const TIME: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "a measurement, not a test"]
async fn throughput_both_ways_over_loopback() {
    let (near, far) = tcp_pair().await;
    let (client, host) = tunnels(near, far).await;
    let stream = client.open().unwrap();
    let far_stream = host.accept().await.unwrap();

    let cpu = cpu_seconds();
    let start = Instant::now();
    let (there, back) = tokio::join!(
        tokio::spawn(both_ways(stream)),
        tokio::spawn(both_ways(far_stream))
    );

    let seconds = start.elapsed().as_secs_f64();
    let rate = |bytes: u64| f64::from(u32::try_from(bytes >> 20).unwrap()) / seconds;
    println!(
        "client to host {:.0} MiB/s, host to client {:.0} MiB/s, CPU {:.2} cores",
        rate(back.unwrap()),
        rate(there.unwrap()),
        (cpu_seconds() - cpu) / seconds,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "a measurement, not a test"]
async fn round_trips_of_small_messages() {
    let (near, far) = tcp_pair().await;
    let (client, host) = tunnels(near, far).await;
    let mut stream = client.open().unwrap();
    let mut far_stream = host.accept().await.unwrap();
    let echo = tokio::spawn(async move {
        let mut bytes = [0; 200];
        while far_stream.read_exact(&mut bytes).await.is_ok() {
            far_stream.write_all(&bytes).await.unwrap();
        }
    });
    let mut times = Vec::new();

    for _ in 0..20_000 {
        let start = Instant::now();
        stream.write_all(&[1; 200]).await.unwrap();
        stream.read_exact(&mut [0; 200]).await.unwrap();
        times.push(start.elapsed());
    }

    times.sort();
    println!("median {:?}, 99 % {:?}", times[10_000], times[19_800]);
    echo.abort();
}

/// Writes and reads for [`TIME`], then to the end; gives the bytes read.
async fn both_ways(stream: Stream) -> u64 {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let writing = tokio::spawn(async move {
        let bytes = vec![0x5a; 64 * 1024];
        let start = Instant::now();
        while start.elapsed() < TIME {
            writer.write_all(&bytes).await.unwrap();
        }
        writer.shutdown().await.unwrap();
    });
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0;
    loop {
        let count = reader.read(&mut buffer).await.unwrap();
        if count == 0 {
            writing.await.unwrap();
            return total;
        }
        total += u64::try_from(count).unwrap();
    }
}

/// CPU time of this process so far ([proc_pid_stat(5)]: fields 14 and 15, in 1/100 s).
///
/// [proc_pid_stat(5)]: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks = fields.split(' ').skip(11).take(2);
    ticks
        .map(|field| field.parse::<f64>().unwrap())
        .sum::<f64>()
        / 100.0
}
