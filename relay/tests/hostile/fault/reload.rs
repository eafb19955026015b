//! SIGHUP with changed files: everything at once or nothing, and nobody notices who need not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use protocol::refusal::RefusalCode;
use relay_testkit::{Host, Place, Relay, session};

use super::{answers, carries, until_status};
use crate::witness::Witness;

/// Sends SIGHUP, and waits until systemd has heard of the beginning and of the end.
fn reload(relay: &Relay) {
    relay.heard();
    relay.signal("HUP");
    relay.hear("RELOADING=1");
    relay.hear("READY=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_reloads_under_load_lose_nothing() {
    let site = crate::site("");
    let relay = site.start();
    let witness = Witness::start(&relay);
    let standing = Host::new(1, "standing");
    let (mut link, _) = relay.place().registered(&standing).await;
    let (stop, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU32::new(0)),
    );
    let load = tokio::spawn(log_on(
        relay.place().clone(),
        Arc::clone(&stop),
        Arc::clone(&done),
    ));

    for round in 0..100 {
        let hosts = 1_000 + round;
        site.write_config(&format!(
            "ping_interval = \"{}s\"\n[limits]\nhosts = {hosts}\n[[bar]]\nrange = \"203.0.113.{round}\"\n",
            20 + round % 5
        ));
        if round % 10 == 0 {
            site.write_node(100 + round);
        }
        reload(&relay);
        let status = site.status();
        assert_eq!(status.hosts.limit, usize::try_from(hosts).unwrap());
        assert_eq!(status.warnings, [""; 0]);
        answers(&mut link, round).await;
    }

    stop.store(true, Ordering::Relaxed);
    load.await.unwrap();
    assert!(
        done.load(Ordering::Relaxed) > 0,
        "nobody logged on meanwhile"
    );
    let log = relay.log();
    assert_eq!(
        log.matches("Read the configuration again").count(),
        100,
        "{log}"
    );
    assert_eq!(site.status().sessions.ended["operator"], 0);
    witness.finish();
}

/// New hosts, links and sessions, one after the other; each must succeed.
async fn log_on(place: Place, stop: Arc<AtomicBool>, done: Arc<AtomicU32>) {
    for number in 0.. {
        let id = format!("load-{number}");
        let host = Host::new(10_000 + number, &id);
        let (mut link, _) = place.registered(&host).await;
        let mut ends = session(&place, &host, &mut link, &id).await;
        carries(&mut ends, 20_000).await;
        done.fetch_add(1, Ordering::Relaxed);
        if stop.load(Ordering::Relaxed) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_mistake_and_nothing_changes_but_every_mistake_is_told() {
    let site = crate::site("ping_interval = \"20s\"");
    let relay = site.start();
    let witness = Witness::start(&relay);
    assert_eq!(relay.metrics().get("tasuki_reload_refused"), 0.0);

    site.write_config("ping_interval = \"10s\"\nworkres = 2\ndrain_deadline = \"1 week\"\n");
    site.write_node(20);
    reload(&relay);

    let status = site.status();
    assert_eq!(status.configuration.mistakes.len(), 2, "{status:#?}");
    assert_eq!(
        status.certificate.days_left, 99,
        "the node file was good, and waits"
    );
    let warning = status.warnings.join("\n");
    assert!(warning.contains("the old one stays in use"), "{warning}");
    assert!(warning.contains("and 1 more"), "{warning}");
    assert_eq!(relay.metrics().get("tasuki_reload_refused"), 1.0);
    for key in [
        "workres: unknown key",
        "drain_deadline: '1 week': is not a duration",
    ] {
        assert!(relay.log().contains(key), "{}", relay.log());
    }
    let (_, registered) = relay.place().registered(&Host::new(1, "pc-1")).await;
    assert_eq!(registered.ping_interval_s, 20);

    site.write_config("ping_interval = \"10s\"\n");
    reload(&relay);

    let status = site.status();
    assert!(status.configuration.mistakes.is_empty(), "{status:#?}");
    assert_eq!(status.certificate.days_left, 19);
    assert_eq!(relay.metrics().get("tasuki_reload_refused"), 0.0);
    let (_, registered) = relay.place().registered(&Host::new(2, "pc-2")).await;
    assert_eq!(registered.ping_interval_s, 10);
    witness.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_named_and_the_rest_is_taken() {
    let site = crate::site("drain_deadline = \"1h\"");
    let relay = site.start();
    let witness = Witness::start(&relay);

    site.write_config("data_path = \"copy\"\n[limits]\nsessions = 7\nhosts = 0x10\n");
    reload(&relay);

    let status = site.status();
    assert_eq!(
        status.configuration.needs_restart,
        ["data_path", "limits.sessions"]
    );
    assert_eq!((status.hosts.limit, status.sessions.limit), (16, 2_000));
    let warning = "changes of data_path, limits.sessions wait for a restart";
    assert_eq!(status.warnings, [warning]);
    assert_eq!(relay.metrics().get("tasuki_restart_needed"), 2.0);
    let text = site.ask(&["status"]).stdout;
    assert!(String::from_utf8_lossy(&text).contains(warning));

    site.write_config("");
    reload(&relay);
    assert_eq!(site.status().warnings, [""; 0]);
    witness.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bar_that_comes_by_reload_ends_what_it_bars_and_nothing_else() {
    let site = crate::site("");
    let relay = site.start();
    let witness = Witness::start(&relay);
    let from = |address: &str| relay.place().from(address.parse().unwrap());
    let (barred, free) = (Host::new(1, "barred"), Host::new(2, "free"));
    let (mut barred_link, _) = from("127.8.8.8").registered(&barred).await;
    let (mut free_link, _) = from("127.8.7.7").registered(&free).await;
    let _ended = session(&from("127.8.8.8"), &barred, &mut barred_link, "barred").await;
    let mut stays = session(&from("127.8.7.7"), &free, &mut free_link, "free").await;

    site.write_config("[[bar]]\nrange = \"127.8.8.0/24\"\ncontact = \"net@example.org\"\n");
    reload(&relay);

    let refusal = barred_link.refusal().await;
    assert_eq!(refusal.code, RefusalCode::Barred);
    assert_eq!(refusal.contact.contact.as_str(), "net@example.org");
    until_status(&site, "the end of a session", |status| {
        status.sessions.ended["operator"] == 1
    });
    let mut again = from("127.8.8.8").link(&barred).await;
    again.send(barred.register(2)).await;
    assert_eq!(again.refused().await, RefusalCode::Barred);
    carries(&mut stays, 100_000).await;
    answers(&mut free_link, 1).await;

    site.write_config("");
    reload(&relay);
    let mut again = from("127.8.8.8").link(&barred).await;
    again.send(barred.register(3)).await;
    again.registered().await;
    witness.finish();
}

/// `systemctl reload` of a `Type=notify-reload` unit waits for the answer to its own signal, and
/// knows it by the time (`sd_notify(3)`, `RELOADING=1`).
#[test]
fn systemd_can_tell_to_which_signal_an_answer_belongs() {
    let site = crate::site("");
    let relay = site.start();
    let now = || {
        let uptime = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
        u64::try_from(uptime.tv_sec()).unwrap() * 1_000_000
            + u64::try_from(uptime.tv_nsec()).unwrap() / 1_000
    };
    let before = now();

    relay.signal("HUP");
    let told = relay.hear("RELOADING=1");

    let time = told
        .lines()
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    let time: u64 = time.unwrap().parse().unwrap();
    assert!((before..=now()).contains(&time), "{told}");
    assert!(relay.hear("READY=1").contains("STATUS=Serving"));
}
