//! Out of descriptors: at the limit of the start, and below what is in use already.

use std::net::TcpStream;
use std::process::Command;

use relay_testkit::{Host, Relay, session};

use super::{answers, carries, is_root, until_logged, until_status, until_warned};
use crate::witness::Witness;

const WARNING: &str = "no new connections: descriptors are short; raise LimitNOFILE";

fn limit(relay: &Relay, soft: u32) {
    // As the relay's own user: even root may not, where it lacks CAP_SYS_RESOURCE.
    let nobody = "setpriv --reuid nobody --regid nogroup --clear-groups prlimit";
    let words = if is_root() { nobody } else { "prlimit" };
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{words} --pid {} --nofile={soft}:", relay.pid()))
        .status();
    assert!(status.unwrap().success());
}

/// Connections that say nothing and hold a descriptor each.
fn strangers(relay: &Relay, count: usize) -> Vec<TcpStream> {
    let connect = |_| TcpStream::connect(relay.place().address).unwrap();
    (0..count).map(connect).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn at_its_limit_it_lets_connections_wait_and_says_so() {
    let site = crate::site("");
    let mut command = Command::new("prlimit");
    command.arg("--nofile=300").arg(site.program());
    command.args(site.run().get_args());
    let relay = Relay::start(&site, command);
    assert_eq!(site.status().process.descriptors_limit, 300);
    let witness = Witness::start(&relay);
    let host = Host::new(1, "pc-1");
    let (mut link, _) = relay.place().registered(&host).await;

    let strangers = strangers(&relay, 100);

    let status = until_warned(&site, WARNING);
    assert!(status.legs.accept_paused);
    assert!(status.legs.unproven < 100, "{status:#?}");
    assert_eq!(relay.metrics().get("tasuki_accept_paused"), 1.0);
    assert!(relay.descriptors() < 300);
    until_logged(&relay, WARNING, 1);
    relay.hear("WATCHDOG=1");
    answers(&mut link, 1).await;

    drop(strangers);
    until_status(&site, "room", |status| status.warnings.is_empty());
    let mut ends = session(relay.place(), &host, &mut link, "pc-1").await;
    carries(&mut ends, 100_000).await;
    witness.finish();
}

/// As with `prlimit(1)` on a running relay, or with a neighbour that takes all of `fs.file-max`.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_below_what_is_in_use_ends_nobody_and_can_be_asked_about() {
    let site = crate::site("");
    let relay = site.start();
    let witness = Witness::start(&relay);
    let host = Host::new(1, "pc-1");
    let (mut link, _) = relay.place().registered(&host).await;
    let mut old = session(relay.place(), &host, &mut link, "pc-1").await;
    let strangers = strangers(&relay, 40);
    until_status(&site, "strangers", |status| status.legs.unproven >= 40);
    relay.heard();

    limit(&relay, 32);
    assert!(relay.descriptors() > 32);

    // Asked by both ways, again and again.
    for _ in 0..10 {
        let status = until_warned(&site, WARNING);
        assert_eq!(status.process.descriptors_limit, 32);
        assert_eq!(relay.metrics().get("tasuki_accept_paused"), 1.0);
    }
    relay.hear("WATCHDOG=1");
    relay.hear("WATCHDOG=1");
    // Bulk needs a pipe, and there is none to be had.
    carries(&mut old, 4 << 20).await;
    until_logged(&relay, "No pipe to be had, bulk is copied", 1);
    answers(&mut link, 1).await;
    let waiting = relay.place().tcp().await.unwrap();

    limit(&relay, 4_096);
    until_status(&site, "room", |status| status.warnings.is_empty());
    let mut ends = session(relay.place(), &host, &mut link, "pc-1").await;
    carries(&mut ends, 100_000).await;
    drop((waiting, strangers));
    witness.finish();
}
