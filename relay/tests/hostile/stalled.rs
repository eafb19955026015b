//! Readers that stop, both ways at once: what the board holds for them, and what others notice.
//!
//! Pinned is what lies in the board's own sockets (`ss(8)`, `skmem`: received, and queued for
//! sending), a whole page for each slot of a pipe in use, and what the process has grown by. The
//! agents' sockets are in the same kernel here, but not in the count. Page for page this is what
//! would be free again if the sessions ended, but for a page that two queues share, counted twice.

use std::time::{Duration, Instant};

use relay_testkit::{Agent, Host, Place, Relay, connect, session, soon, until};
use socket2::SockRef;
use tasuki_relay::limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::attack::abandon;
use crate::site;
use crate::witness::Witness;

/// Links that the crowd's sessions are divided between.
const HOSTS: u16 = 8;

/// Seats for the witness, the runner, and one that is left free, since a full board parks nobody.
const OTHERS: u16 = 6;

/// What the runner moves at a time.
const RUN: usize = 8 << 20;

/// One session's far ends.
type FarEnds = (TcpStream, TcpStream);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_session_pins_at_most_512_kib() {
    for like_ethernet in [false, true] {
        let relay = site("").start();
        let place = like(relay.place(), like_ethernet);
        let host = Host::new(1, "pc-1");
        let (mut link, _) = place.registered(&host).await;
        let stalled = far_ends(&place, &host, &mut link, "pc-1").await;
        let (sockets, memory) = (relay.socket_memory(), relay.anonymous_memory());

        let taken = stall(std::slice::from_ref(&stalled)).await;

        let grown = relay.anonymous_memory().saturating_sub(memory);
        let pinned = relay.socket_memory() - sockets + in_pipes(&relay) + grown;
        eprintln!("{pinned} bytes pinned, {grown} of them in the process; {taken} were taken");
        assert!(taken > 200_000, "{taken} bytes do not stall a session");
        assert!(pinned <= 512 << 10, "{pinned} bytes pinned");
        drain(stalled, taken).await;
    }
}

/// A tenth of the sessions, and of what is left for them when all else has its part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_pins_no_more_than_the_budget() {
    let fixed = limits::BEFORE_JOIN_BYTES + limits::PIPES * limits::PIPE_BYTES;
    let budget = fixed + (limits::MEMORY_BUDGET - fixed) / 10;
    crowd(200, budget, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; `cargo xtask nightly hostile` runs it"]
async fn two_thousand_sessions_pin_no_more_than_128_mib() {
    crowd(2_000, limits::MEMORY_BUDGET, 64).await;
}

/// `sessions` of them, all but a few stalled both ways, and eight callers for each of
/// `absent_hosts` hosts that do not come.
async fn crowd(sessions: u16, budget: usize, absent_hosts: u16) {
    let limits = format!(
        "[limits]\nsessions = {sessions}\nmemory_budget = \"{}K\"\n",
        budget >> 10
    );
    let relay = site(&limits).start();
    let witness = Witness::start(&relay);
    let mut joining = JoinSet::new();
    for number in 0..HOSTS {
        // The first ones take what does not divide evenly.
        let rest = u16::from(number < (sessions - OTHERS) % HOSTS);
        let place = like(relay.place(), number % 2 == 0);
        joining.spawn(several(place, number, (sessions - OTHERS) / HOSTS + rest));
    }
    let (mut links, mut stalled) = (Vec::new(), Vec::new());
    for (link, far_ends) in joining.join_all().await {
        links.push(link);
        stalled.extend(far_ends);
    }
    let place = relay.place().like_ethernet();
    let host = Host::new(HOSTS, "runner");
    let (mut link, _) = place.registered(&host).await;
    let mut runner = session(&place, &host, &mut link, "runner").await;
    assert_eq!(
        relay.metrics().get("tasuki_sessions"),
        f64::from(sessions - 1)
    );

    let quiet = tokio::task::block_in_place(|| witness.watch(Duration::from_secs(1)));
    let quiet_run = run(&relay, &mut runner).await;
    let memory = relay.anonymous_memory();
    let taken = stall(&stalled).await;
    let grown = relay.anonymous_memory().saturating_sub(memory);
    let parked = park(relay.place(), absent_hosts).await;
    until("some callers in the relay", || {
        relay.metrics().get("tasuki_legs_parked") >= 8.0
    })
    .await;
    let (sockets, metrics) = (relay.socket_memory(), relay.metrics());
    // Until now the crowd was moving as much as the machine could.
    let crowded = witness.phase();
    eprintln!("while the crowd filled its queues: {crowded:?}");
    let busy = tokio::task::block_in_place(|| witness.watch(Duration::from_secs(1)));
    let busy_run = run(&relay, &mut runner).await;

    let legs = whole(metrics.get("tasuki_legs_parked"));
    let pipes = in_pipes(&relay);
    let pinned = sockets + pipes + grown;
    eprintln!(
        "{sessions} sessions took {taken} bytes; {pinned} bytes pinned: {sockets} in sockets (those \
         of {legs} parked legs among them), {grown} in the process; a run of {RUN} bytes cost \
         {quiet_run:?} of CPU before and {busy_run:?} meanwhile"
    );
    assert!(legs > 0, "nobody was parked");
    let average = taken / stalled.len();
    assert!(average > 10_000, "{average} bytes do not stall a session");
    // Connections and pipes that might come on top.
    let connections = limits::BEFORE_JOIN_BYTES - legs * limits::PARKED_LEG_BYTES;
    let more = connections + limits::PIPES * limits::PIPE_BYTES;
    let most = u64::try_from(budget - more).unwrap() + pipes;
    assert!(pinned <= most, "{pinned} bytes pinned, {most} allowed");
    busy.assert_like(quiet, "a stalled crowd");
    // CPU is counted in ticks, and in the noise of two cores that everybody shares.
    assert!(
        busy_run <= 3 * quiet_run + Duration::from_millis(300),
        "{busy_run:?} after {quiet_run:?}"
    );
    drop(parked);
    witness.finish();
}

fn like(place: &Place, like_ethernet: bool) -> Place {
    if like_ethernet {
        place.like_ethernet()
    } else {
        place.clone()
    }
}

/// A link of this host and so many sessions of it.
async fn several(place: Place, number: u16, sessions: u16) -> (Agent, Vec<FarEnds>) {
    let id = format!("pc-{number}");
    let host = Host::new(number, &id);
    let (mut link, _) = place.registered(&host).await;
    let mut joined = Vec::new();
    for _ in 0..sessions {
        joined.push(far_ends(&place, &host, &mut link, &id).await);
    }
    (link, joined)
}

/// A session whose agents have fixed buffers: they stall soon, and thousands of them do not make
/// the kernel short of memory. Their windows are wide enough to take long segments.
async fn far_ends(place: &Place, host: &Host, link: &mut Agent, id: &str) -> FarEnds {
    let sockets = session(place, host, link, id).await;
    for socket in [&sockets.0, &sockets.1] {
        let options = SockRef::from(socket);
        options.set_send_buffer_size(16 << 10).unwrap();
        options.set_recv_buffer_size(64 << 10).unwrap();
    }
    sockets
}

/// Writes at both ends of each session until nothing has moved for a while, longer than the
/// kernel's first few looks at a shut window take. Gives the bytes that went.
async fn stall(sessions: &[FarEnds]) -> usize {
    let chunk = vec![7; 16 << 10];
    let (mut taken, mut quiet) = (0, 0);
    let began = Instant::now();
    while quiet < 10 {
        assert!(began.elapsed() < Duration::from_secs(60), "it never stalls");
        let before = taken;
        for (client, host) in sessions {
            for socket in [client, host] {
                while let Ok(bytes) = socket.try_write(&chunk) {
                    taken += bytes;
                }
            }
        }
        quiet = if taken == before { quiet + 1 } else { 0 };
        sleep(Duration::from_millis(100)).await;
    }
    taken
}

/// Reads what a stalled session still holds, to show that it went on from where it stood.
async fn drain((client, host): FarEnds, taken: usize) {
    let mut received = 0;
    let mut ends = [client, host];
    for end in &mut ends {
        end.shutdown().await.unwrap();
    }
    for mut end in ends {
        let mut bytes = Vec::new();
        soon("the rest", end.read_to_end(&mut bytes)).await.unwrap();
        assert!(bytes.iter().all(|byte| *byte == 7));
        received += bytes.len();
    }
    assert_eq!(received, taken);
}

/// What pipes pin at most: a page for each of their slots.
fn in_pipes(relay: &Relay) -> u64 {
    let pipes = whole(relay.metrics().get("tasuki_pipes_in_use"));
    u64::try_from(pipes * limits::PIPE_BYTES).unwrap()
}

fn whole(value: f64) -> usize {
    value.to_string().parse().unwrap()
}

/// Moves bytes through a session whose readers read, and gives the CPU time that it cost the relay.
async fn run(relay: &Relay, (client, host): &mut FarEnds) -> Duration {
    let before = relay.cpu();
    let bytes = vec![8; RUN];
    let mut received = vec![0; RUN];
    let (written, read) = soon("a run", async {
        tokio::join!(host.write_all(&bytes), client.read_exact(&mut received))
    })
    .await;
    written.unwrap();
    read.unwrap();
    assert!(received == bytes, "other bytes came");
    relay.cpu() - before
}

/// Eight callers with return tags for each of so many hosts, which do not come. The callers send
/// more than anybody keeps for them.
async fn park(place: &Place, hosts: u16) -> Vec<(Agent, Vec<TcpStream>)> {
    let mut parking = JoinSet::new();
    for number in 1_000..1_000 + hosts {
        let place = place.like_ethernet();
        parking.spawn(async move {
            let id = format!("absent-{number}");
            let host = Host::new(number, &id);
            let (link, _) = place.registered(&host).await;
            let mut callers = Vec::new();
            for tag in 0..u8::try_from(limits::INVITES_TAGGED).unwrap() {
                let mut client = place.leg().await;
                let mut request = connect(&id);
                request.tag = Some(host.tag(tag));
                client.send(request).await;
                let socket = abandon(client);
                while socket.try_write(&[7; 1_024]).is_ok() {}
                callers.push(socket);
            }
            (link, callers)
        });
    }
    parking.join_all().await
}
