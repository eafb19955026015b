//! The images of all boards, and what boots them.

use super::suite::Suite;

pub(super) const IMAGE: Suite = Suite {
    name: "image",
    what: "every board's image comes out the same elsewhere, and image diff names what changed",
    package: "image-builder",
    program: "images",
    prefixes: &[""],
    // `virt` does it with real programs.
    without: &["reproducible::quick"],
    variables: &[],
    release: false,
    inputs: INPUTS,
};

pub(super) const U_BOOT: Suite = Suite {
    name: "u-boot",
    what: "the boot script of the Rockchip boards in a real U-Boot, from slot to kernel",
    package: "board",
    program: "u_boot",
    without: &[],
    ..IMAGE
};

const INPUTS: &[&str] = &[
    "boards",
    "systemd",
    "image-builder",
    "relay",
    "protocol",
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "xtask/src/nightly",
];
