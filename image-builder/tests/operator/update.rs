//! Signing an update: who may take it, for how long, and what nobody signs.

use std::fs::{self, File};

use image_builder::bundle::{Bundle, Parts};
use image_builder::identity::Uuid;
use image_builder::verity;
use protocol::file::update::Manifest;

use crate::shell::Shell;

/// A small system, as `tasuki image build` writes one.
fn build(shell: &Shell, name: &str, version: &str) {
    let root = vec![7; 3 * verity::BLOCK];
    let tree = verity::hash_tree(&root, &[1; 32], Uuid::known(1)).expect("whole blocks");
    let parts = Parts {
        root: &root,
        verity: &tree.bytes,
        boot: &[0x55; 512],
    };
    let bundle = Bundle::new("virt", version, tree.root, parts).expect("packs");
    bundle
        .write(File::create(shell.path(name)).expect("a file"))
        .expect("writes");
}

fn signed(shell: &Shell, name: &str) -> Manifest {
    let bundle = Bundle::read(&shell.path(name)).expect("is whole");
    let key = shell.open().record().deployment_key;
    bundle
        .head()
        .expect("is there")
        .open(&key)
        .expect("is signed")
}

#[test]
fn each_signature_has_a_higher_number_and_says_what_was_asked_for() {
    let shell = Shell::with_passphrase("correct horse");
    build(&shell, "built.update", "0.2.0");

    let said = shell.done("deployment sign-update built.update");
    let first = signed(&shell, "virt.update");
    shell.done("deployment sign-update virt.update --downgrade --days 1 --out back.update");
    let second = signed(&shell, "back.update");

    assert!(said.contains("version 0.2.0, order 1."), "{said}");
    assert!(said.contains("if they run an older version"), "{said}");
    assert_eq!((first.order.generation, first.order.downgrade), (1, false));
    assert_eq!((second.order.generation, second.order.downgrade), (2, true));
    let days = (first.order.expires - second.order.expires).div_ceil(86_400);
    assert_eq!(days, 89);
    assert_eq!(first.root_hash, second.root_hash);
}

#[test]
fn a_damaged_bundle_is_not_signed_and_nothing_else_is_written_over() {
    let shell = Shell::with_deployment();
    build(&shell, "built.update", "0.2.0");
    let mut bytes = fs::read(shell.path("built.update")).expect("reads");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(shell.path("bad.update"), bytes).expect("writes");
    fs::write(shell.path("virt.update"), "my notes").expect("writes");

    let damaged = shell.refused("deployment sign-update bad.update --out new.update");
    let occupied = shell.refused("deployment sign-update built.update");

    assert!(damaged.contains("is damaged: piece 0 of boot"), "{damaged}");
    assert!(!shell.path("new.update").exists());
    assert!(occupied.contains("is no update for virt"), "{occupied}");
    assert_eq!(shell.read("virt.update"), "my notes");
}

#[test]
fn verify_tells_whom_a_bundle_is_for() {
    let shell = Shell::with_deployment();
    build(&shell, "built.update", "0.2.0");
    shell.done("deployment sign-update built.update");
    let other = Shell::with_deployment();
    fs::copy(shell.path("virt.update"), other.path("virt.update")).expect("copies");

    let unsigned = shell.done("image verify built.update");
    let ours = shell.done("image verify virt.update");
    let theirs = other.refused("image verify virt.update");

    assert!(unsigned.contains("Nobody has signed it"), "{unsigned}");
    assert!(
        ours.contains("An update of virt to version 0.2.0"),
        "{ours}"
    );
    assert!(ours.contains("This deployment signed it."), "{ours}");
    assert!(theirs.contains("signed by another deployment"), "{theirs}");
}
