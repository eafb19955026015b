//! Out of pipes: somebody else of the relay's user holds all the pages that the kernel allows to
//! pipes of one user (`fs.pipe-user-pages-soft`).
//!
//! The relay gets a user of its own, so that no other test's relay is concerned.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use nix::unistd::User;
use relay_testkit::{Host, Relay, Site, session, until};
use tasuki_relay::limits;

use super::{carries, is_root, until_logged};
use crate::witness::Witness;

/// Nobody's processes run as it.
const USER: &str = "games";

const WARNING: &str = "No pipe to be had, bulk is copied error=Operation not permitted";

/// Makes pipes as large as they may be (`F_SETPIPE_SZ`, 1 MiB), then smaller ones for the rest, says
/// so and waits.
const HOLD: &str = r#"
sub another { pipe(my $end, my $other) or die $!; push @ends, $end, $other; $other }
1 while fcntl(another(), 1031, 1 << 20);
another() for 1..32;
$| = 1;
print "held\n";
<STDIN>;
"#;

/// All pages of the user, until it is dropped.
struct Holder(Child);

impl Holder {
    fn start() -> Self {
        let user = User::from_name(USER).unwrap().unwrap();
        let mut child = Command::new("perl")
            .args(["-e", HOLD])
            .uid(user.uid.as_raw())
            .gid(user.gid.as_raw())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut said)
            .unwrap();
        assert_eq!(said, "held\n");
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn pipes(relay: &Relay) -> f64 {
    let metrics = relay.metrics();
    metrics.get("tasuki_pipes_in_use") + metrics.get("tasuki_pipes_idle")
}

fn shortages(relay: &Relay) -> f64 {
    relay.metrics().get("tasuki_pipe_shortages_total")
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_pipe_to_be_had_bulk_is_copied_until_there_are_some_again() {
    if !is_root() {
        return;
    }
    let holder = Holder::start();
    let site = Site::of_user(env!("CARGO_BIN_EXE_tasuki-relay"), USER, "");
    let relay = site.start();
    let witness = Witness::start(&relay);
    let host = Host::new(1, "pc-1");
    let (mut link, _) = relay.place().registered(&host).await;
    let mut ends = session(relay.place(), &host, &mut link, "pc-1").await;

    carries(&mut ends, 8 << 20).await;

    assert!(pipes(&relay) < 0.5, "{} pipes", pipes(&relay));
    assert!(shortages(&relay) > 0.0);
    until_logged(&relay, WARNING, 1);
    // Once, although the kernel is asked each beat.
    let asked = Instant::now();
    while asked.elapsed() < 3 * limits::BEAT {
        carries(&mut ends, 8 << 20).await;
    }
    assert_eq!(relay.log().matches(WARNING).count(), 1, "{}", relay.log());

    drop(holder);
    // Asked again once a beat.
    loop {
        carries(&mut ends, 8 << 20).await;
        if pipes(&relay) > 0.0 {
            break;
        }
    }
    let before = shortages(&relay);
    carries(&mut ends, 8 << 20).await;
    assert!(shortages(&relay) - before < 0.5, "still without");
    until("idle pipes to be closed", || pipes(&relay) < 0.5).await;
    witness.finish();
}
