//! The initramfs' `/init`: from a running kernel to a verified root and its `systemd`.
//!
//! [`boot`] tells the story; [`command_line`], [`partition`], [`superblock`] and [`mapper`] are its
//! words and do nothing but read and encode; [`sys`] is the only module that asks the kernel for
//! something that cannot be undone. `docs/BOOT.md` is the contract with the image builder.

pub mod boot;
pub mod command_line;
pub mod log;
pub mod mapper;
pub mod partition;
pub mod slot;
pub mod superblock;
pub mod sys;
