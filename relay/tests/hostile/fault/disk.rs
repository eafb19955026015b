//! Disks that are full, or turn read-only: known hosts are served, new names wait.

use std::process::Command;

use protocol::refusal::RefusalCode;
use relay_testkit::{Host, Place, Relay, Site, session};

use super::{carries, is_root, until_logged, until_status, until_warned};
use crate::witness::Witness;

const WARNING: &str = "no new computer IDs";

/// Starts a relay with these mounts, which nobody else sees and which go away with it.
/// `$STATE` names the folder of its state.
fn start(site: &Site, mounts: &str) -> Relay {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-ec"])
        .arg(format!("mkdir -p $STATE; {mounts}; exec \"$0\" \"$@\""))
        .arg(site.program())
        .args(site.run().get_args())
        .env("STATE", site.path("state"));
    Relay::start(site, command)
}

/// Does something to the relay's mounts.
fn within(site: &Site, relay: &Relay, command: &str) {
    let status = Command::new("nsenter")
        .args(["--mount", "--target", &relay.pid().to_string()])
        .args(["sh", "-c", command])
        .env("STATE", site.path("state"))
        .status();
    assert!(status.unwrap().success(), "{command}");
}

/// Registers new hosts until one is refused, and gives the reason.
async fn exhaust(place: &Place, numbers: std::ops::Range<u16>) -> RefusalCode {
    for number in numbers {
        let host = Host::new(number, &format!("new-{number}"));
        let mut link = place.link(&host).await;
        link.send(host.register(1)).await;
        match link.answer().await {
            Some(protocol::outer::Frame::Registered(_)) => {}
            Some(protocol::outer::Frame::Refused(refusal)) => return refusal.code,
            other => panic!("a new host heard {other:?}"),
        }
    }
    panic!("a full disk holds every name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_new_names_only_and_only_while_it_is_full() {
    if !is_root() {
        return;
    }
    let site = crate::site("");
    let relay = start(&site, "mount -t tmpfs -o size=3M,mode=777 tmpfs $STATE");
    let witness = Witness::start(&relay);
    let mut known = Host::new(1, "known");
    let (link, registered) = relay.place().registered(&known).await;
    drop(link);
    known.claim = Some(registered.claim);

    within(
        &site,
        &relay,
        "dd if=/dev/zero of=$STATE/ballast bs=4k 2> /dev/null; test -s $STATE/ballast",
    );
    let code = exhaust(relay.place(), 100..6_000).await;

    assert_eq!(code, RefusalCode::RegistrarUnavailable);
    let status = until_warned(&site, WARNING);
    assert!(
        status.warnings[0].contains("known hosts are not affected"),
        "{status:#?}"
    );
    assert!(
        status.warnings[0].contains("No space left on device"),
        "{status:#?}"
    );
    assert_eq!(relay.metrics().get("tasuki_registrar_writable"), 0.0);
    until_logged(&relay, WARNING, 1);
    let (mut link, _) = relay.place().registered(&known).await;
    let mut ends = session(relay.place(), &known, &mut link, "known").await;
    carries(&mut ends, 100_000).await;

    within(&site, &relay, "rm $STATE/ballast");
    // It tries again every ten seconds.
    until_status(&site, "a disk with room", |status| {
        status.warnings.is_empty()
    });
    relay.place().registered(&Host::new(6_000, "after")).await;
    assert_eq!(relay.metrics().get("tasuki_registrar_writable"), 1.0);
    witness.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_tells_what_it_knows_and_is_written_when_it_can_be() {
    if !is_root() {
        return;
    }
    let site = crate::site("");
    let known = Host::new(1, "known");
    let mut relay = site.start();
    relay.place().registered(&known).await;
    until_status(&site, "a host", |status| status.hosts.known == 1);
    // A store that was not closed needs repair, which is writing.
    relay.signal("TERM");
    assert_eq!(relay.exit_code(), Some(0));

    let bind = "mount --bind $STATE $STATE; mount -o remount,bind,ro $STATE";
    let relay = start(&site, bind);

    let status = until_warned(&site, WARNING);
    assert_eq!(status.hosts.known, 1, "read from the disk");
    assert!(
        status.warnings[0].contains("Read-only file system"),
        "{status:#?}"
    );
    let stranger = Host::new(2, "known");
    let mut link = relay.place().link(&stranger).await;
    link.send(stranger.register(1)).await;
    assert_eq!(link.refused().await, RefusalCode::IdTaken);
    let (mut link, _) = relay.place().registered(&known).await;
    let mut ends = session(relay.place(), &known, &mut link, "known").await;
    carries(&mut ends, 100_000).await;
    assert_eq!(
        exhaust(relay.place(), 100..101).await,
        RefusalCode::RegistrarUnavailable
    );

    within(&site, &relay, "mount -o remount,bind,rw $STATE");
    until_status(&site, "a writable disk", |status| {
        status.warnings.is_empty()
    });
    relay.place().registered(&Host::new(6_000, "after")).await;
    carries(&mut ends, 100_000).await;
}
