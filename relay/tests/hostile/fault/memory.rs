//! Out of memory: the relay's control group is nearly full.

use std::path::{Path, PathBuf};
use std::process::Command;

use relay_testkit::{Host, Relay, Site, connect, session, soon};
use tasuki_relay::limits;

use super::{answers, carries, is_root, until_logged, until_status, until_warned};
use crate::witness::Witness;

const WARNING: &str = "no new connections: memory is short";

/// A control group with bounded memory, of the first version or the second; removed when dropped.
struct Group {
    folder: PathBuf,
    /// Files in it: the limit, what is used, and the name of what of it can be dropped.
    names: [&'static str; 3],
}

impl Group {
    fn new(name: &str, limit: u64) -> Self {
        let first = Path::new("/sys/fs/cgroup/memory");
        let (root, names) = if first.exists() {
            let names = [
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            ];
            (first, names)
        } else {
            let names = ["memory.max", "memory.current", "inactive_file"];
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
        let [limit, usage, droppable] = self.names;
        let number = |text: String| text.trim().parse::<u64>().unwrap();
        let stat = self.read("memory.stat");
        let mut lines = stat.lines().filter_map(|line| line.split_once(' '));
        let (_, droppable) = lines.find(|(name, _)| *name == droppable).unwrap();
        let droppable = number(droppable.to_owned());
        number(self.read(limit)) - (number(self.read(usage)) - droppable)
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

    /// Takes so many bytes of it, as a file in memory, until it is dropped.
    fn fill(&self, bytes: u64) -> Ballast {
        let file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        let mut command = self.command("dd");
        command
            .args(["if=/dev/zero", "bs=65536", "status=none"])
            .arg(format!("of={}", file.path().display()))
            .arg(format!("count={}", bytes / 65_536));
        assert!(command.status().unwrap().success());
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
            std::thread::sleep(std::time::Duration::from_millis(20));
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
