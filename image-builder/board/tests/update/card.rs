//! A bundle on the card: taken, or refused in words and without a write to the slot.

use std::fs;
use std::process::Command;

use tasuki_board::places;
use tasuki_board::slot::{Slot, TRIES};
use tasuki_board::update::Outcome;

use super::rig::{Image, Rig};

#[test]
fn a_newer_system_comes_into_the_other_slot_and_is_tried() {
    let rig = Rig::new();
    let image = Image::new("0.2.0", 2);
    let bundle = image.bundle();
    rig.card("new.update", &bundle);

    let output = Command::new(env!("CARGO_BIN_EXE_tasuki-board"))
        .arg("--root")
        .arg(rig.at("/"))
        .args(["update", "card"])
        .output()
        .expect("starts");

    assert!(output.status.success(), "{output:?}");
    assert!(rig.holds(&image));
    assert_eq!(rig.state().tries_left, Some(TRIES));
    assert!(rig.at(places::RESTART).exists(), "its unit waits for it");
    assert_eq!(rig.error_file(), "");
    let left = fs::read(rig.at(places::CONFIG).join("new.update")).expect("is there");
    assert!(left == bundle, "the operator's file stays as it was");

    // Before the restart it is not written again, and afterwards it is what runs.
    rig.set_partition("root-b", b"not written again");
    assert_eq!(rig.look_at_card().0, Outcome::Restart);
    assert_eq!(rig.partition("root-b"), b"not written again");
    rig.runs(Slot::B, &image);
    rig.set_state(Slot::B, None);
    assert_eq!(rig.look_at_card(), (Outcome::Nothing, Vec::new()));
}

#[test]
fn each_refusal_is_told_everywhere_and_costs_the_slot_nothing() {
    type Change = fn(&mut Image, &Rig);
    let cases: [(&str, Change); 8] = [
        (
            "is for boards of the kind rpi4, and this one is virt",
            |image, _| {
                image.board = "rpi4";
            },
        ),
        ("is signed by another deployment", |image, _| {
            image.signer = 2
        }),
        ("names no deployment key", |_, rig| {
            rig.set_node(|node| node.setup.deployment_key = None);
        }),
        ("was to be begun until 2001-09-09", |image, _| {
            image.order.expires = 1_000_000_000;
        }),
        (
            "has version 0.1.0, and this board runs 0.1.0",
            |image, _| {
                image.version = "0.1.0";
            },
        ),
        ("root needs 2101248 bytes and has 2100736", |image, rig| {
            rig.set_partition("root-b", &vec![0xee; image.root.len() - 512]);
        }),
        ("verity needs", |image, rig| {
            rig.set_partition("verity-b", &vec![0xee; image.verity.len() - 512]);
        }),
        ("boot needs", |image, rig| {
            rig.set_partition("BOOT-B", &vec![0xee; image.boot.len() - 512]);
        }),
    ];
    for (words, change) in cases {
        let rig = Rig::new();
        let mut image = Image::new("0.2.0", 2);
        change(&mut image, &rig);
        rig.card("new.update", image.bundle());

        let (outcome, told) = rig.look_at_card();

        assert_eq!(outcome, Outcome::Nothing, "{words}");
        assert!(rig.is_untouched(), "{words}");
        assert_eq!(rig.state().tries_left, None, "{words}");
        let warnings = rig.warnings();
        let begin = "update: new.update: ";
        assert!(
            told[0].starts_with(begin) && told[0].contains(words),
            "{told:?}"
        );
        assert_eq!(warnings, told, "status says what the console said");
        assert!(rig.error_file().contains(words), "{}", rig.error_file());

        fs::remove_file(rig.at(places::CONFIG).join("new.update")).expect("is there");
        rig.look_at_card();
        assert_eq!(rig.error_file(), "", "{words}");
        assert_eq!(rig.warnings(), [""; 0], "{words}");
    }
}

#[test]
fn a_damaged_file_costs_the_slot_nothing() {
    let good = Image::new("0.2.0", 2).bundle();
    let head = good.len() - 300;
    for (what, bytes) in [
        ("no update bundle", b"PK\x03\x04".to_vec()),
        ("no update bundle", Vec::new()),
        ("ends in the middle", good[..good.len() - 1].to_vec()),
        ("another deployment, or is damaged", flipped(&good, 30)),
        ("is damaged: piece", flipped(&good, head)),
        (
            "is damaged: piece 1 of boot",
            flipped(&good, good.len() - 1),
        ),
    ] {
        let rig = Rig::new();
        rig.card("new.update", bytes);

        let (outcome, told) = rig.look_at_card();

        assert_eq!(outcome, Outcome::Nothing, "{what}");
        assert!(told[told.len() - 1].contains(what), "{what}: {told:?}");
        assert!(rig.is_untouched(), "{what}");
    }
}

fn flipped(bytes: &[u8], place: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[place] ^= 1;
    bytes
}

#[test]
fn a_system_that_failed_is_named_with_its_reason_until_a_new_order_comes() {
    let rig = Rig::new();
    let mut image = Image::new("0.2.0", 2);
    rig.card("new.update", image.bundle());
    assert_eq!(rig.look_at_card().0, Outcome::Restart);
    rig.set_state(Slot::A, Some(0));
    rig.write(places::FAILURE, "the relay does not serve yet\n");

    let (outcome, told) = rig.look_at_card();

    assert_eq!(outcome, Outcome::Nothing);
    assert!(
        told[0].contains("has failed on this board: the relay does not serve yet"),
        "{told:?}"
    );
    // Neither is it if the board has forgotten that it obeyed.
    fs::remove_file(rig.at(places::TAKEN)).expect("is there");
    assert_eq!(rig.look_at_card().0, Outcome::Nothing);
    rig.write(places::TAKEN, "2\n");
    image.order.generation = 3;
    rig.card("new.update", image.bundle());
    assert_eq!(rig.look_at_card().0, Outcome::Restart);
    assert_eq!(rig.state().tries_left, Some(TRIES));
    assert!(
        !rig.at(places::FAILURE).exists(),
        "the next failure has a reason of its own"
    );
}

#[test]
fn the_way_back_has_to_be_signed_as_one() {
    let rig = Rig::new();
    let mut old = Image::new("0.0.9", 9);
    old.order.downgrade = true;
    rig.card("old.update", old.bundle());

    assert_eq!(rig.look_at_card().0, Outcome::Restart);
    assert!(rig.holds(&old));
}

#[test]
fn of_several_the_newest_order_is_taken_and_an_older_one_is_no_fault() {
    let rig = Rig::new();
    let older = Image::new("0.3.0", 3);
    let mut newer = Image::new("0.2.0", 2);
    newer.order.generation = 3;
    rig.card("a.update", older.bundle());
    rig.card("B.UPDATE", newer.bundle());

    assert_eq!(rig.look_at_card().0, Outcome::Restart);

    assert!(rig.holds(&newer));
    rig.runs(Slot::B, &newer);
    rig.set_state(Slot::B, None);
    let (outcome, told) = rig.look_at_card();
    assert_eq!(outcome, Outcome::Nothing);
    assert!(told[0].contains("a.update: is order 2, and this board already obeyed order 3"));
    assert_eq!(rig.warnings(), [""; 0], "no reason for the LED");
    assert!(rig.error_file().contains("a.update"), "but it is told");
}

#[test]
fn a_system_on_probation_takes_nothing_until_it_is_good() {
    let rig = Rig::new();
    let image = Image::new("0.2.0", 2);
    rig.card("new.update", image.bundle());
    rig.set_state(Slot::B, Some(2));

    let (outcome, told) = rig.look_at_card();

    assert_eq!(outcome, Outcome::Nothing);
    assert!(told[0].contains("still on probation"), "{told:?}");
    assert!(rig.is_untouched());
    rig.set_state(Slot::A, None);
    assert_eq!(rig.look_at_card().0, Outcome::Restart);
}

#[test]
fn a_system_that_was_not_started_is_told_and_the_board_does_not_restart_for_ever() {
    let rig = Rig::new();
    let image = Image::new("0.2.0", 2);
    rig.card("new.update", image.bundle());
    assert_eq!(rig.look_at_card().0, Outcome::Restart);

    // The boot chain could not take a try off: the card has gone read-only.
    rig.reboot();
    let (outcome, told) = rig.look_at_card();

    assert_eq!(outcome, Outcome::Nothing);
    assert!(
        told[0].contains("the last start did not start it"),
        "{told:?}"
    );
    assert_eq!(rig.warnings(), told);
}

#[test]
fn what_macos_writes_beside_a_bundle_is_no_bundle() {
    let rig = Rig::new();
    rig.card("._new.update", b"\0\x05\x16\x07\0\x02\0\0Mac OS X");

    assert_eq!(rig.look_at_card(), (Outcome::Nothing, Vec::new()));
    assert_eq!(rig.warnings(), [""; 0]);
}
