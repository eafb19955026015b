//! The board's clock jumps by a day, forth and back, as boards without a clock chip know it.
//!
//! libfaketime (Debian: faketime) shows the relay another time of day; the monotonic clock stays.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use protocol::board_list::{BoardList, SignedBoardList};
use protocol::outer::Frame;
use relay_testkit::{Agent, Host, Relay, Site, connect, join, session};

use super::{answers, carries, until_status, until_warned};
use crate::witness::Witness;

const LIBRARY: &str = "faketime/libfaketime.so.1";

fn library() -> String {
    let folder = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let path = Path::new(&folder).join(LIBRARY);
    assert!(
        path.exists(),
        "no {}: apt-get install faketime",
        path.display()
    );
    path.display().to_string()
}

/// Sets the relay's clock so many seconds off.
fn jump(site: &Site, seconds: i64) {
    let fresh = site.path("clock.new");
    std::fs::write(&fresh, format!("{seconds:+}\n")).unwrap();
    std::fs::rename(fresh, site.path("clock")).unwrap();
}

fn start(site: &Site) -> Relay {
    jump(site, 0);
    let mut command = Command::new("env");
    command
        .arg(format!("LD_PRELOAD={}", library()))
        .arg(site.program())
        .args(site.run().get_args())
        .env("FAKETIME_TIMESTAMP_FILE", site.path("clock"))
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DISABLE_SHM", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Relay::start(site, command)
}

/// The next board list that comes over a link.
async fn board_list(link: &mut Agent) -> BoardList {
    let mut bytes = Vec::new();
    loop {
        match link.next().await {
            Some(Frame::BoardListPart(part)) => {
                bytes.extend_from_slice(part.bytes.as_slice());
                if bytes.len() == usize::try_from(part.total).unwrap() {
                    return SignedBoardList::from_bytes(&bytes).unwrap().list;
                }
            }
            other => panic!("expected a board list, got {other:?}"),
        }
    }
}

fn is_valid(list: &BoardList, now: SystemTime) -> bool {
    let now = now.duration_since(UNIX_EPOCH).unwrap().as_secs();
    // Signed within the last minute: the relay looks every ten seconds.
    (list.issued.saturating_sub(1)..list.issued + 60).contains(&now) && now < list.expires
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_forth_and_two_back_cost_nobody_anything() {
    const DAY: Duration = Duration::from_secs(24 * 3_600);
    const DAY_S: i64 = 24 * 3_600;
    let site = crate::site("");
    let relay = start(&site);
    let witness = Witness::start(&relay);
    let host = Host::new(1, "pc-1");
    let mut link = relay.place().link(&host).await;
    let mut register = host.register(1);
    register.board_list_serial = 0;
    link.send(register).await;
    let before = link.registered().await.claim.claim;
    let first = board_list(&mut link).await;
    assert!(is_valid(&first, SystemTime::now()), "{first:?}");
    let mut ends = session(relay.place(), &host, &mut link, "pc-1").await;
    // A ticket that is on its way.
    let mut client = relay.place().leg().await;
    client.send(connect("pc-1")).await;
    let ticket = link.invite().await.ticket;

    jump(&site, DAY_S);
    until_status(&site, "a day", |status| status.certificate.days_left == 98);

    let mut leg = relay
        .place()
        .dial(protocol::ALPN_LEG, Some(&host))
        .await
        .unwrap();
    leg.send(join(&ticket)).await;
    tokio::join!(client.joined(), leg.joined());
    let second = board_list(&mut link).await;
    assert!(second.serial > first.serial);
    assert!(is_valid(&second, SystemTime::now() + DAY), "{second:?}");
    answers(&mut link, 1).await;
    carries(&mut ends, 100_000).await;
    let (_, ahead) = relay.place().registered(&Host::new(2, "pc-2")).await;
    assert!(site.status().uptime_s < 3_600, "{:?}", site.status());
    assert_eq!(site.status().warnings, [""; 0]);
    let started: Timestamp = site.status().started.parse().unwrap();
    assert!(
        SystemTime::from(started) > SystemTime::now() + DAY - Duration::from_secs(3_600),
        "{started}: it started by the clock that was put right since"
    );

    // Back by two days, less an hour: the certificate began a day ago.
    jump(&site, 3_600 - DAY_S);
    until_status(&site, "yesterday", |status| {
        status.certificate.days_left == 100
    });

    let third = board_list(&mut link).await;
    assert!(
        third.serial > second.serial,
        "agents would not take it else"
    );
    assert!(
        is_valid(&third, SystemTime::now() + Duration::from_secs(3_600) - DAY),
        "{third:?}"
    );
    answers(&mut link, 2).await;
    carries(&mut ends, 100_000).await;
    let (_, behind) = relay.place().registered(&Host::new(3, "pc-3")).await;
    let (ahead, behind) = (ahead.claim.claim, behind.claim.claim);
    assert!(before.serial < ahead.serial && ahead.serial < behind.serial);
    // Whoever comes back resumes or shakes hands anew; both must do.
    let mut again = relay.place().link(&host).await;
    again.send(host.register(2)).await;
    assert_eq!(again.registered().await.claim.claim, before);

    // Before the certificate: a board without a clock chip starts like this, and serves.
    jump(&site, -20 * 365 * DAY_S);
    until_warned(&site, "certificate is not valid yet, or the clock is wrong");
    let mut ends = session(relay.place(), &host, &mut again, "pc-1").await;
    carries(&mut ends, 100_000).await;

    jump(&site, 0);
    until_status(&site, "today", |status| status.warnings.is_empty());
    let mut ends = session(relay.place(), &host, &mut again, "pc-1").await;
    carries(&mut ends, 100_000).await;
    witness.finish();
}
