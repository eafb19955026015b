//! The log as systemd's journal takes it: the native protocol, with a level, with every value as a
//! field, and with all of them in the message, because `journalctl` shows nothing else.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use relay_testkit::{Host, PATIENCE, Relay, Site, session};

use super::{carries, is_root};

/// Puts the folder that is the first argument where the journal has its socket, in a mount namespace.
const PLACE: &str = "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal \
                     && mount --bind \"$0\" /run/systemd/journal && exec \"$@\"";

/// One entry: its fields by name.
type Entry = BTreeMap<String, String>;

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_gets_levels_and_values() {
    if !is_root() {
        return;
    }
    let site = crate::site("");
    let (journal, relay) = start(&site);
    let host = Host::new(1, "pc-1");
    let (mut link, _) = relay.place().registered(&host).await;
    let mut ends = session(relay.place(), &host, &mut link, "pc-1").await;
    carries(&mut ends, 10_000).await;
    drop(ends);

    let ended = next(&journal, "Session ended");
    let message = &ended["MESSAGE"];
    for value in ["computer_id=pc-1", "bytes_to_host=10000", "reason=\""] {
        assert!(message.contains(value), "{message}");
    }
    assert_eq!(ended["F_COMPUTER_ID"], "pc-1");
    assert_eq!(ended["F_BYTES_TO_HOST"], "10000");
    assert_eq!(ended["SYSLOG_IDENTIFIER"], "tasuki-relay");
    assert_eq!(ended["PRIORITY"], "5", "notice");

    site.write_node(20);
    relay.signal("HUP");
    let warned = next(&journal, "certificate expires in 19 days");
    assert_eq!(warned["PRIORITY"], "4", "warning");
    std::fs::write(site.path("relay.toml"), "").unwrap();
    relay.signal("HUP");
    let refused = next(&journal, "was not taken");
    assert_eq!(refused["PRIORITY"], "3", "error");
    assert!(refused["MESSAGE"].contains("node_file"), "{refused:?}");
    assert_eq!(relay.log(), "", "nothing is told twice");
}

/// A relay that systemd has started, by all that it can see.
fn start(site: &Site) -> (UnixDatagram, Relay) {
    let folder = site.path("journal");
    std::fs::create_dir(&folder).unwrap();
    let journal = UnixDatagram::bind(folder.join("socket")).unwrap();
    journal.set_read_timeout(Some(PATIENCE)).unwrap();
    // The relay is not root by then.
    let open = Permissions::from_mode(0o777);
    std::fs::set_permissions(folder.join("socket"), open).unwrap();
    let stream = File::create(site.path("relay.log")).unwrap();
    let stream = stream.metadata().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", PLACE]).arg(&folder);
    let run = site.run();
    command.arg(run.get_program()).args(run.get_args());
    let names = format!("{}:{}", stream.dev(), stream.ino());
    command.env("JOURNAL_STREAM", names);
    let relay = Relay::start(site, command);
    (journal, relay)
}

/// The next entry whose message contains this.
fn next(journal: &UnixDatagram, text: &str) -> Entry {
    let mut buffer = [0; 64 * 1024];
    loop {
        let length = journal.recv(&mut buffer).expect("an entry in time");
        let entry = parse(&buffer[..length]);
        let message = entry.get("MESSAGE");
        if message.is_some_and(|message| message.contains(text)) {
            return entry;
        }
    }
}

/// Reads `NAME=value` and, where a value may have lines, `NAME`, its length and the value
/// (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).
fn parse(mut rest: &[u8]) -> Entry {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut entry = Entry::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        if let Some(at) = line.iter().position(|byte| *byte == b'=') {
            entry.insert(text(&line[..at]), text(&line[at + 1..]));
            rest = after;
        } else {
            let (length, after) = after.split_first_chunk().unwrap();
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap();
            entry.insert(text(line), text(&after[..length]));
            rest = &after[length + 1..];
        }
    }
    entry
}
