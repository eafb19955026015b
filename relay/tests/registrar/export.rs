//! An operator's backup: out, in, and what is not taken.

use tasuki_relay::registrar::TransferError;

use crate::rig::{Host, begin, exported, open};

#[test]
fn an_export_restores_everything_into_an_empty_store() {
    let (from, to) = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    let registrar = open(from.path());
    let mut hosts: Vec<Host> = (0..5).map(Host::new).collect();
    for (number, host) in hosts.iter_mut().enumerate() {
        host.take(&registrar, &format!("pc-{number}"));
    }
    hosts[0].take(&registrar, "renamed");
    let export = exported(&registrar);

    let restored = open(to.path());
    let result = restored
        .restore(export.as_bytes(), begin())
        .expect("restores");
    assert_eq!((result.claims, result.news), (5, 5));
    let again = restored
        .restore(export.as_bytes(), begin())
        .expect("restores");
    assert_eq!((again.claims, again.news), (5, 0));
    assert_eq!(exported(&restored), export);
    drop(restored);

    let restored = open(to.path());
    assert_eq!(exported(&restored), export);
    for host in &hosts {
        assert_eq!(
            restored.holder(&host.claim.as_ref().expect("taken").claim.computer_id),
            Some(host.key)
        );
    }
}

#[test]
fn a_damaged_export_changes_nothing() {
    let (from, to) = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    let registrar = open(from.path());
    for number in 0..3 {
        Host::new(number).take(&registrar, &format!("pc-{number}"));
    }
    let export = exported(&registrar);
    let restored = open(to.path());
    let restore = |text: &str| restored.restore(text.as_bytes(), begin());

    let lines: Vec<&str> = export.lines().collect();
    assert!(matches!(
        restore(&lines[..3].join("\n")),
        Err(TransferError::CutOff)
    ));
    let without_the_second = [lines[0], lines[2], lines[3]].join("\n");
    assert!(matches!(
        restore(&without_the_second),
        Err(TransferError::CutOff)
    ));
    assert!(matches!(
        restore(&export.replace("pc-1", "pc-9")),
        Err(TransferError::Forged(2))
    ));
    assert!(matches!(
        restore(&format!("{}\nhello\n", lines[0])),
        Err(TransferError::Line(2))
    ));
    assert!(matches!(
        restore(&"x".repeat(5_000)),
        Err(TransferError::Line(1))
    ));
    assert_eq!(restored.status().known, 0);
}
