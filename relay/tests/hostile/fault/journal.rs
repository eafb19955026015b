//! The log as systemd takes it: one line for each event, with its level in front and all values in
//! it, because `journalctl` shows nothing else.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use relay_testkit::{Host, Relay, session};

use super::{carries, until_logged};

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_gets_levels_and_values() {
    let site = crate::site("");
    // What systemd.exec(5) says of the stream that it connects to standard error.
    let stream = File::create(site.path("relay.log"))
        .unwrap()
        .metadata()
        .unwrap();
    let mut command = site.run();
    command.env(
        "JOURNAL_STREAM",
        format!("{}:{}", stream.dev(), stream.ino()),
    );
    let relay = Relay::start(&site, command);
    let host = Host::new(1, "pc-1");
    let (mut link, _) = relay.place().registered(&host).await;
    let mut ends = session(relay.place(), &host, &mut link, "pc-1").await;
    carries(&mut ends, 10_000).await;
    drop(ends);
    until_logged(&relay, "Session ended", 1);
    site.write_node(20);
    relay.signal("HUP");
    until_logged(&relay, "certificate expires in 19 days", 1);
    std::fs::write(site.path("relay.toml"), "").unwrap();
    relay.signal("HUP");
    until_logged(&relay, "was not taken", 1);

    let log = relay.log();
    let line = |text: &str| {
        let mut lines = log.lines().filter(|line| line.contains(text));
        lines.next().unwrap().to_owned()
    };
    assert!(log.lines().all(|line| line.starts_with('<')), "{log}");
    let ended = line("Session ended");
    assert!(ended.starts_with("<6>Session ended session="), "{ended}");
    for value in ["computer_id=pc-1", "bytes_to_host=10000", "reason=\""] {
        assert!(ended.contains(value), "{ended}");
    }
    assert!(line("Needs attention").starts_with("<4>"), "{log}");
    let refused = line("was not taken");
    assert!(
        refused.starts_with("<3>") && refused.contains("node_file"),
        "{refused}"
    );
}
