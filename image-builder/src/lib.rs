//! Everything an operator types at a workstation: the program `tasuki`.
//!
//! [`cli`] has one file a command. [`deployment`] is what the commands for boards and agents work
//! on; [`board`], [`package`], [`root`] and what follows in `docs/IMAGE.md` make images. Nothing here
//! sends anything over a network: an operator carries the files that it writes, and apt fetches
//! the packages.

pub mod assemble;
pub mod board;
pub mod boot;
pub mod build;
pub mod bundle;
pub mod card;
pub mod cli;
pub mod deployment;
pub mod disk;
pub mod exec;
pub mod glob;
pub mod identity;
pub mod initramfs;
pub mod manifest;
pub mod package;
pub mod programs;
pub mod progress;
pub mod proof;
pub mod release;
pub mod root;
pub mod sbom;
pub mod settings;
mod sys;
pub mod tools;
pub mod verity;
pub mod workplace;
