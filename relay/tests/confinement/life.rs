//! A relay's life from the first signal to the last, under strace: nothing that it does is refused.

use std::process::Command;

use relay_testkit::{Host, Relay, Site, session, soon, until};
use tasuki_relay::admin::status::Phase;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::site;

/// More than all buffers on the way hold, so that both sides have to wait for each other.
const BULK: usize = 8 << 20;

#[tokio::test]
async fn nothing_of_a_life_of_splicing_is_refused() {
    refused_in_a_life_with("data_path = \"splice\"").await;
}

#[tokio::test]
async fn nothing_of_a_life_of_copying_is_refused() {
    refused_in_a_life_with("data_path = \"copy\"").await;
}

async fn refused_in_a_life_with(setting: &str) {
    let site = site(setting);
    let calls = site.path("calls");
    let mut strace = Command::new("strace");
    // As a grandchild, so that the relay is the child that signals go to; failed calls only.
    strace
        .args(["-D", "-f", "-q", "-y", "-Z", "-o"])
        .arg(&calls);
    strace.arg(site.program()).args(["run", "--config"]);
    strace.arg(site.path("relay.toml"));
    let mut relay = Relay::start(&site, strace);

    live(&site, &mut relay).await;

    // strace writes its last lines after the relay has ended.
    let told = || std::fs::read_to_string(&calls).unwrap();
    until("strace's end", || told().contains("+++ exited with 0 +++")).await;
    let calls = told();
    let refused: Vec<&str> = calls.lines().filter(|line| is_refused(line)).collect();
    assert_eq!(refused, [""; 0]);
    // The one refusal that is meant to be: glibc asks once, and takes `clone` from then on.
    assert!(
        calls.contains("clone3"),
        "the filter was not there:\n{calls}"
    );
}

/// EPERM is the filter's word, EACCES Landlock's.
fn is_refused(line: &str) -> bool {
    line.contains(" = -1 EPERM") || line.contains(" = -1 EACCES")
}

pub(crate) async fn live(site: &Site, relay: &mut Relay) {
    let place = relay.place().clone();
    let host = Host::new(1, "pc-1");

    // A claim is written, a session carries bulk both ways and a little, and ends.
    let (mut link, registered) = place.registered(&host).await;
    assert_eq!(registered.claim.claim.computer_id.as_str(), "pc-1");
    let (client, leg) = session(&place, &host, &mut link, "pc-1").await;
    let (mut client, mut leg) = tokio::join!(talk(client), talk(leg));
    client.shutdown().await.unwrap();
    assert_eq!(leg.read(&mut [0]).await.unwrap(), 0);
    drop((client, leg));
    until("the end of the session", || site.status().sessions.now == 0).await;

    // A renewed node file comes from another folder, and a wrong one after it.
    std::fs::create_dir(site.path("incoming")).unwrap();
    site.write_node(20);
    std::fs::rename(site.path("node.toml"), site.path("incoming/node.toml")).unwrap();
    std::fs::rename(site.path("incoming/node.toml"), site.path("node.toml")).unwrap();
    relay.signal("HUP");
    until("the renewed certificate", || {
        site.status().certificate.days_left == 19
    })
    .await;
    std::fs::write(site.path("node.toml"), "format = 1\n").unwrap();
    relay.signal("HUP");
    until("a word on the wrong file", || {
        relay.log().contains("The configuration was not taken")
    })
    .await;

    // Another claim, a stranger who breaks off, and everything that an operator asks.
    let (_other, _) = place.registered(&Host::new(2, "pc-2")).await;
    drop(place.tcp().await.unwrap());
    assert!(relay.metrics().get("tasuki_bytes_total{to=\"host\"}") > 0.0);
    assert!(site.ask(&["status"]).status.success());
    assert!(site.ask(&["registrar", "export"]).status.success());
    relay.hear("WATCHDOG=1");
    assert!(site.ask(&["drain", "--deadline", "1h"]).status.success());
    assert_eq!(site.status().phase, Phase::Draining);
    relay.signal("TERM");
    assert_eq!(relay.exit_code(), Some(0));
    assert!(!site.path("run/control.sock").exists());
}

/// Sends bulk while reading it, then one byte each way.
async fn talk(stream: TcpStream) -> TcpStream {
    let (mut reading, mut writing) = stream.into_split();
    let send = async {
        writing.write_all(&vec![7; BULK]).await.unwrap();
    };
    let mut received = vec![0; BULK];
    let (_, read) = soon("bulk", async {
        tokio::join!(send, reading.read_exact(&mut received))
    })
    .await;
    read.unwrap();
    writing.write_all(&[8]).await.unwrap();
    soon("a byte", reading.read_exact(&mut [0])).await.unwrap();
    reading.reunite(writing).unwrap()
}

#[tokio::test]
async fn every_thread_is_confined() {
    let site = site("");
    let relay = site.start();

    let mut threads = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{}/task", relay.pid())).unwrap() {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().to_owned()
        };
        let name = field("Name:");
        assert_eq!(field("Seccomp:"), "2", "{name} has no filter");
        assert_eq!(field("NoNewPrivs:"), "1", "{name}");
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(field(set), "0000000000000000", "{set} of {name}");
        }
        threads.push(name);
    }

    assert!(
        threads.iter().any(|name| name.starts_with("control")),
        "{threads:?}"
    );
    assert!(
        threads.iter().any(|name| name.starts_with("data")),
        "{threads:?}"
    );
    let sandbox = site.status().sandbox;
    assert!(sandbox.enabled && sandbox.seccomp);
    let metrics = relay.metrics();
    assert_eq!(metrics.get("tasuki_sandbox{by=\"seccomp\"}"), 1.0);
    let landlock = f64::from(u8::from(sandbox.landlock.is_some()));
    assert_eq!(metrics.get("tasuki_sandbox{by=\"landlock\"}"), landlock);
}
