//! Whole boards: an image is written to a card as an operator does it, booted in QEMU, cut off,
//! updated, damaged, and looked at from outside and inside.
//!
//! Ignored by `cargo test`, for a boot takes the better part of a minute: `cargo xtask nightly
//! board|slots|power|virt` builds the images and runs these tests, `TASUKI_BOARD` names another
//! board than `vm-x86-64`.

#![expect(
    clippy::print_stderr,
    reason = "these tests tell what they measure, and `cargo xtask nightly` shows it"
)]

mod agents;
mod bad_slot;
mod card;
mod data;
mod first_boot;
mod inside;
mod lab;
mod login;
mod quiet;
mod swap;
mod update;

/// Two releases of one source: what boards run, and what they are updated to.
const OLD: &str = "1.0.0";
const NEW: &str = "1.0.1";
