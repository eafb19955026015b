//! What runs on a board beside the relay. `docs/BOARD.md` is the map.

pub mod cli;
pub mod clock;
pub mod data;
pub mod error_file;
pub mod file;
pub mod gate;
pub mod log;
pub mod places;
pub mod provision;
pub mod slot;
pub mod sys;
pub mod update;
pub mod watch;
