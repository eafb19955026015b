//! Out of memory: the relay's control group is nearly full.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use protocol::outer::Frame;
use relay_testkit::{Agent, Host, Place, Relay, Site, connect, session, soon};
use tasuki_relay::admin::status::Status;
use tasuki_relay::limits;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{answers, carries, is_root, until_logged, until_status, until_warned};
use crate::witness::Witness;

const WARNING: &str = "no new connections: memory is short";

/// A control group with bounded memory, of the first version or the second; removed when dropped.
struct Group {
    folder: PathBuf,
    /// Files in it: the limit, what is used, the name of what of it can be dropped, and what
    /// became of it.
    names: [&'static str; 4],
}

impl Group {
    fn new(name: &str, limit: u64) -> Self {
        let first = Path::new("/sys/fs/cgroup/memory");
        let (root, names) = if first.exists() {
            let names = [
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
                "memory.oom_control",
            ];
            (first, names)
        } else {
            let names = [
                "memory.max",
                "memory.current",
                "inactive_file",
                "memory.events",
            ];
            (Path::new("/sys/fs/cgroup"), names)
        };
        let folder = root.join(format!("tasuki-{name}-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let group = Self { folder, names };
        group.write(names[0], limit);
        group
    }

    fn write(&self, file: &str, value: u64) {
        std::fs::write(self.folder.join(file), value.to_string()).unwrap();
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.join(file)).unwrap()
    }

    /// What the kernel would still give.
    fn available(&self) -> u64 {
        let [limit, usage, droppable, _] = self.names;
        let number = |text: String| text.trim().parse::<u64>().unwrap();
        let droppable = self.field("memory.stat", droppable);
        number(self.read(limit)) - (number(self.read(usage)) - droppable)
    }

    /// Processes that the kernel's killer has taken in it.
    fn killed(&self) -> u64 {
        self.field(self.names[3], "oom_kill")
    }

    fn field(&self, file: &str, name: &str) -> u64 {
        let text = self.read(file);
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let (_, value) = lines.find(|(it, _)| *it == name).unwrap();
        value.parse().unwrap()
    }

    /// A command that runs in it.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-ec", "echo 0 > $GROUP/cgroup.procs; exec \"$0\" \"$@\""])
            .arg(program)
            .env("GROUP", &self.folder);
        command
    }

    fn start(&self, site: &Site) -> Relay {
        let mut command = self.command(site.program());
        command.args(site.run().get_args());
        Relay::start(site, command)
    }

    /// Takes so many bytes of it, as a file in memory, until it is dropped. The kernel's killer may
    /// end this too, after the relay: what a process holds in the kernel is free only once it is gone.
    fn fill(&self, bytes: u64) -> Ballast {
        let file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        let mut command = self.command("dd");
        command
            .args(["if=/dev/zero", "bs=65536", "status=none"])
            .arg(format!("of={}", file.path().display()))
            .arg(format!("count={}", bytes / 65_536));
        // Whoever asks sees by the relay what came of it.
        command.status().unwrap();
        Ballast(file)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Busy for a moment after its last process.
        for _ in 0..100 {
            if std::fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

struct Ballast(#[expect(dead_code, reason = "it is removed when dropped")] tempfile::NamedTempFile);

/// Shedding comes before the kernel's killer, who would take all sessions at once.
#[tokio::test(flavor = "multi_thread")]
async fn with_little_memory_left_connections_wait_and_sessions_go_on() {
    if !is_root() {
        return;
    }
    let group = Group::new("memory", 256 << 20);
    let site = crate::site("");
    let relay = group.start(&site);
    let witness = Witness::start(&relay);
    let host = Host::new(1, "pc-1");
    let (mut link, _) = relay.place().registered(&host).await;
    let mut ends = session(relay.place(), &host, &mut link, "pc-1").await;
    assert_eq!(site.status().warnings, [""; 0]);

    let ballast = group.fill(group.available() - limits::MEMORY_RESERVE / 2);
    let status = until_warned(&site, WARNING);

    assert!(status.legs.accept_paused);
    assert_eq!(relay.metrics().get("tasuki_accept_paused"), 1.0);
    until_logged(&relay, WARNING, 1);
    let accepted = relay.metrics().get("tasuki_accepted_total");
    let place = relay.place().clone();
    let waiting = tokio::spawn(async move {
        let mut client = place.leg().await;
        client.send(connect("nobody-here")).await;
        client.refused().await
    });
    carries(&mut ends, 4 << 20).await;
    answers(&mut link, 1).await;
    relay.hear("WATCHDOG=1");
    assert!(!waiting.is_finished());
    assert_eq!(relay.metrics().get("tasuki_accepted_total"), accepted);

    drop(ballast);
    until_status(&site, "memory", |status| status.warnings.is_empty());
    soon("whoever waited", waiting).await.unwrap();
    carries(&mut ends, 4 << 20).await;
    witness.finish();
    drop(relay);
}

/// What shedding cannot prevent: somebody else in the group takes the rest. The unit starts the relay
/// again, and its hosts come back by themselves, with the names that they had.
#[tokio::test(flavor = "multi_thread")]
async fn after_the_kernels_killer_hosts_come_back_by_themselves() {
    if !is_root() {
        return;
    }
    let group = Group::new("killer", 256 << 20);
    let site = crate::site("");
    let mut relay = group.start(&site);
    let place = relay.place().clone();
    let mut hosts = JoinSet::new();
    for number in 0..HOSTS {
        hosts.spawn(come_back(
            place.clone(),
            Host::new(number, &format!("pc-{number}")),
        ));
    }
    let online = |count| move |status: &Status| status.hosts.online == count;
    until_status(&site, "all hosts", online(usize::from(HOSTS)));
    assert_eq!(group.killed(), 0);

    // A few pages more than there are: of two processes, the larger one is killed.
    let ballast = group.fill(group.available() + (1 << 20));

    assert_eq!(relay.exit_code(), None, "killed by a signal");
    assert!(group.killed() >= 1, "by another one than the kernel");
    drop(ballast);
    // As systemd does, on the address that it had.
    let config = std::fs::read_to_string(site.path("relay.toml")).unwrap();
    let there = format!("listen = [\"{}\"]", place.address);
    let config = config.replace("listen = [\"127.0.0.1:0\"]", &there);
    std::fs::write(site.path("relay.toml"), config).unwrap();
    drop(relay);
    let relay = group.start(&site);
    assert_eq!(relay.place().address, place.address);

    let mut back = Vec::new();
    while let Some(host) = soon("all hosts to be back", hosts.join_next()).await {
        back.push(host.unwrap());
    }
    assert_eq!(back.len(), usize::from(HOSTS));
    until_status(&site, "all hosts", online(usize::from(HOSTS)));
    let (host, link) = &mut back[0];
    let id = host.wish.clone().unwrap();
    let mut ends = session(&place, host, link, id.as_str()).await;
    carries(&mut ends, 100_000).await;
}

/// More hosts than that would take longer, and show no more.
const HOSTS: u16 = 50;

/// A host that is linked, loses its link, and tries again until it is linked again under the same
/// name; gives the second link.
async fn come_back(place: Place, host: Host) -> (Host, Agent) {
    let (mut link, first) = place.registered(&host).await;
    while link.answer().await.is_some() {}
    for epoch in 2.. {
        sleep(Duration::from_millis(100)).await;
        let Ok(mut link) = place.dial(protocol::ALPN_LINK, Some(&host)).await else {
            continue;
        };
        if link.try_send(host.register(epoch)).await.is_err() {
            continue;
        }
        match link.answer().await {
            Some(Frame::Registered(again)) => {
                let (first, again) = (&first.claim.claim, &again.claim.claim);
                assert_eq!(first.computer_id, again.computer_id);
                return (host, link);
            }
            None => {}
            other => panic!("{other:?} for a registration"),
        }
    }
    unreachable!("it tries for ever")
}
