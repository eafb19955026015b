//! A cable cut without a word: no FIN, no reset, only silence.
//!
//! The relay gets a network of its own with two cables. One is cut; whoever is behind it is found
//! dead within the bound, and nobody behind the other notices.

use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use relay_testkit::{Agent, Host, Place, Relay, Site, connect, join, session};
use tasuki_relay::limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{answers, carries, is_root, until_status};

/// Where the relay is reached, over the cable that is cut and over the one that stays.
const CUT: [u8; 4] = [10, 213, 1, 1];
const WHOLE: [u8; 4] = [10, 213, 2, 1];

/// Makes the network, waits for its cables, and becomes the relay. `$1` is the test.
const SCRIPT: &str = r#"
ip link set lo up
for cable in 1 2; do
    ip link add inner$cable type veth peer name tsk$cable netns $TEST
    ip addr add 10.213.$cable.1/24 dev inner$cable
    ip link set inner$cable up
    nsenter --net --target $TEST ip addr add 10.213.$cable.2/24 dev tsk$cable
    nsenter --net --target $TEST ip link set tsk$cable up
done
exec "$0" "$@"
"#;

/// A relay at the other end of two cables; they vanish with it.
fn start(site: &Site) -> Relay {
    let mut command = Command::new("unshare");
    command
        .args(["--net", "sh", "-ec", SCRIPT])
        .arg(site.program())
        .args(site.run().get_args())
        .env("TEST", std::process::id().to_string())
        .stdin(Stdio::null());
    Relay::start(site, command)
}

fn cut() {
    let status = Command::new("ip")
        .args(["link", "set", "tsk1", "down"])
        .status();
    assert!(status.unwrap().success());
}

/// A session whose ends come over different cables.
async fn across(
    client: &Place,
    host_place: &Place,
    host: &Host,
    link: &mut Agent,
    id: &str,
) -> (TcpStream, TcpStream) {
    let mut leg = client.leg().await;
    leg.send(connect(id)).await;
    let ticket = link.invite().await.ticket;
    let mut at_host = host_place
        .dial(protocol::ALPN_LEG, Some(host))
        .await
        .unwrap();
    at_host.send(join(&ticket)).await;
    tokio::join!(leg.joined(), at_host.joined());
    (leg.into_raw(), at_host.into_raw())
}

/// Waits until the relay has reset this end, and says after how long.
async fn reset(mut end: TcpStream, since: Instant) -> Duration {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(2 * limits::USER_TIMEOUT, end.read_to_end(&mut rest)).await;
    assert!(
        read.unwrap().is_err(),
        "a session that breaks must not look finished"
    );
    since.elapsed()
}

/// All cases side by side, because each takes the whole bound.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes the 90 seconds that it proves"]
async fn whoever_is_behind_a_cut_cable_is_found_dead_in_time() {
    if !is_root() {
        return;
    }
    let site = crate::site("");
    let config = std::fs::read_to_string(site.path("relay.toml")).unwrap();
    let open = config.replace("127.0.0.1:0\"]", "0.0.0.0:0\"]");
    std::fs::write(site.path("relay.toml"), open).unwrap();
    let relay = start(&site);
    let port = relay.place().address.port();
    let over = |address: [u8; 4]| {
        let roots = std::sync::Arc::clone(&relay.place().roots);
        Place::new(SocketAddr::new(IpAddr::from(address), port), roots)
    };
    let (doomed, whole) = (over(CUT), over(WHOLE));
    let (lost, stays) = (Host::new(1, "lost"), Host::new(2, "stays"));
    let (mut lost_link, _) = doomed.registered(&lost).await;
    let (mut link, _) = whole.registered(&stays).await;
    // Each with bytes on their way over the cut, and one at rest.
    let (mut to_client, mut to_host, idle, mut other) = (
        across(&doomed, &whole, &stays, &mut link, "stays").await,
        across(&whole, &doomed, &lost, &mut lost_link, "lost").await,
        across(&doomed, &whole, &stays, &mut link, "stays").await,
        session(&whole, &stays, &mut link, "stays").await,
    );
    carries(&mut other, 100_000).await;

    cut();
    let since = Instant::now();
    to_client.1.write_all(&[7; 100_000]).await.unwrap();
    to_host.0.write_all(&[7; 100_000]).await.unwrap();
    let going = tokio::spawn(async move {
        for number in 0..30 {
            answers(&mut link, number).await;
            carries(&mut other, 20_000).await;
            tokio::time::sleep(limits::USER_TIMEOUT / 30).await;
        }
        (link, other)
    });

    let (client_lost, host_lost, idle_lost) = tokio::join!(
        reset(to_client.1, since),
        reset(to_host.0, since),
        reset(idle.1, since),
    );
    eprintln!("client lost {client_lost:?}, host lost {host_lost:?}, idle {idle_lost:?}");
    let status = until_status(&site, "the end of a link", |status| {
        status.hosts.online == 1
    });
    assert_eq!(status.sessions.ended["client_timeout"], 2, "{status:#?}");
    assert_eq!(status.sessions.ended["host_timeout"], 1);
    // What the board had sent on the link was never acknowledged: the kernel gives it up before
    // the silence counts.
    assert!(relay.log().contains("reason=\"broken\""), "{}", relay.log());
    for taken in [client_lost, host_lost, idle_lost] {
        let bound = limits::USER_TIMEOUT;
        assert!(
            (bound / 2..bound * 3 / 2).contains(&taken),
            "after {taken:?}"
        );
    }
    let (_link, mut other) = going.await.unwrap();
    carries(&mut other, 100_000).await;
    assert_eq!(site.status().sessions.now, 1);
    drop((to_client.0, to_host.1, idle.0, lost_link));
}
