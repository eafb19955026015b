//! Threads that do not move: a data worker, and all of the control plane. A debugger stops them.

use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use protocol::outer::Ping;
use relay_testkit::{Host, Relay, session, soon};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{answered, answers, carries, is_root, until_logged, until_status};
use crate::witness::Witness;

/// Threads of a relay that stand still until this is dropped, by the thread that made it.
struct Stopped(Vec<Pid>);

impl Stopped {
    /// Stops every thread whose name fits.
    fn new(relay: &Relay, fits: impl Fn(&str) -> bool) -> Self {
        let mut stopped = Self(Vec::new());
        for entry in std::fs::read_dir(format!("/proc/{}/task", relay.pid())).unwrap() {
            let path = entry.unwrap().path();
            let name = std::fs::read_to_string(path.join("comm")).unwrap();
            if !fits(name.trim()) {
                continue;
            }
            let thread: i32 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            let thread = Pid::from_raw(thread);
            ptrace::attach(thread).unwrap();
            waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
            stopped.0.push(thread);
        }
        assert!(!stopped.0.is_empty());
        stopped
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for thread in &self.0 {
            // A relay that was killed meanwhile needs no letting go.
            let _ = ptrace::detach(*thread, None);
        }
    }
}

/// Beats of a data worker so far.
fn beats(relay: &Relay, worker: usize) -> f64 {
    let series = format!("tasuki_worker_beats_total{{worker=\"{worker}\"}}");
    relay.metrics().get(&series)
}

/// Whether systemd was told that the relay lives.
fn fed(relay: &Relay) -> bool {
    relay
        .heard()
        .iter()
        .any(|message| message.contains("WATCHDOG=1"))
}

/// On the thread that debugs: it must be the one that lets go.
#[tokio::test]
async fn a_worker_that_is_stuck_is_named_and_the_other_goes_on() {
    if !is_root() {
        return;
    }
    let site = crate::site("");
    let relay = site.start();
    let host = Host::new(1, "pc-1");
    let (mut link, _) = relay.place().registered(&host).await;
    let mut sessions = Vec::new();
    for _ in 0..6 {
        sessions.push(session(relay.place(), &host, &mut link, "pc-1").await);
    }
    relay.hear("WATCHDOG=1");

    let stopped = Stopped::new(&relay, |name| name == "data-1");
    let status = until_status(&site, "a stuck worker", |status| {
        !status.process.stuck.is_empty()
    });

    assert_eq!(status.process.stuck, [1]);
    assert!(
        status.warnings[0].starts_with("data worker 1 is stuck"),
        "{status:#?}"
    );
    assert_eq!(relay.metrics().get("tasuki_workers_stuck"), 1.0);
    until_logged(&relay, "data worker 1 is stuck", 1);
    relay.heard();
    // Three more looks of the watch, by the clock of the worker that moves.
    let (mark, still) = (beats(&relay, 0), beats(&relay, 1));
    until_status(&site, "beats", |_| beats(&relay, 0) >= mark + 7.0);
    assert_eq!(beats(&relay, 1), still);
    assert!(!fed(&relay), "systemd must not believe that all is well");
    for (client, _) in &mut sessions {
        client.write_all(&[7]).await.unwrap();
    }
    let mut heard = [false; 6];
    soon("the other worker's sessions", async {
        while heard.iter().filter(|heard| **heard).count() < 3 {
            listen(&sessions, &mut heard).await;
        }
    })
    .await;
    assert!(site.status().process.stuck == [1], "the test came too late");
    // Whoever comes now is spared.
    for _ in 0..4 {
        let mut ends = session(relay.place(), &host, &mut link, "pc-1").await;
        carries(&mut ends, 300_000).await;
        sessions.push(ends);
    }

    drop(stopped);
    until_status(&site, "all to move", |status| status.warnings.is_empty());
    relay.hear("WATCHDOG=1");
    soon("what was sent meanwhile", async {
        while heard.contains(&false) {
            listen(&sessions, &mut heard).await;
        }
    })
    .await;
    for ends in &mut sessions {
        carries(ends, 300_000).await;
    }
    answers(&mut link, 1).await;
    until_logged(&relay, "No longer so", 1);
}

/// Takes the byte that was sent, from whichever session has it.
async fn listen(sessions: &[(TcpStream, TcpStream)], heard: &mut [bool]) {
    for ((_, host), heard) in sessions.iter().zip(heard) {
        let mut byte = [0];
        if !*heard && host.try_read(&mut byte).is_ok() {
            assert_eq!(byte, [7]);
            *heard = true;
        }
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// `TASUKI_STALL_S` says for how long; five seconds are more than three ping intervals here.
#[tokio::test]
async fn while_the_control_plane_stands_still_sessions_go_on_and_then_all_is_served() {
    if !is_root() {
        return;
    }
    let seconds = std::env::var("TASUKI_STALL_S").map_or(5, |text| text.parse().unwrap());
    let stall = Duration::from_secs(seconds);
    let site = crate::site("ping_interval = \"1s\"");
    let relay = site.start();
    let witness = Witness::start(&relay);
    let mut links = Vec::new();
    for number in 0..20 {
        let host = Host::new(number, &format!("pc-{number}"));
        let (link, _) = relay.place().registered(&host).await;
        links.push((host, link));
    }
    relay.hear("WATCHDOG=1");

    for (_, link) in &mut links {
        answers(link, 0).await;
    }

    let stopped = Stopped::new(&relay, |name| !name.starts_with("data-"));
    relay.heard();
    // What comes meanwhile: pings of hosts, and new connections with their first words.
    for (_, link) in &mut links {
        link.send(Ping { number: 1 }).await;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let before = witness.watch(stall / 2);
    let newcomers: Vec<_> = (0..30)
        .map(|number| {
            let place = relay.place().clone();
            runtime.spawn(async move {
                let host = Host::new(100 + number, &format!("late-{number}"));
                place.registered(&host).await
            })
        })
        .collect();
    let after = witness.watch(stall / 2);
    assert!(
        before.messages + after.messages >= 200,
        "{before:?}, {after:?}"
    );
    assert!(!fed(&relay), "systemd must not believe that all is well");
    assert!(newcomers.iter().all(|newcomer| !newcomer.is_finished()));

    drop(stopped);
    relay.hear("WATCHDOG=1");
    let mut registered = Vec::new();
    for newcomer in newcomers {
        registered.push(newcomer.await.unwrap());
    }
    for (_, link) in &mut links {
        answered(link, 1).await;
    }
    for (host, link) in links.iter_mut().take(3) {
        answers(link, 2).await;
        let id = host.wish.clone().unwrap();
        let mut ends = session(relay.place(), host, link, id.as_str()).await;
        carries(&mut ends, 10_000).await;
    }
    let log = relay.log();
    let mut ended = log.lines().filter(|line| line.contains("Link ended"));
    assert!(!ended.any(|line| line.contains("=pc-")), "{log}");
    witness.finish();
    drop(registered);
    runtime.shutdown_background();
}
