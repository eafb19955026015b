//! A board in QEMU: boots an image as it would lie on a card, and shows what it does from outside.
//!
//! QEMU and its firmware come from the tools root of `boards/machines.lock`, so the workstation's
//! do not matter. Owns processes of QEMU and what it takes to speak to them; knows nothing of what
//! is in an image. It must never be needed by the product.
//! Read next: [`Setup`] for what can be asked for, [`Machine`] for what can be done then,
//! [`block`] for a card that forgets.

pub mod block;
mod console;
mod machine;
mod qmp;
mod setup;

pub use self::console::Console;
pub use self::machine::Machine;
pub use self::setup::{Accelerator, Disk, Firmware, Forward, Setup};
