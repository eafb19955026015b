//! Certificates: renewed under load, and run out.

use std::time::{Duration, Instant};

use relay_testkit::{Host, PATIENCE, Site, session};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, Error as TlsError};

use super::{answers, carries, until_logged, until_warned};
use crate::witness::Witness;

/// Puts a node file in the place of the old one at once, as `install` and `mv` do; gives the
/// certificate in it.
fn replace_node(site: &Site, ends_in: Duration) -> CertificateDer<'static> {
    let fresh = site.path("node.toml.new");
    let node = site.deployment.node(ends_in);
    std::fs::write(&fresh, node.to_text()).unwrap();
    std::fs::rename(fresh, site.path("node.toml")).unwrap();
    CertificateDer::from_pem_slice(node.certificate.as_bytes()).unwrap()
}

const DAY: Duration = Duration::from_secs(24 * 3_600);

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_again_and_again_and_nobody_notices() {
    let site = crate::site("");
    let relay = site.start();
    let witness = Witness::start(&relay);
    let host = Host::new(1, "pc-1");
    let (mut link, _) = relay.place().registered(&host).await;

    for round in 0..20 {
        let certificate = replace_node(&site, DAY * (40 + round));
        relay.signal("HUP");
        relay.hear("READY=1");
        // Both came through another certificate than the one that is shown now.
        answers(&mut link, round).await;
        let mut ends = session(relay.place(), &host, &mut link, "pc-1").await;
        carries(&mut ends, 10_000).await;
        let leg = relay.place().leg().await;
        let shown = leg.0.get_ref().1.peer_certificates().unwrap();
        assert_eq!(shown[0], certificate);
    }

    assert_eq!(site.status().certificate.days_left, 40 + 19 - 1);
    witness.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_runs_out_is_announced_refused_by_agents_and_mended_by_a_reload() {
    let site = crate::site("");
    replace_node(&site, Duration::from_secs(8));
    let relay = site.start();
    let witness = Witness::start(&relay);
    let host = Host::new(1, "pc-1");
    let (mut link, _) = relay.place().registered(&host).await;
    assert!(site.status().warnings[0].starts_with("certificate expires in 0 days"));

    until_warned(&site, "certificate has expired: agents refuse this board");

    // Agents count whole seconds, and so may take a moment longer.
    let began = Instant::now();
    let error = loop {
        if let Err(error) = relay.place().dial(protocol::ALPN_LEG, None).await {
            break error;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "an expired certificate is accepted"
        );
    };
    let tls = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<TlsError>());
    assert!(
        matches!(
            tls,
            Some(TlsError::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. }
            ))
        ),
        "{error:?}"
    );
    until_logged(&relay, "certificate has expired", 1);
    let end = relay
        .metrics()
        .get("tasuki_certificate_expiry_timestamp_seconds");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    assert!(end <= now.as_secs_f64());
    // Who is in stays in.
    answers(&mut link, 1).await;

    replace_node(&site, 100 * DAY);
    relay.signal("HUP");
    relay.hear("READY=1");
    let mut ends = session(relay.place(), &host, &mut link, "pc-1").await;
    carries(&mut ends, 10_000).await;
    assert_eq!(site.status().warnings, [""; 0]);
    until_logged(&relay, "No longer so", 1);
    witness.finish();
}
