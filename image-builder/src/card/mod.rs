//! Writing an image to a card, a loop device or a file, and proving that it is there.
//!
//! [`target`] says whether a device may be written to, [`flash`] writes and reads back. Nothing here
//! asks a person; `cli` does, between the two.

pub mod flash;
pub mod target;
