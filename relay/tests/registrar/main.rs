//! The embedded registrar from outside: what survives, who wins, what is refused.

mod board_list;
mod claims;
mod disk;
mod export;
mod rig;
